package planetlab_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/planetlab"
)

func TestOwn(t *testing.T) {
	files, _ := filepath.Glob("/work/shared/data/planetlab/*.tar.gz")
	for _, mem := range []bool{true, false} {
		for _, f := range files {
			traces, err := planetlab.Read(f)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			r := planetlab.Run(planetlab.Published(traces, mem, planetlab.PowerAware), planetlab.Consolidation())
			fmt.Printf("%v %s %7.2f kWh %5d moves (%d) SLATAH %.3f %% PDM %.4f %% active %.1f %v\n", mem, filepath.Base(f)[:8], r.EnergyKWh, r.Migrations, r.Refused, 100*r.SLATAH, 100*r.PDM, r.ActiveHosts, time.Since(began).Round(time.Millisecond))
		}
	}
}

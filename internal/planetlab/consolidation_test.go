package planetlab_test

import (
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"testing"

	"github.com/evenkeel/evenkeel/internal/planetlab"
)

// generated are traces of VMs of which most do little, some much, all with noise, and of which the idle ones end first.
func generated(n int, seed int64) []planetlab.Trace {
	r := rand.New(rand.NewSource(seed))
	var traces []planetlab.Trace
	for i := range n {
		mean := math.Exp(2 + r.NormFloat64())
		ends := int(40 * mean * r.ExpFloat64())
		t := trace(func(k int) int {
			if k > ends {
				return 0
			}
			return int(min(100, max(1, mean*(1+0.5*r.NormFloat64()))))
		})
		t.Name = fmt.Sprintf("vm%04d", i)
		traces = append(traces, t)
	}
	return traces
}

func TestConsolidationBeatsTheHeuristicsOnGeneratedDays(t *testing.T) {
	for seed := range int64(2) {
		for _, memory := range []bool{true, false} {
			s := planetlab.Published(generated(240, seed), memory, planetlab.PowerAware)
			own, theirs := planetlab.Run(s, planetlab.Consolidation()), planetlab.Run(s, thr(0.8))
			if own.Refused > 0 {
				t.Errorf("seed %d, memory %v: %d moves were not legal", seed, memory, own.Refused)
			}
			if own.EnergyKWh >= theirs.EnergyKWh || own.Migrations >= theirs.Migrations {
				t.Errorf("seed %d, memory %v: %.1f kWh with %d migrations, the heuristic takes %.1f with %d", seed, memory, own.EnergyKWh, own.Migrations, theirs.EnergyKWh, theirs.Migrations)
			}
			if !memory && own.SLATAH >= theirs.SLATAH {
				t.Errorf("seed %d: SLATAH is %.4f, the heuristic's %.4f", seed, own.SLATAH, theirs.SLATAH)
			}
		}
	}
}

func TestTheSameDayGivesTheSameReport(t *testing.T) {
	s := planetlab.Published(generated(200, 1), true, planetlab.PowerAware)
	if a, b := planetlab.Run(s, planetlab.Consolidation()), planetlab.Run(s, planetlab.Consolidation()); !reflect.DeepEqual(a, b) {
		t.Errorf("%+v\nand then\n%+v", a, b)
	}
}

//go:build bench

package planetlab_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/planetlab"
)

// published are the figures of CloudSim 3.0.3 on a day: kWh and migrations.
type published struct {
	day        string
	memory     bool
	policy     string
	kWh        float64
	migrations int
}

func figures() []published {
	return []published{
		{"20110303", false, "DVFS", 802.75, 0},
		{"20110303", false, "THR-MMT 0.8", 192.62, 26_711},
		{"20110303", false, "LR-MMT 1.2", 163.48, 27_859},
		{"20110303", true, "THR-MMT 0.8", 455.75, 1075},
		{"20110303", true, "LR-MMT 1.2", 455.62, 1073},
		{"20110306", false, "DVFS", 625.53, 0},
		{"20110306", false, "THR-MMT 0.8", 144.74, 20_908},
		{"20110306", false, "LR-MMT 1.2", 123.28, 20_878},
		{"20110309", false, "DVFS", 704.93, 0},
		{"20110309", false, "THR-MMT 0.8", 165.27, 23_475},
		{"20110309", false, "LR-MMT 1.2", 142.09, 24_959},
	}
}

// traces reads a day from the directory that EVENKEEL_PLANETLAB names; they are public, and not in this repository.
func traces(t *testing.T, day string) []planetlab.Trace {
	t.Helper()
	dir := os.Getenv("EVENKEEL_PLANETLAB")
	if dir == "" {
		t.Fatal("EVENKEEL_PLANETLAB names no directory with DAY.tar.gz")
	}
	read, err := planetlab.Read(filepath.Join(dir, day+".tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// run goes through the day with the policy of that name.
func run(t *testing.T, day string, memory bool, policy string) planetlab.Report {
	t.Helper()
	policies := map[string]planetlab.Policy{"THR-MMT 0.8": thr(0.8), "LR-MMT 1.2": lr(1.2), "evenkeel": planetlab.Consolidation()}
	start := planetlab.PowerAware
	if policies[policy] == nil {
		start = planetlab.FirstFit
	}
	began := time.Now()
	r := planetlab.Run(planetlab.Published(traces(t, day), memory, start), policies[policy])
	if h, ok := policies[policy].(*heuristic); ok {
		r.Migrations += h.twice
	}
	t.Logf("%s, memory %-5v %-11s %7.2f kWh, %6d migrations, SLATAH %.3f %%, PDM %.4f %%, %.1f hosts, %v", day, memory, policy, r.EnergyKWh, r.Migrations,
		100*r.SLATAH, 100*r.PDM, r.ActiveHosts, time.Since(began).Round(10*time.Millisecond))
	return r
}

// The model is CloudSim's: the heuristics come to its figures, to the migration.
func TestPublishedFigures(t *testing.T) {
	for _, f := range figures() {
		r := run(t, f.day, f.memory, f.policy)
		if math.Abs(r.EnergyKWh-f.kWh) > 0.001*f.kWh || r.Migrations != f.migrations {
			t.Errorf("%s, memory %v, %s: %.2f kWh with %d migrations, CloudSim has %.2f with %d", f.day, f.memory, f.policy, r.EnergyKWh, r.Migrations, f.kWh, f.migrations)
		}
	}
	if live := run(t, "20110303", false, "DVFS").Live; live[0] != 994 || live[1] != 959 || live[47] != 594 || live[143] != 552 || live[239] != 535 {
		t.Errorf("of 1,052 VMs %d are there at 300 s, %d, %d, %d and %d later", live[0], live[1], live[47], live[143], live[239])
	}
}

// Evenkeel's own policy beside the heuristics, one setting for all.
func TestPublishedDaysConsolidated(t *testing.T) {
	for _, day := range []string{"20110303", "20110306", "20110309"} {
		for _, memory := range []bool{true, false} {
			own, theirs := run(t, day, memory, "evenkeel"), run(t, day, memory, "LR-MMT 1.2")
			if own.EnergyKWh > 0.92*theirs.EnergyKWh || own.Migrations > theirs.Migrations || own.Refused > 0 || !memory && own.SLATAH > 0.01 {
				t.Errorf("%s, memory %v: %.2f kWh with %d migrations (%d refused), SLATAH %.4f", day, memory, own.EnergyKWh, own.Migrations, own.Refused, own.SLATAH)
			}
		}
	}
}

// What is decided on the published days would be let through by the gates as well.
func TestPublishedMovesPassTheGates(t *testing.T) {
	for _, day := range []string{"20110303", "20110306", "20110309"} {
		for _, memory := range []bool{true, false} {
			g := &gated{Policy: planetlab.Consolidation(), t: t}
			planetlab.Run(planetlab.Published(traces(t, day), memory, planetlab.PowerAware), g)
			t.Logf("%s, memory %-5v: the gates were asked about %d moves", day, memory, g.asked)
		}
	}
}

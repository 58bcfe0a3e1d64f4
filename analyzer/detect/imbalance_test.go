package detect_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
	"pgregory.net/rapid"
)

// hosts is a cluster of hosts of 10 cores with one VM each, which wants the given cores.
func hosts(demand ...float64) cluster.Snapshot {
	s := cluster.Snapshot{At: clustertest.At(), Sources: []cluster.Source{{Number: "cpu_demand_cores", Query: "the CPU query"}}}
	for i, d := range demand {
		id := string(rune('a' + i))
		s.Hosts = append(s.Hosts, cluster.Host{ID: id, State: cluster.HostUp, CPUCores: 10, MemoryBytes: 100})
		s.VMs = append(s.VMs, cluster.VM{ID: "v" + id, Host: id, State: cluster.VMRunning, VCPUs: 10, CPUDemandCores: d, MemoryBytes: 10, MemoryDemandBytes: 10,
			Movable: true, CPUStealRatio: cluster.Known(0.1)})
	}
	return s
}

// imbalances are the findings of that detector.
func imbalances(s cluster.Snapshot, p detect.Policy) []cluster.Finding {
	return slices.DeleteFunc(detect.Findings(s, p), func(f cluster.Finding) bool { return f.Detector != "imbalance" })
}

func TestImbalanceNamesTheHostItsNumbersAndTheirSource(t *testing.T) {
	found := imbalances(hosts(9, 1, 2), detect.Policy{Threshold: 3})
	if len(found) != 1 || found[0].Subject != "host/a" || found[0].Detector != "imbalance" {
		t.Fatalf("%+v", found)
	}
	if want := "CPU demand is 90 % of a, 50 points above the cluster's mean of 40 %"; found[0].Reason != want {
		t.Errorf("reason %q, want %q", found[0].Reason, want)
	}
	e := found[0].Evidence[0]
	if math.Abs(e.Value-0.5) > 1e-9 || e.Limit != cluster.Known(0.2) || e.Query != "the CPU query" {
		t.Errorf("evidence %+v", e)
	}
	if last := found[0].Evidence[len(found[0].Evidence)-1]; last.Name != "cpu_steal" || math.Abs(last.Value-1) > 1e-9 {
		t.Errorf("steal %+v", last)
	}
}

func TestImbalanceByThreshold(t *testing.T) {
	// The fullest host stands 25 points above the mean.
	s := hosts(5, 0)
	for threshold, want := range map[int]int{1: 0, 2: 0, 3: 1, 4: 1, 5: 1} {
		if got := len(imbalances(s, detect.Policy{Threshold: threshold})); got != want {
			t.Errorf("threshold %d: %d findings, want %d", threshold, got, want)
		}
	}
}

func TestMemoryCountsAsWell(t *testing.T) {
	s := hosts(1, 1)
	s.VMs[0].MemoryDemandBytes = 80
	found := imbalances(s, detect.Policy{Threshold: 3})
	if len(found) != 1 || !strings.HasPrefix(found[0].Reason, "memory demand is 80 % of a") {
		t.Errorf("%+v", found)
	}
}

func TestWhatCannotBeSeenIsNotJudged(t *testing.T) {
	s := hosts(9, 1, 2)
	s.Gaps = []cluster.Gap{{Subject: "host/a", Reason: "exporter down"}}
	if found := imbalances(s, detect.Policy{Threshold: 3}); len(found) != 0 {
		t.Errorf("without a, b and c are 5 points from their mean: %+v", found)
	}
}

func TestLawFindingsAreAboutWhatIsSeenAndAreTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := clustertest.Snapshots().Draw(t, "cluster")
		p := cluster.NewPlacement(s)
		pol := detect.Default(rapid.IntRange(1, 5).Draw(t, "threshold"), cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95})
		for _, f := range detect.Findings(s, pol) {
			if id, ok := strings.CutPrefix(f.Subject, "host/"); ok && f.Detector != "stale_data" && f.Detector != "maintenance" && !p.Usable(id) {
				t.Fatalf("%s cannot be seen and is judged by %s", id, f.Detector)
			}
			if f.Reason == "" || len(f.Evidence) == 0 {
				t.Fatalf("a finding without reason or evidence: %+v", f)
			}
			e := f.Evidence[0]
			below := slices.Contains([]string{"idle_host", "idle_vm", "oversized_vm", "unmovable_vm"}, f.Detector)
			if f.Detector != "reserve_broken" && (below && e.Value >= e.Limit.Value || !below && e.Value <= e.Limit.Value) {
				t.Fatalf("the evidence does not carry the finding: %+v", f)
			}
		}
	})
}

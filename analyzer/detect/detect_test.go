package detect_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
)

// calm is a cluster of three hosts with two VMs each in which nothing is to be found.
func calm() cluster.Snapshot {
	s := cluster.Snapshot{At: clustertest.At()}
	for _, id := range []string{"a", "b", "c"} {
		s.Hosts = append(s.Hosts, cluster.Host{ID: id, State: cluster.HostUp, CPUCores: 8, MemoryBytes: 32 << 30, FailureDomain: "rack-" + id})
		for _, n := range []string{"1", "2"} {
			s.VMs = append(s.VMs, cluster.VM{ID: id + n, Name: "vm-" + id + n, Host: id, State: cluster.VMRunning, VCPUs: 2, CPUDemandCores: 1.2, MemoryBytes: 6 << 30, MemoryDemandBytes: 5 << 30,
				Movable: true, CPUStealRatio: cluster.Known(0.001), CPUPeakCores: cluster.Known(1.5), MemoryPeakBytes: cluster.Known(5 << 30), IOBytesPerSecond: cluster.Known(1e6)})
		}
	}
	return s
}

func found(s cluster.Snapshot) []cluster.Finding {
	s.Sort()
	return detect.Findings(s, detect.Default(3, cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}))
}

func TestNothingIsFoundWhereNothingIs(t *testing.T) {
	if f := found(calm()); len(f) > 0 {
		t.Errorf("%+v", f)
	}
}

func TestEachDetectorFindsItsOwn(t *testing.T) {
	must := func(kind cluster.RuleKind, vms ...string) cluster.Rule {
		return cluster.Rule{Name: "r", Kind: kind, VMs: vms}
	}
	for name, c := range map[string]struct {
		spoil                     func(*cluster.Snapshot)
		detector, subject, reason string
	}{
		"apart":    {func(s *cluster.Snapshot) { s.Rules = []cluster.Rule{must(cluster.VMVMAntiAffinity, "a1", "vm-a2")} }, "rule_violation", "rule/r", "vm-a1 on a, vm-a2 on a"},
		"together": {func(s *cluster.Snapshot) { s.Rules = []cluster.Rule{must(cluster.VMVMAffinity, "a1", "b1")} }, "rule_violation", "rule/r", "1 of its VMs would have to move"},
		"spread":   {func(s *cluster.Snapshot) { s.Rules = []cluster.Rule{must(cluster.VMVMSpread, "a1", "a2", "b1")} }, "rule_violation", "rule/r", "vm-vm-spread"},
		"a rule for nobody": {func(s *cluster.Snapshot) {
			s.Rules = []cluster.Rule{{Name: "r", Kind: cluster.VMVMAffinity, VMTags: []string{"x"}}}
		}, "rule_conflict", "rule/r", "ties nothing"},
		"together and apart": {func(s *cluster.Snapshot) {
			s.Rules = []cluster.Rule{{Name: "r1", Kind: cluster.VMVMAffinity, VMs: []string{"a1", "a2"}}, {Name: "r2", Kind: cluster.VMVMAntiAffinity, VMs: []string{"a1", "a2"}}}
		}, "rule_conflict", "rule/r1,r2", "must be together and must be apart"},
		"no host left": {func(s *cluster.Snapshot) {
			s.Rules = []cluster.Rule{{Name: "r1", Kind: cluster.VMHostAffinity, VMs: []string{"a1"}, Hosts: []string{"a"}}, {Name: "r2", Kind: cluster.VMHostAntiAffinity, VMs: []string{"a1"}, FailureDomains: []string{"rack-a"}}}
		}, "rule_conflict", "rule/r1,r2", "leave no host for vm-a1"},
		"too many apart": {func(s *cluster.Snapshot) {
			s.Rules = []cluster.Rule{must(cluster.VMVMAntiAffinity, "a1", "a2", "b1", "b2")}
		}, "rule_conflict", "rule/r", "4 VMs apart and there are 3 hosts"},
		"maintenance": {func(s *cluster.Snapshot) { s.Hosts[0].State = cluster.HostMaintenance }, "maintenance", "host/a", "still has 2 VMs"},
		"a bond with a fault": {func(s *cluster.Snapshot) {
			s.Hosts[1].Faults = []cluster.Fault{{Kind: cluster.FaultBondSlave, Detail: "bond0", Value: 1, Limit: cluster.Known(0)}}
		}, "unhealthy_host", "host/b", "bond slave down of bond0 is 1"},
		"CPU":             {func(s *cluster.Snapshot) { s.VMs[0].CPUDemandCores = 7 }, "contended_host", "host/a", "CPU demand is 102 % of the host, over 90 %"},
		"memory pressure": {func(s *cluster.Snapshot) { s.Hosts[2].MemoryPressureRatio = cluster.Known(0.2) }, "contended_host", "host/c", "wait for memory in 20 % of the time, over 5 %"},
		"steal":           {func(s *cluster.Snapshot) { s.VMs[0].CPUStealRatio = cluster.Known(0.2) }, "contended_vm", "vm/a1", "its noisiest neighbour on a is vm-a2 with 1.20 cores"},
		"promised memory": {func(s *cluster.Snapshot) { s.VMs[0].MemoryBytes = 26 << 30 }, "overcommitted_host", "host/a", "100 % of its memory is promised"},
		"vCPUs":           {func(s *cluster.Snapshot) { s.VMs[0].VCPUs = 70 }, "overcommitted_host", "host/a", "9.0 vCPUs share a core"},
		"no room after":   {func(s *cluster.Snapshot) { s.VMs[0].MemoryBytes = 22 << 30 }, "reserve_broken", "cluster", "failure of a: vm-a1 (22.0 GiB, 1.20 cores) would have no room"},
		"an idle host":    {func(s *cluster.Snapshot) { s.VMs[0].CPUDemandCores, s.VMs[1].CPUDemandCores = 0.1, 0.1 }, "idle_host", "host/a", "CPU demand is 2 %"},
		"an idle VM": {func(s *cluster.Snapshot) {
			s.VMs[2].CPUPeakCores, s.VMs[2].IOBytesPerSecond = cluster.Known(0.01), cluster.Known(10)
		}, "idle_vm", "vm/b1", "at most 0.5 % of its 2 vCPUs"},
		"oversized":           {func(s *cluster.Snapshot) { s.VMs[2].CPUPeakCores = cluster.Known(0.4) }, "oversized_vm", "vm/b1", "1 would do"},
		"oversized in memory": {func(s *cluster.Snapshot) { s.VMs[2].MemoryPeakBytes = cluster.Known(1 << 30) }, "oversized_vm", "vm/b1", "6.0 GiB of memory, of which it used 1.0"},
		"undersized":          {func(s *cluster.Snapshot) { s.VMs[2].CPUPeakCores = cluster.Known(1.95) }, "undersized_vm", "vm/b1", "98 % of its 2 vCPUs"},
		"not movable": {func(s *cluster.Snapshot) {
			s.VMs[3].Movable, s.VMs[3].ImmovableReason = false, "a PCI device is passed through"
		}, "unmovable_vm", "vm/b2", "a PCI device"},
		"not seen":            {func(s *cluster.Snapshot) { s.Gaps = []cluster.Gap{{Subject: "vm/b1", Reason: "two places"}} }, "stale_data", "vm/b1", "two places"},
		"others move VMs":     {func(s *cluster.Snapshot) { s.OwnMovesLastDay, s.VMs[0].MovesLastDay = cluster.Known(1), 8 }, "second_scheduler", "cluster", "moved 8 times in the last day and evenkeel did 1"},
		"one host stands out": {func(s *cluster.Snapshot) { s.VMs[0].CPUDemandCores = 4 }, "imbalance", "host/a", "points above the cluster's mean"},
	} {
		t.Run(name, func(t *testing.T) {
			s := calm()
			c.spoil(&s)
			if !slices.ContainsFunc(found(s), func(f cluster.Finding) bool {
				return f.Detector == c.detector && f.Subject == c.subject && strings.Contains(f.Reason, c.reason)
			}) {
				t.Errorf("want %s at %s with %q, found %+v", c.detector, c.subject, c.reason, found(s))
			}
		})
	}
}

// Percentiles add up to a full host that in fact never is.
func TestAHostThatIsFullOnPaperAloneIsNotContended(t *testing.T) {
	for pressure, want := range map[float64]bool{0.01: false, 0.2: true} {
		s := calm()
		s.VMs[0].CPUDemandCores, s.Hosts[0].CPUPressureRatio = 6.4, cluster.Known(pressure)
		got := slices.ContainsFunc(found(s), func(f cluster.Finding) bool { return f.Detector == "contended_host" })
		if got != want {
			t.Errorf("with tasks waiting in %.0f %% of the time, contended is %v", 100*pressure, got)
		}
	}
}

func TestWhatDoesNotHoldIsPending(t *testing.T) {
	peak, rest := calm(), calm()
	peak.VMs[0].CPUDemandCores = 6
	peak.Hosts[1].State = cluster.HostMaintenance
	now := found(peak)
	if !slices.ContainsFunc(now, func(f cluster.Finding) bool { return f.Detector == "imbalance" }) {
		t.Fatalf("no peak in %+v", now)
	}
	for name, c := range map[string]struct {
		earlier []cluster.Snapshot
		pending bool
	}{"first sight": {[]cluster.Snapshot{rest, rest}, true}, "a gap in between": {[]cluster.Snapshot{rest, peak}, true}, "all along": {[]cluster.Snapshot{peak, peak}, false}} {
		var earlier [][]cluster.Finding
		for _, s := range c.earlier {
			earlier = append(earlier, found(s))
		}
		for _, f := range detect.Held(now, earlier) {
			if want := c.pending && f.Detector != "maintenance"; (f.Detector == "imbalance" || f.Detector == "maintenance") && f.Pending != want {
				t.Errorf("%s: %s is pending: %v, want %v", name, f.Detector, f.Pending, want)
			}
		}
	}
}

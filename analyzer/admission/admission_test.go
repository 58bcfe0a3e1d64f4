package admission

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
)

// racks is a cluster of four hosts of 20 usable GiB in two racks, with one VM of 8 GiB on each of the first three.
func racks() cluster.Snapshot {
	s := cluster.Snapshot{At: clustertest.At()}
	for i, id := range []string{"a", "b", "c", "d"} {
		s.Hosts = append(s.Hosts, cluster.Host{ID: id, State: cluster.HostUp, CPUCores: 8, MemoryBytes: 20 * gibibyte, FailureDomain: []string{"rack1", "rack2"}[i/2], Storage: []string{"nfs"}})
		if id != "d" {
			s.VMs = append(s.VMs, on("vm-"+id, id, 8))
		}
	}
	return s
}

func on(id, host string, size int64) cluster.VM {
	return cluster.VM{ID: id, Name: id, Host: host, State: cluster.VMRunning, VCPUs: 2, CPUDemandCores: 1, MemoryBytes: size * gibibyte, MemoryDemandBytes: size * gibibyte / 2, Movable: true}
}

func whole() cluster.Limits { return cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 1} }

// of names the cases as kind/subject, those that are not OK with a !.
func of(r Report) []string {
	var list []string
	for _, c := range r.Cases {
		mark := "!"
		if c.OK {
			mark = ""
		}
		list = append(list, mark+c.Kind+"/"+c.Subject)
	}
	return list
}

func TestEachPolicyAsksItsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		policy Policy
		spoil  func(*cluster.Snapshot)
		want   string
		reason string
	}{
		"nothing":     {want: "[]"},
		"one host":    {policy: Policy{HostFailures: 1}, want: "[host/a host/b host/c host/d]"},
		"two hosts":   {policy: Policy{HostFailures: 2}, want: "[host/a host/b host/c host/d]"},
		"three hosts": {policy: Policy{HostFailures: 3}, want: "[!host/a !host/b !host/c !host/d]", reason: "the failure of a, b, c: vm-c (8.0 GiB, 1.00 cores) would have no room; 24.0 GiB would have to be started, 20.0 GiB may still be promised on the 1 hosts left, at most 20.0 GiB on one"},
		"a domain":    {policy: Policy{FailureDomain: true}, want: "[domain/rack1 domain/rack2]"},
		"a full domain": {policy: Policy{FailureDomain: true}, spoil: func(s *cluster.Snapshot) { s.VMs[0].MemoryBytes = 16 * gibibyte; s.VMs[1].MemoryBytes = 18 * gibibyte },
			want: "[!domain/rack1 !domain/rack2]", reason: "the failure of domain rack1 (a, b): vm-a (16.0 GiB, 1.00 cores) would have no room"},
		"a percentage": {policy: Policy{Percent: 70}, want: "[percent/cpu percent/memory]"},
		"too little of it": {policy: Policy{Percent: 75}, want: "[percent/cpu !percent/memory]",
			reason: "56.0 of 80.0 GiB of the cluster's memory are free, and 75 % (60.0) are to be: memory is short by 4.0"},
		"too little CPU": {policy: Policy{Percent: 50}, spoil: func(s *cluster.Snapshot) { s.VMs[0].CPUDemandCores = 20 }, want: "[!percent/cpu percent/memory]",
			reason: "10.0 of 32.0 of the cluster's cores are free, and 50 % (16.0) are to be: cpu is short by 6.0"},
		"a spare": {policy: Policy{SpareHosts: []string{"d"}}, want: "[spare/a spare/b spare/c spare/d]"},
		"a spare that is in use": {policy: Policy{SpareHosts: []string{"c"}}, want: "[spare/a spare/b spare/d !spare/c]",
			reason: "spare host c is not empty: vm-c (8.0 GiB, 1.00 cores) is on it"},
		"a spare too small": {policy: Policy{SpareHosts: []string{"d"}}, spoil: func(s *cluster.Snapshot) { s.Hosts[3].MemoryBytes = 6 * gibibyte }, want: "[!spare/a !spare/b !spare/c spare/d]",
			reason: "the spare hosts (d) could not take over after the failure of a: vm-a (8.0 GiB, 1.00 cores) could be started nowhere else: d would have promised 8.0 GiB of memory and may promise 6.0"},
		"a spare that is down":      {policy: Policy{SpareHosts: []string{"d"}}, spoil: func(s *cluster.Snapshot) { s.Hosts[3].State = cluster.HostStandby }, want: "[!spare/a !spare/b !spare/c !spare/d]", reason: "no host is left"},
		"a spare that is not there": {policy: Policy{SpareHosts: []string{"x"}}, want: "[!spare/x]", reason: "spare host x is not in the snapshot"},
		"fewer hosts than may fail": {policy: Policy{HostFailures: 1}, spoil: func(s *cluster.Snapshot) { s.Hosts, s.VMs = s.Hosts[:1], s.VMs[:1] }, want: "[]"},
		"one of two hosts empties": {policy: Policy{HostFailures: 1}, spoil: func(s *cluster.Snapshot) {
			s.Hosts, s.VMs = s.Hosts[:2], s.VMs[:1]
			s.Hosts[1].State = cluster.HostMaintenance
		}, want: "[!host/a host/b]", reason: "no host is left"},
		"a host in maintenance can fail too": {policy: Policy{HostFailures: 1}, spoil: func(s *cluster.Snapshot) {
			s.Hosts[0].State = cluster.HostMaintenance
			s.VMs[0].MemoryBytes = 21 * gibibyte
		}, want: "[!host/a host/b host/c host/d]",
			reason: "vm-a (21.0 GiB, 1.00 cores) could be started nowhere else: d would have promised 21.0 GiB"},
		"a disk that only its host has": {policy: Policy{HostFailures: 1}, spoil: func(s *cluster.Snapshot) { s.VMs[1].LocalDisk = "its disk vda lies on storage local" }, want: "[host/a !host/b host/c host/d]",
			reason: "vm-b (8.0 GiB, 1.00 cores) could be started nowhere else: its disk vda lies on storage local. Mend that, or set its restart-priority to disabled"},
		"one that is not restarted": {policy: Policy{HostFailures: 1}, spoil: func(s *cluster.Snapshot) {
			s.VMs[1].LocalDisk, s.VMs[1].RestartPriority = "its disk vda lies on storage local", "disabled"
		}, want: "[host/a host/b host/c host/d]"},
		"a size that is not known": {policy: Policy{HostFailures: 1}, spoil: func(s *cluster.Snapshot) { s.VMs[0].MemoryBytes = 0 }, want: "[!host/a host/b host/c host/d]", reason: "its size is not known"},
		"storage elsewhere":        {policy: Policy{HostFailures: 1}, spoil: func(s *cluster.Snapshot) { s.VMs[0].Storage = []string{"san"} }, want: "[!host/a host/b host/c host/d]", reason: "does not reach storage san"},
		"licensed": {policy: Policy{HostFailures: 1}, spoil: func(s *cluster.Snapshot) {
			s.Rules = []cluster.Rule{{Name: "licensed", Kind: cluster.VMHostAffinity, Strength: cluster.Must, VMs: []string{"vm-a"}, Hosts: []string{"a"}}}
		}, want: "[!host/a host/b host/c host/d]", reason: "must rules leave no host for it"},
		"a rule that gives way": {policy: Policy{HostFailures: 1}, spoil: func(s *cluster.Snapshot) {
			s.Rules = []cluster.Rule{{Name: "licensed", Kind: cluster.VMHostAffinity, Strength: cluster.Should, VMs: []string{"vm-a"}, Hosts: []string{"a"}}}
		}, want: "[host/a host/b host/c host/d]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := racks()
			if c.spoil != nil {
				c.spoil(&s)
			}
			r := Check(cluster.NewPlacement(s), c.policy, whole())
			if got := fmt.Sprint(of(r)); got != c.want || r.OK() == strings.Contains(c.want, "!") {
				t.Errorf("it says %s, want %s: %+v", got, c.want, r.Broken())
			}
			if !slices.ContainsFunc(append(r.Cases, Case{}), func(k Case) bool { return strings.Contains(k.Reason, c.reason) }) {
				t.Errorf("no reason has %q: %+v", c.reason, r.Broken())
			}
		})
	}
}

// Only 9+9, 8+5+3 and 6+3 fill 18, 16 and 9; no order of the quick tries comes upon that.
func TestTheSearchFindsWhatTheQuickTriesDoNot(t *testing.T) {
	s := racks()
	s.VMs = nil
	s.Hosts[0].MemoryBytes = 64 * gibibyte
	for i, free := range []int64{0, 18, 16, 9} {
		if free > 0 {
			s.Hosts[i].MemoryBytes = free * gibibyte
		}
	}
	for i, size := range []int64{9, 9, 8, 6, 5, 3, 3} {
		s.VMs = append(s.VMs, on(fmt.Sprint(i), "a", size))
	}
	p := cluster.NewPlacement(s)
	e := usual()
	problem, _ := newState(p, whole(), &e).problem(&trial{down: []int{0}})
	for _, o := range problem.bySize() {
		if _, missing := problem.greedy(o); len(missing) == 0 {
			t.Fatal("a quick try is enough: the test shows nothing")
		}
	}
	c := Check(p, Policy{HostFailures: 1}, whole()).Cases[0]
	if !c.OK || len(c.Witness) != 7 {
		t.Errorf("%+v", c)
	}
	// Within a bound that is too small there is no answer, and that is no.
	r := check(p, Policy{HostFailures: 1}, whole(), effort{each: 3, all: 3, sets: 3})
	if c := r.Cases[0]; c.OK || !c.Unproven || !strings.Contains(c.Reason, "it is not proven that the cluster would survive the failure of a, and that counts as no") {
		t.Errorf("%+v", c)
	}
}

func TestSetsThatCannotAllBeTriedAreNotProven(t *testing.T) {
	s := racks()
	for i := range s.VMs {
		s.VMs[i].MemoryBytes = 10 * gibibyte
	}
	if r := Check(cluster.NewPlacement(s), Policy{HostFailures: 2}, whole()); !r.OK() {
		t.Fatalf("%+v", r.Broken())
	}
	r := check(cluster.NewPlacement(s), Policy{HostFailures: 2}, whole(), effort{each: 1 << 20, all: 1 << 20, sets: 1})
	if r.OK() || r.Unchecked == 0 || r.Sets != 6 || !strings.Contains(r.Broken()[0].Reason, "sets could not be tried within the bound on work") || !r.Broken()[0].Unproven {
		t.Errorf("%+v", r)
	}
}

func TestVMsThatRunElsewhereDoNotMove(t *testing.T) {
	s := racks() // 10 and 8 would fit on c and d, if vm-c moved over to d
	s.Hosts, s.VMs = s.Hosts[1:], []cluster.VM{on("big", "b", 18), on("small", "c", 4)}
	if c := Check(cluster.NewPlacement(s), Policy{HostFailures: 1}, whole()).Cases[0]; !c.OK || c.Witness[0] != (Start{VM: "big", Host: "d"}) {
		t.Errorf("%+v", c)
	}
	s.VMs = append(s.VMs, on("tiny", "d", 3))
	s.Sort()
	if c := Check(cluster.NewPlacement(s), Policy{HostFailures: 1}, whole()).Cases[0]; c.OK {
		t.Errorf("%+v", c)
	}
}

func TestVMsThatMustBeTogetherAreStartedTogether(t *testing.T) {
	s := racks()
	s.VMs = append(s.VMs, on("vm-a2", "a", 6))
	s.Rules = []cluster.Rule{{Name: "together", Kind: cluster.VMVMAffinity, Strength: cluster.Must, VMs: []string{"vm-a", "vm-a2"}}}
	s.Sort()
	c := Check(cluster.NewPlacement(s), Policy{HostFailures: 1}, whole()).Cases[0]
	if !c.OK || c.Witness[0].Host != "d" || c.Witness[1].Host != "d" {
		t.Errorf("%+v", c)
	}
	// And the gates let them: each start is legal after the one before.
	failed, homeless := after(s, []string{"a"})
	for i := range failed.VMs {
		failed.VMs[i].Movable = true
	}
	p := cluster.NewPlacement(failed)
	for _, v := range homeless {
		d, _ := p.HostIndex("d")
		if constraint, why := p.Unfit(v, d, whole().Mandatory()); constraint != "" {
			t.Errorf("%s: %s", failed.VMs[v].ID, why)
		}
		p.MoveAt(v, d)
	}
}

func TestHostsMayBeOff(t *testing.T) {
	s := racks()
	s.VMs = s.VMs[:2]
	for name, c := range map[string]struct {
		hosts []string
		why   string
	}{
		"one that is empty":     {[]string{"d"}, ""},
		"one that is in use":    {[]string{"a"}, "a is not empty: vm-a is on it"},
		"one that is not there": {[]string{"x"}, "there is no host x"},
		"both":                  {[]string{"c", "d"}, ""},
	} {
		if ok, why := MayBeOff(s, c.hosts, Policy{HostFailures: 1}, whole()); ok != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %v %q", name, ok, why)
		}
	}
	s.VMs[0].MemoryBytes = 13 * gibibyte
	if ok, why := MayBeOff(s, []string{"c"}, Policy{HostFailures: 1}, whole()); !ok {
		t.Errorf("c: %s", why)
	}
	if ok, why := MayBeOff(s, []string{"c", "d"}, Policy{HostFailures: 1}, whole()); ok || !strings.Contains(why, "without c, d: the cluster would not survive the failure of a") {
		t.Errorf("c and d: %v %q", ok, why)
	}
	if s.Hosts[3].State != cluster.HostUp {
		t.Error("the snapshot was changed")
	}
}

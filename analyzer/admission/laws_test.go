package admission

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
	"pgregory.net/rapid"
)

// TestMain draws many clusters: in few of them the last constraint is the one that matters.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "3000"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(m.Run())
}

const gibibyte = 1 << 30

func limits() cluster.Limits {
	return cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}
}

// tight draws clusters of few hosts and VMs that fill them, so that packing them is hard.
func tight(hosts, vms int) *rapid.Generator[cluster.Snapshot] {
	return rapid.Custom(func(t *rapid.T) cluster.Snapshot {
		s := cluster.Snapshot{Cluster: "tight", At: clustertest.At()}
		free := map[string]int{}
		for i := range rapid.IntRange(2, hosts).Draw(t, "hosts") {
			h := cluster.Host{ID: fmt.Sprintf("h%d", i), State: cluster.HostUp, CPUCores: 4, Storage: []string{"nfs"}, Networks: []string{"br0"},
				FailureDomain: rapid.SampledFrom([]string{"rackA", "rackB", "rackB", ""}).Draw(t, "rack")}
			room := rapid.IntRange(6, 24).Draw(t, "room")
			free[h.ID] = room
			h.MemoryBytes, h.ReservedMemoryBytes = int64(room+1)*gibibyte*20/19, gibibyte
			if rapid.IntRange(0, 3).Draw(t, "poor") == 0 {
				h.Storage = nil
			}
			if rapid.IntRange(0, 15).Draw(t, "out of order") == 0 {
				h.State = rapid.SampledFrom([]cluster.HostState{cluster.HostMaintenance, cluster.HostDown, cluster.HostStandby}).Draw(t, "state")
			}
			s.Hosts = append(s.Hosts, h)
		}
		for i := range rapid.IntRange(0, vms).Draw(t, "vms") {
			at := s.Hosts[min(rapid.IntRange(0, len(s.Hosts)-1).Draw(t, "at"), rapid.IntRange(0, len(s.Hosts)-1).Draw(t, "or at"))]
			size := rapid.SampledFrom([]int{1, 2, 3, 3, 4, 5, 5, 6, 7, 9}).Draw(t, "size")
			if free[at.ID] < size && rapid.IntRange(0, 9).Draw(t, "overcommit") > 0 {
				continue
			}
			free[at.ID] -= size
			v := cluster.VM{ID: fmt.Sprintf("v%d", i), Host: at.ID, State: cluster.VMRunning, VCPUs: 1, CPUDemandCores: 0.5, MemoryBytes: int64(size) * gibibyte, MemoryDemandBytes: gibibyte, Movable: rapid.Bool().Draw(t, "movable")}
			if rapid.IntRange(0, 3).Draw(t, "picky") == 0 {
				v.Storage = at.Storage
			}
			switch rapid.IntRange(0, 19).Draw(t, "special") {
			case 0:
				v.LocalDisk = "its disk vda lies on storage local"
			case 1:
				v.RestartPriority = "disabled"
			case 2:
				v.State = rapid.SampledFrom([]cluster.VMState{cluster.VMPaused, cluster.VMShutoff}).Draw(t, "vm state")
			}
			s.VMs = append(s.VMs, v)
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "rules") {
			if len(s.VMs) < 2 {
				break
			}
			r := cluster.Rule{Name: fmt.Sprintf("r%d", i), Strength: rapid.SampledFrom([]cluster.RuleStrength{cluster.Must, cluster.Must, cluster.Should}).Draw(t, "strength"),
				Kind: rapid.SampledFrom([]cluster.RuleKind{cluster.VMVMAffinity, cluster.VMVMAntiAffinity, cluster.VMHostAffinity, cluster.VMHostAntiAffinity, cluster.VMVMSpread}).Draw(t, "kind")}
			for _, v := range s.VMs {
				if rapid.Bool().Draw(t, "member") {
					r.VMs = append(r.VMs, v.ID)
				}
			}
			if r.Kind == cluster.VMHostAffinity || r.Kind == cluster.VMHostAntiAffinity {
				for _, h := range s.Hosts {
					if rapid.Bool().Draw(t, "named") {
						r.Hosts = append(r.Hosts, h.ID)
					}
				}
				if len(r.Hosts) == 0 {
					continue
				}
			}
			if len(r.VMs) > 0 {
				s.Rules = append(s.Rules, r)
			}
		}
		s.Sort()
		if err := s.Validate(); err != nil {
			t.Fatalf("the generator drew an invalid snapshot: %v", err)
		}
		return s
	})
}

// after is the snapshot when the hosts have failed, and the VMs that are to be started, by place in it.
func after(s cluster.Snapshot, failed []string) (cluster.Snapshot, []int) {
	s.Hosts, s.VMs = slices.Clone(s.Hosts), slices.Clone(s.VMs)
	for i := range s.Hosts {
		if slices.Contains(failed, s.Hosts[i].ID) {
			s.Hosts[i].State = cluster.HostDown
		}
	}
	var homeless []int
	for i := range s.VMs {
		v := &s.VMs[i]
		if !slices.Contains(failed, v.Host) || !v.State.Active() {
			continue
		}
		v.Host = ""
		if v.RestartPriority != "disabled" {
			homeless = append(homeless, i)
		}
	}
	return s, homeless
}

// judge holds an assignment of hosts to the VMs that are to be started against the cluster's own arithmetic.
type judge struct {
	snap     cluster.Snapshot
	homeless []int
	place    *cluster.Placement
	before   []int // violations of each rule
	promised []int64
	only     []string
}

func newJudge(s cluster.Snapshot, failed, only []string) *judge {
	j := &judge{only: only}
	j.snap, j.homeless = after(s, failed)
	j.place = cluster.NewPlacement(j.snap)
	for _, st := range j.place.RuleStates() {
		j.before = append(j.before, st.Violations)
	}
	for h := range j.snap.Hosts {
		j.promised = append(j.promised, j.place.Promised(h))
	}
	return j
}

// lone tells whether the VM could be on the host with nothing else considered.
func (j *judge) lone(v, h int) bool {
	host, vm := j.snap.Hosts[h], j.snap.VMs[v]
	for _, s := range vm.Storage {
		if !slices.Contains(host.Storage, s) {
			return false
		}
	}
	return vm.LocalDisk == "" && host.State == cluster.HostUp && (j.only == nil || slices.Contains(j.only, host.ID))
}

// problem says what is wrong with the assignment, by host for each of the VMs.
func (j *judge) problem(hosts []int) string {
	sums := slices.Clone(j.promised)
	for i, v := range j.homeless {
		h := hosts[i]
		if !j.lone(v, h) {
			return fmt.Sprintf("%s cannot be on %s", j.snap.VMs[v].ID, j.snap.Hosts[h].ID)
		}
		sums[h] += j.snap.VMs[v].MemoryBytes
		if float64(sums[h]) > float64(j.snap.Hosts[h].MemoryBytes)*limits().MaxMemoryUtilisation {
			return j.snap.Hosts[h].ID + " is too full"
		}
	}
	for i, v := range j.homeless {
		j.place.MoveAt(v, hosts[i])
	}
	for i, st := range j.place.RuleStates() {
		if st.Rule.Strength == cluster.Must && st.Violations > j.before[i] {
			return fmt.Sprintf("rule %s has %d violations after %d", st.Rule.Name, st.Violations, j.before[i])
		}
	}
	return ""
}

// any tries every assignment.
func (j *judge) any() bool {
	hosts := make([]int, len(j.homeless))
	var try func(i int) bool
	try = func(i int) bool {
		if i == len(hosts) {
			return j.problem(hosts) == ""
		}
		for h := range j.snap.Hosts {
			if hosts[i] = h; j.lone(j.homeless[i], h) && try(i+1) {
				return true
			}
		}
		return false
	}
	return try(0)
}

// witness holds the case's placement against the judge.
func (j *judge) witness(c Case) string {
	if len(c.Witness) != len(j.homeless) {
		return fmt.Sprintf("it places %d of %d VMs", len(c.Witness), len(j.homeless))
	}
	hosts := make([]int, len(j.homeless))
	for i, v := range j.homeless {
		at := slices.IndexFunc(c.Witness, func(s Start) bool { return s.VM == j.snap.VMs[v].ID })
		if at < 0 {
			return "it leaves out " + j.snap.VMs[v].ID
		}
		hosts[i], _ = j.place.HostIndex(c.Witness[at].Host)
	}
	return j.problem(hosts)
}

func TestLawTheAnswerIsThatOfBruteForceAndTheWitnessIsLegal(t *testing.T) {
	ok := 0
	rapid.Check(t, func(t *rapid.T) {
		s := tight(4, 7).Draw(t, "cluster")
		pol := Policy{HostFailures: 1, FailureDomain: true}
		if rapid.Bool().Draw(t, "spare") {
			pol.SpareHosts = []string{s.Hosts[len(s.Hosts)-1].ID}
		}
		p := cluster.NewPlacement(s)
		state := newState(p, limits().Mandatory(), &effort{each: 1 << 40, all: 1 << 40, sets: 1 << 40})
		for _, tr := range state.trials(pol) {
			state.run(tr)
			c, j := state.verdict(tr), newJudge(s, state.names(tr.down), state.names(tr.only))
			want := j.any()
			if c.OK != want || c.Unproven {
				t.Fatalf("%s %s: it says %v (%s), brute force %v", c.Kind, c.Subject, c.OK, c.Reason, want)
			}
			if c.OK {
				ok++
				if why := j.witness(c); why != "" {
					t.Fatalf("%s %s: the witness is illegal: %s", c.Kind, c.Subject, why)
				}
			} else if c.Reason == "" || len(c.NoPlace) == 0 {
				t.Fatalf("%s %s is not OK and says nothing of why: %+v", c.Kind, c.Subject, c)
			}
			// The quick tries answer most; the search must know the answer by itself.
			problem, stranded := state.problem(tr)
			found, done := newSearch(problem, 1<<40).find()
			if !done || (found && len(stranded) == 0) != want {
				t.Fatalf("%s %s: the search says %v (certain %v), brute force %v", c.Kind, c.Subject, found, done, want)
			}
		}
	})
	if ok < 1000 {
		t.Errorf("%d cases were survived: the clusters are not what they should be", ok)
	}
}

// What was packed to the brim once can be packed again: VMs that fill the other hosts exactly.
func TestLawAPlacementThatIsThereIsFound(t *testing.T) {
	hard := 0
	rapid.Check(t, func(t *rapid.T) {
		s := cluster.Snapshot{At: clustertest.At(), Hosts: []cluster.Host{{ID: "fails", State: cluster.HostUp, CPUCores: 1, MemoryBytes: 1000 * gibibyte}}}
		for i := range rapid.IntRange(2, 4).Draw(t, "hosts") {
			id, sum := fmt.Sprintf("h%d", i), 0
			for j := range rapid.IntRange(1, 4).Draw(t, "vms") {
				size := rapid.IntRange(2, 13).Draw(t, "size")
				sum += size
				s.VMs = append(s.VMs, cluster.VM{ID: fmt.Sprintf("%s-%d", id, j), Host: "fails", State: cluster.VMRunning, VCPUs: 1, MemoryBytes: int64(size) * gibibyte})
			}
			s.Hosts = append(s.Hosts, cluster.Host{ID: id, State: cluster.HostUp, CPUCores: 1, MemoryBytes: int64(sum) * gibibyte})
		}
		s.Sort()
		full := cluster.Limits{MaxCPUUtilisation: 1, MaxMemoryUtilisation: 1}
		c := Check(cluster.NewPlacement(s), Policy{HostFailures: 1}, full).Cases[0]
		if !c.OK || len(c.Witness) != len(s.VMs) {
			t.Fatalf("%+v", c)
		}
		problem, _ := newState(cluster.NewPlacement(s), full, &effort{}).problem(&trial{down: []int{0}})
		if _, missing := problem.greedy(problem.bySize()[0]); len(missing) > 0 {
			hard++
		}
	})
	if hard < 300 {
		t.Errorf("%d were too hard for the first try: the clusters are not what they should be", hard)
	}
}

func TestLawSeveralFailuresAreThoseOfBruteForce(t *testing.T) {
	tried, sets := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := tight(5, 7).Draw(t, "cluster")
		for i := range s.Hosts { // with room enough that the bound clears some
			s.Hosts[i].MemoryBytes *= int64(rapid.IntRange(1, 4).Draw(t, "times"))
		}
		n := rapid.IntRange(2, 3).Draw(t, "failures")
		p := cluster.NewPlacement(s)
		r := Check(p, Policy{HostFailures: n}, limits())
		if len(s.Hosts) <= n {
			if len(r.Cases) > 0 {
				t.Fatalf("%d hosts and %d failures: %+v", len(s.Hosts), n, r.Cases)
			}
			return
		}
		state := newState(p, limits().Mandatory(), &effort{each: 1 << 40, all: 1 << 40, sets: 1 << 40})
		several := state.sets(n)
		tried, sets = tried+several.tried, sets+several.sets
		for _, c := range r.Cases {
			want := true
			for set := 1; set < 1<<len(s.Hosts); set++ {
				var failed []string
				for i, h := range s.Hosts {
					if set&(1<<i) != 0 && state.seen[i] {
						failed = append(failed, h.ID)
					}
				}
				if len(failed) <= n && slices.Contains(failed, c.Subject) {
					want = want && newJudge(s, failed, nil).any()
				}
			}
			if c.OK != want {
				t.Fatalf("%s with %d failures: it says %v (%s), brute force %v", c.Subject, n, c.OK, c.Reason, want)
			}
		}
	})
	if sets-tried < 1000 {
		t.Errorf("of %d sets %d were tried: the bound cleared next to none", sets, tried)
	}
}

func TestLawTheGuardSaysWhatAFreshCheckWould(t *testing.T) {
	refused, let := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := tight(4, 6).Draw(t, "cluster")
		vm := cluster.VM{ID: "new", State: cluster.VMRunning, VCPUs: 1, CPUDemandCores: 0.5, MemoryBytes: int64(rapid.IntRange(1, 6).Draw(t, "size")) * gibibyte, Movable: true}
		if rapid.Bool().Draw(t, "picky") {
			vm.Storage = []string{"nfs"}
		}
		s.VMs = append(s.VMs, vm)
		if len(s.Rules) > 0 && rapid.Bool().Draw(t, "ruled") {
			s.Rules[0].VMs = append(s.Rules[0].VMs, "new")
		}
		s.Sort()
		pol := Policy{HostFailures: rapid.IntRange(0, 2).Draw(t, "failures"), FailureDomain: rapid.Bool().Draw(t, "domains"), Percent: float64(rapid.SampledFrom([]int{0, 0, 10, 30}).Draw(t, "percent"))}
		if rapid.IntRange(0, 3).Draw(t, "spare") == 0 {
			pol.SpareHosts = []string{s.Hosts[0].ID}
		}
		p := cluster.NewPlacement(s)
		v, _ := p.VMIndex("new")
		short := func(r Report) bool {
			return slices.ContainsFunc(r.Cases, func(c Case) bool { return c.short })
		}
		before, g := Check(p, pol, limits()), NewGuard(p, pol, limits())
		for h := range s.Hosts {
			if !p.Fits(v, h, limits().Mandatory()) {
				continue
			}
			got := g.Refuses(v, h)
			q := cluster.NewPlacement(s)
			q.MoveAt(v, h)
			r := Check(q, pol, limits())
			want := short(before) || short(r) || slices.Contains(pol.SpareHosts, s.Hosts[h].ID) || pol.Asks() && slices.ContainsFunc(r.Cases, func(c Case) bool {
				return (len(c.Failed) == 1 || c.Kind == KindDomain) && slices.Contains(c.NoPlace, "new")
			})
			if (got != "") != want {
				t.Fatalf("on %s the guard says %q, a fresh check refuses: %v (%+v)", s.Hosts[h].ID, got, want, r.Broken())
			}
			if want && !short(before) {
				refused++
			} else if !want {
				let++
			}
		}
	})
	if refused < 300 || let < 300 {
		t.Errorf("%d refused and %d let through: the clusters are not what they should be", refused, let)
	}
}

// Headroom is a promise: that much more, in VMs of the usual size, can be started in the same failure.
func TestLawTheHeadroomIsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := tight(4, 6).Draw(t, "cluster")
		p := cluster.NewPlacement(s)
		usual := newState(p, limits(), &effort{}).usual
		for _, c := range Check(p, Policy{HostFailures: 1}, limits()).Cases {
			n := 0
			if usual > 0 {
				n = int(int64(c.HeadroomBytes.Value) / usual)
			}
			more := s
			more.VMs = slices.Clone(s.VMs)
			for i := range n {
				more.VMs = append(more.VMs, cluster.VM{ID: fmt.Sprintf("w%02d", i), Host: c.Subject, State: cluster.VMRunning, VCPUs: 1, MemoryBytes: usual})
			}
			more.Sort()
			again := Check(cluster.NewPlacement(more), Policy{HostFailures: 1}, limits()).Cases
			at := slices.IndexFunc(again, func(d Case) bool { return d.Subject == c.Subject })
			if !c.OK && n > 0 || again[at].OK != c.OK {
				t.Fatalf("%s promises room for %d more of %d bytes: %+v", c.Subject, n, usual, again[at])
			}
		}
	})
}

func TestLawTheSameClusterGivesTheSameReport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := clustertest.Snapshots().Draw(t, "cluster")
		pol := Policy{HostFailures: 2, FailureDomain: true, Percent: 20, SpareHosts: []string{"h0"}}
		a, b := fmt.Sprint(Check(cluster.NewPlacement(s), pol, limits())), fmt.Sprint(Check(cluster.NewPlacement(s), pol, limits()))
		if a != b {
			t.Fatalf("once\n%s\nand once\n%s", a, b)
		}
	})
}

func TestCasesAreInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := clustertest.Snapshots().Draw(t, "cluster")
		r := Check(cluster.NewPlacement(s), Policy{HostFailures: 1, FailureDomain: true, Percent: 20, SpareHosts: []string{"h0"}}, limits())
		if !slices.IsSortedFunc(r.Cases, func(a, b Case) int { return cmp.Compare(rank(a.Kind), rank(b.Kind)) }) {
			t.Fatalf("%+v", r.Cases)
		}
		seen := map[string]bool{}
		for _, c := range r.Cases {
			if key := c.Kind + "/" + c.Subject; seen[key] {
				t.Fatalf("%s stands twice", key)
			} else {
				seen[key] = true
			}
			if c.OK != (c.Reason == "") {
				t.Fatalf("%+v", c)
			}
		}
	})
}

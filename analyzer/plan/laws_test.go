package plan_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
	"pgregory.net/rapid"
)

// TestMain draws many clusters: most random ones lead to no plan, and few to one in which the last
// constraint is the one that matters.
func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the golden files")
	if err := flag.Set("rapid.checks", "3000"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(m.Run())
}

func policy(t *rapid.T) plan.Policy {
	return plan.Policy{
		Threshold: rapid.IntRange(1, 5).Draw(t, "threshold"), MaxMoves: rapid.IntRange(1, 20).Draw(t, "max moves"),
		Limits:                  cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95},
		BandwidthBytesPerSecond: 1 << 30, Lifetime: 15 * time.Minute, Horizon: time.Hour,
		Stability: plan.Stability{CoolDown: 15 * time.Minute, CoolDownMax: 6 * time.Hour, MaxMovesPerDay: 4},
	}
}

func judge(s cluster.Snapshot, p plan.Policy) plan.Plan {
	return plan.Make(s, detect.Findings(s, detect.Default(p.Threshold, p.Limits)), p)
}

// law runs the check on random clusters and their plans.
func law(t *testing.T, check func(*rapid.T, cluster.Snapshot, plan.Policy, plan.Plan)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		s, p := clustertest.Snapshots().Draw(t, "cluster"), policy(t)
		check(t, s, p, judge(s, p))
	})
}

// apply returns the snapshot after the steps.
func apply(s cluster.Snapshot, steps []plan.Step) cluster.Snapshot {
	s.VMs = slices.Clone(s.VMs)
	for _, step := range steps {
		for i := range s.VMs {
			if s.VMs[i].ID == step.VM {
				s.VMs[i].Host, s.VMs[i].MovedAt = step.To, s.At
			}
		}
	}
	return s
}

// Only what is mandatory, or saves VMs from a host that is about to fail, may cost score.
func TestLawBalanceNeverWorsensTheScoreAndEachStepRaisesIt(t *testing.T) {
	law(t, func(t *rapid.T, s cluster.Snapshot, _ plan.Policy, p plan.Plan) {
		before := cluster.NewPlacement(s).Assess().Score
		for i, step := range p.Actions {
			after := cluster.NewPlacement(apply(s, p.Actions[:i+1])).Assess()
			if step.Policy == "balance" && (after.Score < before || after.Score == before && after.Score > 0) {
				t.Fatalf("step %d takes the score from %v to %v", i+1, before, after.Score)
			}
			before = after.Score
		}
		if diff := p.After.Score - before; diff > 1e-6 || diff < -1e-6 {
			t.Fatalf("the plan promises %v, its steps give %v", p.After.Score, before)
		}
	})
}

func TestLawEachStepEarnsItsCost(t *testing.T) {
	least := map[int]float64{2: 10, 3: 4, 4: 1, 5: 0.02}
	law(t, func(t *rapid.T, s cluster.Snapshot, pol plan.Policy, p plan.Plan) {
		before := cluster.NewPlacement(s).Assess()
		for i, step := range p.Actions {
			after := cluster.NewPlacement(apply(s, p.Actions[:i+1])).Assess()
			usable := 0
			cores := 0.0
			for _, h := range cluster.NewPlacement(s).Loads() {
				if cluster.NewPlacement(s).Usable(h.Host) {
					usable++
					host, _ := s.Host(h.Host)
					cores += h.CPUUtilisation * host.CPUCores
				}
			}
			if step.Policy == "balance" {
				vm, _ := s.VM(step.VM)
				touched := max(1, float64(usable)/2)
				lost := step.PredictedSeconds*(2+0.1*vm.CPUDemandCores) + step.PredictedDowntimeSeconds*vm.CPUDemandCores
				cost := 0.0
				if cores > 0 {
					cost = 100 * touched / cores * lost / pol.Horizon.Seconds()
				}
				net := (before.Lost.Sum()-after.Lost.Sum())*touched - cost
				if onlyBalance(p) && net < least[step.Priority]-1e-6 || step.Priority > pol.Threshold {
					t.Fatalf("step %d has priority %d at threshold %d and brings %v points net of its cost", i+1, step.Priority, pol.Threshold, net)
				}
			}
			before = after
		}
	})
}

// onlyBalance tells whether no step changes what is wanted of the hosts that take part, as emptying one
// in maintenance does, so that the points of all steps are of one scale.
func onlyBalance(p plan.Plan) bool { return p.Policy == "balance" }

func TestLawEveryIntermediateStateIsLegal(t *testing.T) {
	law(t, func(t *rapid.T, s cluster.Snapshot, pol plan.Policy, p plan.Plan) {
		for i, step := range p.Actions {
			if why := illegal(apply(s, p.Actions[:i]), apply(s, p.Actions[:i+1]), step, pol); why != "" {
				t.Fatalf("step %d (%s from %s to %s): %s", i+1, step.VM, step.From, step.To, why)
			}
			if len(step.DependsOn) == 0 {
				if why := illegal(s, apply(s, []plan.Step{step}), step, pol); why != "" {
					t.Fatalf("step %d says that it depends on nothing: %s", i+1, why)
				}
			}
		}
	})
}

// illegal is an obvious, slow twin of Placement.Illegal.
func illegal(before, after cluster.Snapshot, step plan.Step, p plan.Policy) string {
	vm, _ := before.VM(step.VM)
	to, _ := after.Host(step.To)
	from, _ := before.Host(step.From)
	switch {
	case vm.Host != step.From || step.From == step.To:
		return "it does not start where the VM is"
	case vm.State != cluster.VMRunning || !vm.Movable || before.GapOf("vm/"+vm.ID) != "":
		return "the VM cannot be moved"
	case to.State != cluster.HostUp || before.GapOf("host/"+to.ID) != "" || from.State != cluster.HostUp && from.State != cluster.HostMaintenance || before.GapOf("host/"+from.ID) != "":
		return "a host is not up or not seen"
	case vm.CPUCompat != "" && vm.CPUCompat != to.CPUCompat && !(vm.CPUModel != "" && slices.Contains(to.CPUModels, vm.CPUModel)):
		return "the CPUs differ"
	}
	for _, need := range vm.Storage {
		if !slices.Contains(to.Storage, need) {
			return "storage out of reach"
		}
	}
	for _, need := range vm.Networks {
		if !slices.Contains(to.Networks, need) {
			return "network out of reach"
		}
	}
	cpu, memory := to.ReservedCPUCores, to.ReservedMemoryBytes
	for _, v := range after.VMs {
		if v.Host == to.ID && v.State.Active() {
			cpu += v.CPUDemandCores
			memory += v.MemoryBytes
		}
	}
	if step.Priority > 1 && cpu > to.CPUCores*p.Limits.MaxCPUUtilisation+1e-9 || float64(memory) > float64(to.MemoryBytes)*p.Limits.MaxMemoryUtilisation {
		return fmt.Sprintf("%s is overfull: %v cores, %d bytes", to.ID, cpu, memory)
	}
	should := 0
	for _, r := range before.Rules {
		more := broken(after, r) - broken(before, r)
		if r.Strength == cluster.Must && more > 0 {
			return "must rule " + r.Name + " is broken by it"
		}
		if r.Strength == cluster.Should {
			should += more
		}
	}
	if should > 0 && step.Priority > 1 {
		return "should rules are broken by it"
	}
	return ""
}

// members are the VMs of a rule that stand somewhere.
func members(s cluster.Snapshot, r cluster.Rule) []cluster.VM {
	var list []cluster.VM
	for _, v := range s.VMs {
		named := slices.Contains(r.VMs, v.ID) || slices.Contains(r.VMs, v.Name)
		for _, tag := range v.Tags {
			named = named || slices.Contains(r.VMTags, tag)
		}
		for _, pattern := range r.VMNames {
			ok, _ := path.Match(pattern, v.Name)
			named = named || ok
		}
		if named && v.Host != "" && v.State.Active() {
			list = append(list, v)
		}
	}
	return list
}

// broken is an obvious, slow twin of how far a rule is from holding.
func broken(s cluster.Snapshot, r cluster.Rule) int {
	on, racks, up := map[string]int{}, map[string]int{}, map[string]bool{}
	for _, h := range s.Hosts {
		if h.State == cluster.HostUp && s.GapOf("host/"+h.ID) == "" {
			up[h.FailureDomain] = true
		}
	}
	wrong, placed := 0, members(s, r)
	for _, v := range placed {
		host, _ := s.Host(v.Host)
		on[v.Host]++
		racks[host.FailureDomain]++
		named := slices.Contains(r.Hosts, host.ID) || slices.Contains(r.FailureDomains, host.FailureDomain)
		for _, tag := range host.Tags {
			named = named || slices.Contains(r.HostTags, tag)
		}
		if named != (r.Kind == cluster.VMHostAffinity) {
			wrong++
		}
	}
	switch r.Kind {
	case cluster.VMVMAffinity:
		return len(placed) - slices.Max(append(slices.Collect(maps.Values(on)), 0)) + len(on)
	case cluster.VMVMAntiAffinity:
		return len(placed) - len(on)
	case cluster.VMVMSpread:
		beyond := 0
		for _, n := range racks {
			beyond += max(0, n-(len(placed)+len(up)-1)/max(1, len(up)))
		}
		if len(up) == 0 {
			return 0
		}
		return beyond
	}
	return wrong
}

func TestLawNothingUnseenIsTouched(t *testing.T) {
	law(t, func(t *rapid.T, s cluster.Snapshot, _ plan.Policy, p plan.Plan) {
		blind := 0
		for _, h := range s.Hosts {
			if h.State == cluster.HostUnknown || s.GapOf("host/"+h.ID) != "" {
				blind++
			}
		}
		if 3*blind > len(s.Hosts) && len(p.Actions) > 0 {
			t.Fatalf("%d of %d hosts cannot be seen and %d moves are planned", blind, len(s.Hosts), len(p.Actions))
		}
		for _, step := range p.Actions {
			for _, subject := range []string{"vm/" + step.VM, "host/" + step.From, "host/" + step.To} {
				if s.GapOf(subject) != "" {
					t.Fatalf("%s was not seen properly and is touched", subject)
				}
			}
		}
	})
}

// What balance may not do although a move would be legal.
func TestLawBalanceLeavesTheRestlessAlone(t *testing.T) {
	law(t, func(t *rapid.T, s cluster.Snapshot, pol plan.Policy, p plan.Plan) {
		for _, step := range p.Actions {
			vm, _ := s.VM(step.VM)
			if step.Policy != "balance" {
				continue
			}
			cool := pol.Stability.CoolDown
			for i := 1; i < vm.MovesLastDay; i++ {
				cool = min(2*cool, pol.Stability.CoolDownMax)
			}
			switch {
			case !vm.MovedAt.IsZero() && s.At.Sub(vm.MovedAt) < cool:
				t.Fatalf("%s was moved %v ago, %d times in a day, and cools down for %v", vm.ID, s.At.Sub(vm.MovedAt), vm.MovesLastDay, cool)
			case vm.MovesLastDay >= pol.Stability.MaxMovesPerDay:
				t.Fatalf("%s was moved %d times in a day", vm.ID, vm.MovesLastDay)
			case slices.Contains(vm.RecentHosts, step.To):
				t.Fatalf("%s goes back to %s", vm.ID, step.To)
			case vm.DirtyBytesPerSecond.Value > 0.8*pol.BandwidthBytesPerSecond:
				t.Fatalf("%s writes faster than can be copied", vm.ID)
			}
		}
	})
}

func TestLawTheSameInputGivesTheSamePlanByteForByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, pol := clustertest.Snapshots().Draw(t, "cluster"), policy(t)
		first := text(t, s, pol)
		shuffled := s
		shuffled.Hosts, shuffled.VMs = slices.Clone(s.Hosts), slices.Clone(s.VMs)
		r := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		r.Shuffle(len(shuffled.Hosts), func(i, j int) { shuffled.Hosts[i], shuffled.Hosts[j] = shuffled.Hosts[j], shuffled.Hosts[i] })
		r.Shuffle(len(shuffled.VMs), func(i, j int) { shuffled.VMs[i], shuffled.VMs[j] = shuffled.VMs[j], shuffled.VMs[i] })
		shuffled.Sort()
		if again := text(t, shuffled, pol); !bytes.Equal(first, again) {
			t.Fatalf("two answers for one cluster:\n%s\n%s", first, again)
		}
	})
}

func text(t *rapid.T, s cluster.Snapshot, pol plan.Policy) []byte {
	findings := detect.Findings(s, detect.Default(pol.Threshold, pol.Limits))
	p := plan.Make(s, findings, pol)
	b, err := json.Marshal(struct {
		Plan plan.Plan
		Recs []cluster.Recommendation
	}{p, p.Recommendations(s, findings, pol)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLawPlanningAgainAfterAPlanIsSilence(t *testing.T) {
	law(t, func(t *rapid.T, s cluster.Snapshot, pol plan.Policy, p plan.Plan) {
		if strings.Contains(p.StoppedBecause, "capped at") {
			return // the cap ended it, not the planner
		}
		// Mending rules may need a VM that the plan has moved already, or room that only balance has made: the
		// next plan does that. Where no rule is broken, nothing is left over.
		again := judge(apply(s, p.Actions), pol)
		for round := 0; len(again.Actions) > 0; round++ {
			if round > len(s.VMs) || p.Before.RuleViolations == 0 && p.Policy == "balance" {
				t.Fatalf("after %d steps the planner wants %d more: %+v", len(p.Actions), len(again.Actions), again.Actions)
			}
			s, p = apply(s, p.Actions), again
			again = judge(apply(s, p.Actions), pol)
		}
	})
}

func TestLawCapsAndThresholdHold(t *testing.T) {
	law(t, func(t *rapid.T, _ cluster.Snapshot, pol plan.Policy, p plan.Plan) {
		if len(p.Actions) > pol.MaxMoves {
			t.Fatalf("%d moves, the cap is %d", len(p.Actions), pol.MaxMoves)
		}
		for _, step := range p.Actions {
			if step.Priority > pol.Threshold || step.Priority < 1 {
				t.Fatalf("a step of priority %d at threshold %d", step.Priority, pol.Threshold)
			}
		}
		if p.StoppedBecause == "" {
			t.Fatal("a plan must say why it stops")
		}
	})
}

func TestLawARecommendationIsNamedByItsContent(t *testing.T) {
	law(t, func(t *rapid.T, s cluster.Snapshot, pol plan.Policy, p plan.Plan) {
		seen := map[string]bool{}
		for _, r := range p.Recommendations(s, nil, pol) {
			if seen[r.ID] {
				t.Fatalf("two recommendations are called %s", r.ID)
			}
			seen[r.ID] = true
			for _, d := range r.DependsOn {
				if !seen[d] {
					t.Fatalf("%s depends on %s, which does not stand before it", r.ID, d)
				}
			}
			changed := r
			changed.Action.To += "x"
			if changed.Identified().ID == r.ID || r.Identified().ID != r.ID {
				t.Fatal("the ID is not a function of the content")
			}
		}
	})
}

// The laws would hold of a planner that never plans.
func TestPlansAreMadeAtAll(t *testing.T) {
	made, dependent := 0, 0
	for seed := range 300 {
		s := clustertest.Snapshots().Example(seed)
		p := judge(s, plan.Policy{Threshold: 5, MaxMoves: 20, Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}, BandwidthBytesPerSecond: 1 << 30, Horizon: time.Hour})
		if len(p.Actions) > 0 {
			made++
		}
		for _, step := range p.Actions {
			if len(step.DependsOn) > 0 {
				dependent++
			}
		}
	}
	if made < 60 {
		t.Errorf("only %d of 300 random clusters lead to a plan: the laws prove little", made)
	}
	t.Logf("%d plans, %d steps that depend on others", made, dependent)
}

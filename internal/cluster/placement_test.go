package cluster_test

import (
	"math"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
	"pgregory.net/rapid"
)

func two() cluster.Snapshot {
	return cluster.Snapshot{At: clustertest.At(),
		Hosts: []cluster.Host{{ID: "a", State: cluster.HostUp, CPUCores: 4, MemoryBytes: 8 << 30}, {ID: "b", State: cluster.HostUp, CPUCores: 4, MemoryBytes: 8 << 30}},
		VMs: []cluster.VM{
			{ID: "x", Host: "a", State: cluster.VMRunning, VCPUs: 4, CPUDemandCores: 3, MemoryBytes: 2 << 30, MemoryDemandBytes: 2 << 30, Movable: true},
			{ID: "y", Host: "a", State: cluster.VMRunning, VCPUs: 4, CPUDemandCores: 2, MemoryBytes: 2 << 30, MemoryDemandBytes: 2 << 30, Movable: true},
		}}
}

// Worked by hand: host a wants 5 of 4 cores and half its memory, host b nothing. One of the five
// cores wanted is contended; the deviations are 0.625 and 0.25.
func TestAssessWorkedByHand(t *testing.T) {
	a := cluster.NewPlacement(two()).Assess()
	near := func(name string, got, want float64) {
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	near("max CPU", a.MaxCPUUtilisation, 1.25)
	near("mean CPU", a.MeanCPUUtilisation, 0.625)
	near("CPU deviation", a.CPUUtilisationStddev, 0.625)
	near("memory deviation", a.MemoryUtilisationStddev, 0.25)
	near("contended", a.ContendedCPUCores, 1)
	// Of the 5 cores wanted 1 is contended, and a full host lacks a fifth as headroom; memory at half of a host
	// lacks a fifth of an eighth.
	near("CPU contention", a.Lost.CPUContention, 20)
	near("CPU headroom", a.Lost.CPUHeadroom, 20)
	near("memory contention", a.Lost.MemoryContention, 0)
	near("memory headroom", a.Lost.MemoryHeadroom, 2.5)
	near("score", a.Score, 57.5)
}

func TestScoreStaysBetween0And100(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := clustertest.Snapshots().Draw(t, "cluster")
		p := cluster.NewPlacement(s)
		if got := p.Assess().Score; !(got >= 0 && got <= 100) {
			t.Fatalf("score %v", got)
		}
		vms, all := p.Scores()
		for _, v := range vms {
			if !(v.Score >= 0 && v.Score <= 100) {
				t.Fatalf("score of %s: %v", v.VM, v.Score)
			}
		}
		if got := all.Score(); !(got >= 0 && got <= 100) {
			t.Fatalf("measured score %v", got)
		}
	})
}

func TestTryingAMoveForetellsItAndLeavesNoTrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := clustertest.Snapshots().Filter(func(s cluster.Snapshot) bool { return len(s.VMs) > 0 }).Draw(t, "cluster")
		p := cluster.NewPlacement(s)
		v := rapid.SampledFrom(s.VMs).Draw(t, "vm")
		to := rapid.SampledFrom(s.Hosts).Draw(t, "to")
		if !p.Usable(v.Host) || !p.Usable(to.ID) || !v.State.Active() {
			return // planners try no such move
		}
		before := p.Assess()
		foretold := p.ScoreAfter(v.ID, to.ID)
		if p.Assess() != before || p.HostOf(v.ID) != v.Host {
			t.Fatal("trying has changed the placement")
		}
		p.Move(v.ID, to.ID)
		if got := p.Assess().Score; math.Abs(got-foretold) > 1e-9 {
			t.Fatalf("foretold %v, got %v", foretold, got)
		}
		moved := s
		moved.VMs = append([]cluster.VM(nil), s.VMs...)
		for i := range moved.VMs {
			if moved.VMs[i].ID == v.ID {
				moved.VMs[i].Host = to.ID
			}
		}
		if got, fresh := p.Assess(), cluster.NewPlacement(moved).Assess(); got.RuleViolations != fresh.RuleViolations || math.Abs(got.Score-fresh.Score) > 1e-9 {
			t.Fatalf("moved on paper %+v, built anew %+v", got, fresh)
		}
	})
}

func TestAVMInFlightCountsWhereItGoes(t *testing.T) {
	s := two()
	s.VMs[0].MigratingTo = "b"
	p := cluster.NewPlacement(s)
	if p.HostOf("x") != "b" || p.Load("b").VMs != 1 {
		t.Errorf("x stands on %s", p.HostOf("x"))
	}
	if p.Blocked("x") == "" {
		t.Error("a VM in flight must not be moved again")
	}
}

func TestZeroValuesAreSafe(t *testing.T) {
	s := cluster.Snapshot{At: clustertest.At(), Hosts: []cluster.Host{{ID: "a", CPUCores: 4, MemoryBytes: 8 << 30}, {ID: "b", CPUCores: 4, MemoryBytes: 8 << 30}}, VMs: []cluster.VM{{ID: "x", Host: "a", State: cluster.VMRunning}}}
	p := cluster.NewPlacement(s)
	if p.Usable("a") || p.Blocked("x") == "" || p.Illegal("x", "b", cluster.Limits{MaxCPUUtilisation: 1, MaxMemoryUtilisation: 1}) == "" {
		t.Error("a host of unknown state is used, or a VM not known to be movable is moved")
	}
	if cluster.Level(0) != cluster.LevelOff || cluster.Result(0) != cluster.ResultUnknown || (cluster.Verdict{}).Pass {
		t.Error("a zero value is not the safe one")
	}
}

func TestLimitsAreOnThePlannedState(t *testing.T) {
	s := two()
	p := cluster.NewPlacement(s)
	l := cluster.Limits{MaxCPUUtilisation: 1, MaxMemoryUtilisation: 1}
	if why := p.Illegal("x", "b", l); why != "" {
		t.Fatalf("b is empty: %s", why)
	}
	p.Move("x", "b")
	if p.Illegal("y", "b", l) == "" {
		t.Error("both together want 5 cores of 4: the second must see the first as planned")
	}
}

func TestContradictoryRulesAreToldAndTheirVMsLeftAlone(t *testing.T) {
	s := two()
	s.Rules = []cluster.Rule{{Name: "apart", Kind: cluster.VMVMAntiAffinity, VMs: []string{"x", "y"}}, {Name: "together", Kind: cluster.VMVMAffinity, VMs: []string{"x", "y"}}}
	p := cluster.NewPlacement(s)
	if c := p.Conflicts(); len(c) != 1 || len(c[0].Rules) != 2 {
		t.Errorf("conflicts: %+v", c)
	}
	if !strings.Contains(p.Blocked("x"), "contradict each other") || p.Blocked("y") == "" {
		t.Errorf("x: %q, y: %q", p.Blocked("x"), p.Blocked("y"))
	}
	s.Rules[1].Strength = cluster.Should
	if p = cluster.NewPlacement(s); p.Blocked("x") != "" || len(p.Conflicts()) != 0 {
		t.Errorf("a should rule gives way: %+v %q", p.Conflicts(), p.Blocked("x"))
	}
}

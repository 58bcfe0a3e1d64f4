package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
	"pgregory.net/rapid"
)

// roomy is three hosts of 8 cores and 32 GiB with two small VMs each.
func roomy() cluster.Snapshot {
	s := cluster.Snapshot{Cluster: "c"}
	for _, h := range []string{"h1", "h2", "h3"} {
		s.Hosts = append(s.Hosts, cluster.Host{ID: h, State: cluster.HostUp, CPUCores: 8, MemoryBytes: 32 << 30})
		for _, v := range []string{"a", "b"} {
			s.VMs = append(s.VMs, cluster.VM{ID: h + v, Name: h + v, Host: h, State: cluster.VMRunning, VCPUs: 1, MemoryBytes: 4 << 30, MemoryDemandBytes: 2 << 30, CPUDemandCores: 0.5, Movable: true})
		}
	}
	s.Sort()
	return s
}

func resting() plan.Policy {
	return plan.Policy{Threshold: 1, MaxMoves: 1, Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}, Admission: admission.Policy{HostFailures: 1}}
}

func TestAHostMayRestWhenItCanBeEmptiedAndIsNotNeeded(t *testing.T) {
	for name, c := range map[string]struct {
		change        func(*cluster.Snapshot)
		moves         int
		stay, reserve string
	}{
		"all is well":                    {func(*cluster.Snapshot) {}, 2, "", ""},
		"it is empty":                    {func(s *cluster.Snapshot) { s.VMs = s.VMs[2:] }, 0, "", ""},
		"one cannot be moved":            {func(s *cluster.Snapshot) { s.VMs[0].Movable, s.VMs[0].ImmovableReason = false, "it has a local disk" }, 1, "h1a cannot leave it: it has a local disk", ""},
		"one is paused":                  {func(s *cluster.Snapshot) { s.VMs[1].State = cluster.VMPaused }, 1, "h1b cannot leave it: it is paused", ""},
		"there is no room elsewhere":     {func(s *cluster.Snapshot) { s.VMs[0].MemoryBytes = 30 << 30 }, 1, "h1a cannot leave it: no host can take it", ""},
		"the others could not fail then": {func(s *cluster.Snapshot) { s.VMs[2].MemoryBytes, s.VMs[4].MemoryBytes = 12<<30, 12<<30 }, 2, "", "without h1: the cluster would not survive the failure of h2"},
	} {
		s := roomy()
		c.change(&s)
		r := plan.MayRest(s, "h1", resting())
		if len(r.Moves) != c.moves || !strings.HasPrefix(r.Stay, c.stay) || (r.Stay == "") != (c.stay == "") || !strings.HasPrefix(r.Reserve, c.reserve) || (r.Reserve == "") != (c.reserve == "") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// Where hosts sleep by advice, one that would be woken at once does not fall asleep.
func TestAHostThatIsNeededMayNotRest(t *testing.T) {
	for _, c := range []struct {
		advise bool
		busy   float64
		want   string
	}{{true, 1.6, ""}, {true, 2.3, "86 % of the CPU of the others is wanted"}, {false, 2.3, ""}} {
		s, p := idle(), saving()
		p.Power.Advise = c.advise
		eachVM(&s, func(v *cluster.VM) { v.CPUBusyCores = cluster.Known(c.busy) })
		if r := plan.MayRest(s, "h1", p); !strings.HasPrefix(r.Reserve, c.want) || (r.Reserve == "") != (c.want == "") {
			t.Errorf("%v: %q", c, r.Reserve)
		}
	}
}

// Where a host may rest, its moves empty it, and what the policy wants is survived without it.
func TestLawAHostThatMayRestIsEmptyAndNotNeeded(t *testing.T) {
	may := 0
	rapid.Check(t, func(t *rapid.T) {
		s := clustertest.Snapshots().Draw(t, "snapshot")
		host := s.Hosts[rapid.IntRange(0, len(s.Hosts)-1).Draw(t, "host")].ID
		p := resting()
		r := plan.MayRest(s, host, p)
		if r.Stay != "" || r.Reserve != "" {
			return
		}
		may++
		emptied := s // a host that is emptied takes nothing, nor does a rule that spreads VMs count on it
		emptied.Hosts = slices.Clone(s.Hosts)
		for i := range emptied.Hosts {
			if emptied.Hosts[i].ID == host {
				emptied.Hosts[i].State = cluster.HostMaintenance
			}
		}
		place := cluster.NewPlacement(emptied)
		for _, m := range r.Moves {
			if why := place.Illegal(m.VM, m.To, p.Limits.Mandatory()); why != "" || m.To == host {
				t.Fatalf("%s to %s: %s", m.VM, m.To, why)
			}
			place.Move(m.VM, m.To)
		}
		for i := range s.VMs {
			if to := place.HostOf(s.VMs[i].ID); to != "" {
				s.VMs[i].Host, s.VMs[i].MigratingTo = to, ""
			}
		}
		if ok, why := admission.MayBeOff(s, []string{host}, p.Admission, p.Limits); !ok {
			t.Fatal(why)
		}
	})
	t.Logf("%d hosts may rest", may)
}

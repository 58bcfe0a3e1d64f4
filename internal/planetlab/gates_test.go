package planetlab_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/planetlab"
)

// gated asks every gate about every move of a policy, as an actuator at level full would, with those before it under way.
type gated struct {
	planetlab.Policy
	t     *testing.T
	asked int
}

func (g *gated) Decide(s planetlab.State) []planetlab.Move {
	moves := g.Policy.Decide(s)
	if len(moves) == 0 {
		return nil
	}
	snap := shown(s)
	place := cluster.NewPlacement(snap)
	for _, m := range moves {
		// The planner of power management asks the same judgement, and lets it make those moves alone that a placement finds legal.
		if what, why := place.Obstacle(m.VM, m.To, cluster.Limits{MaxCPUUtilisation: math.Inf(1), MaxMemoryUtilisation: 1}); what != "" {
			g.t.Errorf("at %g s the planner would not move VM %d to host %d: %s: %v", s.Now, m.VM, m.To, what, why)
		}
		place.MoveAt(m.VM, m.To)
		v := &snap.VMs[m.VM]
		a := cluster.Action{Kind: cluster.Migrate, VM: v.ID, Name: v.Name, From: v.Host, To: snap.Hosts[m.To].ID}
		q := gate.Question{Now: snap.At, Snapshot: snap, Policy: gate.Policy{Level: cluster.LevelFull, MaxDataAge: time.Minute, MinHealthy: 0.5, Limits: cluster.Limits{MaxCPUUtilisation: 1, MaxMemoryUtilisation: 1}},
			Rec:      cluster.Recommendation{ID: "move", Policy: "evacuate", Priority: 2, Action: a, Made: snap.At, Expires: snap.At.Add(time.Minute)},
			Sighting: cluster.Sighting{VM: v.ID, Hosts: []cluster.SightingHost{{Host: a.From, State: cluster.VMRunning, Name: v.Name}, {Host: a.To, State: cluster.VMShutoff}}}}
		if no := gate.Refusals(gate.Ask(gate.All(), q)); len(no) > 0 {
			g.t.Errorf("at %g s %s: %+v", s.Now, a, no)
		}
		g.asked++
		v.MigratingTo = a.To
	}
	return moves
}

// shown is the state as a snapshot.
func shown(s planetlab.State) cluster.Snapshot {
	snap := cluster.Snapshot{Cluster: "planetlab", At: time.Date(2011, 3, 3, 0, 0, 0, 0, time.UTC).Add(time.Duration(s.Now * float64(time.Second)))}
	for i, h := range s.Hosts {
		one := cluster.Host{ID: fmt.Sprintf("host%04d", i), State: cluster.HostUp, CPUCores: h.Capacity(), MemoryBytes: int64(h.MemoryMB)}
		if !s.Memory {
			one.MemoryBytes = 1 << 40
		}
		snap.Hosts = append(snap.Hosts, one)
	}
	for i, v := range s.VMs {
		one := cluster.VM{ID: fmt.Sprintf("vm%04d", i), Name: fmt.Sprintf("trace%04d", i), State: cluster.VMShutoff, VCPUs: 1, MemoryBytes: int64(v.MemoryMB), CPUDemandCores: v.Wanted, Movable: true}
		if v.Host >= 0 {
			one.State, one.Host = cluster.VMRunning, snap.Hosts[v.Host].ID
		}
		snap.VMs = append(snap.VMs, one)
	}
	return snap
}

// What package consolidate decides the planner finds legal and the gates let through, all of it, in its order, with what was decided before it under way.
func TestEveryMovePassesPlannerAndGates(t *testing.T) {
	for _, memory := range []bool{true, false} {
		g := &gated{Policy: planetlab.Consolidation(), t: t}
		planetlab.Run(planetlab.Published(generated(120, 3), memory, planetlab.PowerAware), g)
		if g.asked < 50 {
			t.Errorf("memory %v: %d moves", memory, g.asked)
		}
	}
}

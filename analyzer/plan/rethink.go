package plan

import (
	"maps"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// rethinkings bounds how often a plan is made again to see whether another way to mend a rule leaves a better
// cluster, small how many pairs of a VM and a host a cluster may have for that: what mends a rule is chosen before
// anything is balanced, and matters most where there are few hosts to choose from. Both are counts and not times,
// so that the same input gives the same plan everywhere.
const (
	rethinkings = 100
	small       = 2_000
)

// choice is a VM that goes to a host for the sake of a rule.
type choice struct{ v, to int }

// rethink makes the plan again without one of the choices by which rules were mended, as long as that leaves the
// cluster better off.
func (w *work) rethink() *work {
	if len(w.snap.Hosts)*len(w.snap.VMs) > small {
		return w
	}
	for tries := 0; tries < rethinkings; {
		best := w
		for _, s := range w.steps {
			if s.Policy != "rules" || tries == rethinkings {
				continue
			}
			tries++
			v, _ := w.place.VMIndex(s.VM)
			h, _ := w.place.HostIndex(s.To)
			other := newWork(w.snap, w.findings, w.policy)
			maps.Copy(other.without, w.without)
			other.without[choice{v, h}] = true
			other.planAll()
			if other.betterThan(best) {
				best = other
			}
		}
		if best == w {
			break
		}
		w = best
	}
	return w
}

// betterThan tells whether the plan leaves no more undone than the other, and a higher score after the cost of
// its moves.
func (w *work) betterThan(other *work) bool {
	return w.undone() <= other.undone() && w.net() > other.net()+better
}

// undone counts what must be done and is not: VMs on hosts that are to be emptied, and VMs that break must rules.
func (w *work) undone() int {
	n := 0
	for _, r := range w.place.RuleStates() {
		if r.Rule.Strength == cluster.Must {
			n += r.Violations
		}
	}
	for v := range w.snap.VMs {
		if h := w.place.At(v); h >= 0 && (w.shunned[h] || w.snap.Hosts[h].State == cluster.HostMaintenance) {
			n++
		}
	}
	return n
}

// net is the score in the end, less what the migrations cost.
func (w *work) net() float64 {
	var cost float64
	for _, s := range w.steps {
		v, _ := w.place.VMIndex(s.VM)
		cost += w.price(v)
	}
	return w.now.Score - cost*2/max(1, float64(w.place.UsableHosts()))
}

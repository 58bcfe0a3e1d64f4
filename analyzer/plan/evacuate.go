package plan

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// evacuate empties hosts in maintenance. That is mandatory: where the usual limits leave no host, CPU may
// run short and should rules may give way, and the step says so.
func evacuate(w *work) {
	for h := range w.snap.Hosts {
		if w.snap.Hosts[h].State == cluster.HostMaintenance {
			why := "is in maintenance"
			if w.snap.Hosts[h].Retiring {
				why = "is to be put into standby"
			}
			w.empty(h, "evacuate", 1, w.snap.Hosts[h].ID+" "+why)
		}
	}
}

// empty moves the VMs of a host away, the largest first, each to where it costs least.
func (w *work) empty(h int, policy string, priority int, why string) {
	vms := w.vmsOn(h)
	byRank(vms, func(v int) float64 { return float64(w.snap.VMs[v].MemoryBytes) })
	for _, v := range vms {
		if reason := w.place.BlockedAt(v); reason != "" {
			w.refuse(v, reason)
			continue
		}
		if w.full() {
			w.note("%s: the plan is capped at %d moves, the rest follows", policy, w.policy.MaxMoves)
			return
		}
		limits, note := w.policy.Limits, ""
		to := w.cheapest(v, limits)
		if to < 0 && priority == 1 {
			limits, note = limits.Mandatory(), "; no host has room within the limits of CPU and the should rules, which give way to what is mandatory"
			to = w.cheapest(v, limits)
		}
		if to < 0 {
			to = w.makeRoom(v, limits, policy, priority)
		}
		if to < 0 {
			w.left = true
			w.refuse(v, "no host can take it: "+w.obstacles(v, limits))
			continue
		}
		load := w.place.LoadAt(to)
		w.take(v, to, policy, priority, fmt.Sprintf("%s; %s has most room for it (CPU %.0f %%, memory %.0f %% before)%s", why, load.Host, 100*load.CPUUtilisation, 100*load.MemoryUtilisation, note))
	}
}

// vmsOn lists the VMs on the host.
func (w *work) vmsOn(h int) []int {
	var vms []int
	for v := range w.snap.VMs {
		if w.place.At(v) == h {
			vms = append(vms, v)
		}
	}
	return vms
}

// cheapest finds the host on which the VM costs least, -1 when it may go to none.
func (w *work) cheapest(v int, limits cluster.Limits) int {
	best, most := -1, 0.0
	for h := range w.snap.Hosts {
		if w.closed[h] || !w.place.Fits(v, h, limits) {
			continue
		}
		if gain := w.gain(v, h); (best < 0 || gain > most) && (w.guard == nil || w.guard.Refuses(v, h) == "") {
			best, most = h, gain
		}
	}
	return best
}

// makeRoom moves one other VM out of the way of a VM that fits nowhere, and returns where there is room
// now, or -1.
func (w *work) makeRoom(v int, limits cluster.Limits, policy string, priority int) int {
	best, away, most := -1, -1, 0.0
	for u := range w.snap.VMs {
		h := w.place.At(u)
		if h < 0 || w.moved[u] || w.closed[h] || !w.place.UsableAt(h) || !w.place.Reaches(v, h) || w.snap.VMs[u].MemoryBytes >= w.snap.VMs[v].MemoryBytes || w.place.BlockedAt(u) != "" {
			continue
		}
		to := w.cheapest(u, limits)
		if to < 0 {
			continue
		}
		gain := w.gain(u, to)
		w.place.MoveAt(u, to)
		fits := w.place.Fits(v, h, limits)
		w.place.MoveAt(u, h)
		if fits && (best < 0 || gain > most) {
			best, away, most = u, to, gain
		}
	}
	if best < 0 {
		return -1
	}
	if len(w.steps)+2 > w.policy.MaxMoves {
		w.note("the plan is capped at %d moves, and making room for %s takes two", w.policy.MaxMoves, w.snap.VMs[v].Label())
		return -1
	}
	h := w.place.At(best)
	w.take(best, away, policy, priority, fmt.Sprintf("makes room on %s for %s, which fits nowhere else", w.snap.Hosts[h].ID, w.snap.VMs[v].Label()))
	return h
}

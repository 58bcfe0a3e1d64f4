package plan

import (
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Want is a VM that is to be started.
type Want struct {
	VM string
	// Prefer is the host on which it should start where it can; Avoid are those that are taken only when no other can. Only is the one that has what
	// it needs and no other has, or empty.
	Prefer, Only string
	Avoid        []string
}

// Restarts finds a host for each of the VMs in turn, which run nowhere in the snapshot, and says of those that find none why.
func Restarts(s cluster.Snapshot, p Policy, wants []Want) ([]Step, []Refusal) {
	w := newWork(s, nil, p)
	w.startAll(wants, cluster.Restart)
	return w.steps, w.refused
}

// startAll gives every VM that runs nowhere the host on which it costs least; what a failure stopped is what spare hosts are for. Where the usual
// limits leave none, CPU may run short and should rules may give way, for a VM that is slow is better than none. The cap on moves is no cap on that.
func (w *work) startAll(wants []Want, policy string) {
	closed, spare := w.closed, w.spare
	defer func() { w.closed, w.spare = closed, spare }()
	w.closed, w.spare = make([]bool, len(closed)), make([]bool, len(spare))
	for h := range w.closed {
		w.closed[h] = w.shunned[h] || isOff(w.snap.Hosts[h].Automation)
	}
	for _, want := range wants {
		v, known := w.place.VMIndex(want.VM)
		if !known {
			w.refused = append(w.refused, Refusal{Subject: cluster.VMSubject(want.VM), Reason: "nothing is known of it"})
			continue
		}
		to, why := w.restart(v, want)
		if to < 0 {
			w.refuse(v, "no host can take it: "+w.obstacles(v, w.policy.Limits.Mandatory()))
			continue
		}
		load := w.place.LoadAt(to)
		w.place.MoveAt(v, to)
		after := w.place.LoadAt(to)
		w.steps = append(w.steps, Step{Seq: len(w.steps) + 1, Kind: cluster.Start, VM: want.VM, Name: w.snap.VMs[v].Name, To: load.Host, Policy: policy, Priority: 1,
			Reason: fmt.Sprintf("%s %s (CPU %.0f %%, memory %.0f %% before)", load.Host, why, 100*load.CPUUtilisation, 100*load.MemoryUtilisation),
			effects: []cluster.Effect{
				{Host: load.Host, Name: cluster.CPUUtilisation, Before: load.CPUUtilisation, After: after.CPUUtilisation},
				{Host: load.Host, Name: cluster.MemoryUtilisation, Before: load.MemoryUtilisation, After: after.MemoryUtilisation},
			}})
		w.moved[v] = true
		w.starting[to]++
	}
	w.now = w.place.Assess()
}

// alike is the difference in points of the score that does not matter.
const alike = 1e-9

// roomiest is the host on which the VM waits least for its turn; of those, the one on which it costs least and, of those on which it costs alike,
// the one with the largest share of its memory left, so that many VMs at once spread. It is -1 when the VM may go to none.
func (w *work) roomiest(v int, limits cluster.Limits) int {
	best, soonest, most, free := -1, 0, 0.0, 0.0
	for h := range w.snap.Hosts {
		if w.closed[h] || !w.place.Fits(v, h, limits) {
			continue
		}
		turn, gain, left := w.turn(h), w.gain(v, h), 1-float64(w.place.Promised(h))/float64(w.snap.Hosts[h].MemoryBytes)
		if best < 0 || turn < soonest || turn == soonest && (gain > most+alike || gain > most-alike && left > free) {
			best, soonest, most, free = h, turn, gain, left
		}
	}
	return best
}

// turn is how many times as many VMs as the host may start at once start on it first.
func (w *work) turn(h int) int {
	if w.policy.StartsAtOnce <= 0 {
		return 0
	}
	return w.starting[h] / w.policy.StartsAtOnce
}

// restart is the host on which the VM is to start, and why there; -1 where none can take it.
func (w *work) restart(v int, want Want) (to int, why string) {
	if h, known := w.place.HostIndex(want.Prefer); known && w.place.Fits(v, h, w.policy.Limits.Mandatory()) {
		return h, "is where it ran"
	}
	closed := slices.Clone(w.closed)
	defer func() { w.closed = closed }()
	for _, avoid := range []bool{true, false} {
		w.closed = slices.Clone(closed)
		for h := range w.snap.Hosts {
			w.closed[h] = w.closed[h] || avoid && slices.Contains(want.Avoid, w.snap.Hosts[h].ID) || want.Only != "" && want.Only != w.snap.Hosts[h].ID
		}
		for _, limits := range []cluster.Limits{w.policy.Limits, w.policy.Limits.Mandatory()} {
			if to := w.roomiest(v, limits); to >= 0 {
				return to, "has most room for it"
			}
		}
	}
	return -1, ""
}

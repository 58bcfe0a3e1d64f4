package plan

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// priorityGains are the points that a step must bring on the hosts that it touches, after its cost, to be
// of priority 2, 3, 4 and 5. Priority 1 is kept for what is mandatory.
func priorityGains() []float64 { return []float64{10, 4, 1, 0.02} }

// aversions weigh what migrations cost, in one pass over the cluster after the other. As long as moves can be
// had that bring a hundred times what they cost, those are taken, and of moves that bring about the same the one
// that moves less memory; what is left then need only earn its cost.
func aversions() []float64 { return []float64{100, 30, 10, 3, 1} }

// rounds bounds how often a plan is extended and improved in turn.
const rounds = 4

// balance acts when a host was found to stand out. It looks for the set of moves that together bring most
// after their cost, and brings them into an order in which each is legal and earns its keep.
func balance(w *work) {
	hot := hostsFound(w.findings, "imbalance", "contended_host")
	least, any := leastGain(w.policy.Threshold)
	switch {
	case w.full():
		w.note("the plan is capped at %d moves", w.policy.MaxMoves)
		return
	case !any:
		w.note("balance: migration threshold %d allows only what is mandatory", w.policy.Threshold)
		return
	case len(hot) == 0:
		a := w.place.Assess()
		w.note("balanced: no host stands out at migration threshold %d (fullest host %.0f %% CPU, mean %.0f %%)", w.policy.Threshold, 100*a.MaxCPUUtilisation, 100*a.MeanCPUUtilisation)
		return
	}
	w.weigh() // what was moved off hosts that take no part counts now
	b := &balancing{w: w, least: least, origin: map[int]int{}, room: w.policy.MaxMoves - len(w.steps)}
	b.eligible(hot)
	var order []move
	for _, b.aversion = range aversions() {
		b.prepare()
		order = b.improve(order)
	}
	order = b.topUp(order)
	b.reset()
	for _, m := range order {
		gain := w.gain(m.v, m.to) - w.price(m.v)
		priority, _ := priorityOf(gain)
		w.take(m.v, m.to, "balance", priority, "")
	}
	b.stopped(len(order))
}

type balancing struct {
	w      *work
	search *search
	vms    []int
	least  float64
	origin map[int]int // where the VMs that are to move stand now
	room   int         // how many may move
	spent  int         // changes weighed so far
	// aversion is by how much more than it earns a move's cost counts.
	aversion float64
	idle     float64 // what the best move that was not taken would have brought
}

// move is one VM and where it is to go.
type move struct{ v, to int }

func leastGain(threshold int) (points float64, any bool) {
	gains := priorityGains()
	if threshold < 2 || threshold > len(gains)+1 {
		return 0, false
	}
	return gains[threshold-2], true
}

func priorityOf(gain float64) (priority int, ok bool) {
	for i, least := range priorityGains() {
		if gain >= least {
			return i + 2, true
		}
	}
	return 0, false
}

// eligible finds the VMs that may be moved for the sake of balance, and says why others on the hosts that
// stand out may not.
func (b *balancing) eligible(hot []string) {
	stands := map[string]bool{}
	for _, h := range hot {
		stands[h] = true
	}
	for v := range b.w.snap.VMs {
		at := b.w.place.At(v)
		if at < 0 || !b.w.place.UsableAt(at) || b.w.moved[v] {
			continue
		}
		why := b.w.place.BlockedAt(v)
		if why == "" {
			why = b.w.unwilling(v)
		}
		if why == "" {
			b.vms = append(b.vms, v)
		} else if stands[b.w.snap.Hosts[at].ID] {
			b.w.refuse(v, why)
		}
	}
}

// improve extends and refines the set of moves in turn, and returns it in order.
func (b *balancing) improve(order []move) []move {
	for range rounds {
		refined := b.refine()
		if b.extend() == 0 && !refined {
			break
		}
		b.refine()
		order = b.order()
	}
	return order
}

// extend adds moves as long as one is worth it and there is room, and returns how many changes it made.
func (b *balancing) extend() int {
	changes := 0
	for changes < 10*(b.room+1) {
		v, to, net := b.search.best()
		if v < 0 || net < b.least {
			b.idle = net
			break
		}
		if _, again := b.origin[v]; !again {
			if len(b.origin) >= b.room {
				b.idle = net
				break
			}
			b.origin[v] = b.w.place.At(v)
			b.search.price[v] = 0
		}
		b.search.move(v, to)
		changes++
	}
	return changes
}

// topUp adds what is still worth it at the end of the moves in their order, one VM after the other: leaving
// moves out of the order may have made others worth it. Then nothing is left for the next plan.
func (b *balancing) topUp(order []move) []move {
	rest := slices.DeleteFunc(slices.Clone(b.vms), func(v int) bool { _, moves := b.origin[v]; return moves })
	s := newSearch(b.w, rest, b.w.policy.Limits, b.w.price)
	for len(order) < b.room {
		v, to, net := s.best()
		b.idle = net
		if v < 0 || net < b.least {
			break
		}
		b.origin[v] = b.w.place.At(v)
		order = append(order, move{v, to})
		s.move(v, to)
		s.price[v] = math.Inf(1) // once is enough
		s.review(v)
	}
	return order
}

// reset puts every VM back where it stands.
func (b *balancing) reset() {
	for _, v := range sortedKeys(b.origin) {
		b.w.place.MoveAt(v, b.origin[v])
	}
}

// order brings the moves into an order in which each is legal when its turn comes and earns its cost. The
// most useful comes first, in case that not all are made; where that would leave the last ones nothing to
// earn, the least useful comes first, as long as the hosts are still uneven. What finds no place is left out.
func (b *balancing) order() []move {
	want := map[int]int{}
	for v := range b.origin {
		want[v] = b.w.place.At(v)
	}
	b.reset()
	order := arrange(b.w, maps.Clone(want), b.least, 1)
	if len(order) < len(want) {
		b.reset()
		if other := arrange(b.w, maps.Clone(want), b.least, -1); len(other) > len(order) {
			order = other
		}
	}
	b.reset()
	b.origin = map[int]int{}
	for _, m := range order {
		b.origin[m.v] = b.w.place.At(m.v)
		b.w.place.MoveAt(m.v, m.to)
	}
	b.prepare()
	return order
}

// prepare begins a search from the state as planned so far. What a VM costs that is to move anyway is paid:
// going somewhere else instead costs nothing more.
func (b *balancing) prepare() {
	b.search = newSearch(b.w, b.vms, b.w.policy.Limits, b.price)
}

// price is what moving the VM costs, with the aversion.
func (b *balancing) price(v int) float64 {
	if _, moves := b.origin[v]; moves {
		return 0
	}
	return b.aversion * b.w.price(v)
}

// stopped says why there are no more moves.
func (b *balancing) stopped(made int) {
	switch {
	case b.w.full():
		b.w.note("the plan is capped at %d moves", b.w.policy.MaxMoves)
	case b.idle == worthless && made == 0:
		b.w.note("no move helps: no VM that may move fits on another host")
	case b.idle <= 0:
		b.w.note("no further move helps: every one would cost as much as it brings")
	default:
		b.w.note("no further move is worth it at migration threshold %d: the best would bring %.2f points and %.2f are wanted", b.w.policy.Threshold, b.idle, b.least)
	}
}

// unwilling says why a VM that could be moved is left where it is unless something mandatory moves it.
func (w *work) unwilling(v int) string {
	vm := &w.snap.VMs[v]
	st := w.policy.Stability
	if isOff(vm.Automation) {
		return "its own automation level is off"
	}
	if h := w.place.At(v); h >= 0 && isOff(w.snap.Hosts[h].Automation) {
		return "the automation level of its host is off"
	}
	if st.MaxMovesPerDay > 0 && vm.MovesLastDay >= st.MaxMovesPerDay {
		return fmt.Sprintf("it was moved %d times in the last 24 hours; %d is the most", vm.MovesLastDay, st.MaxMovesPerDay)
	}
	if until := st.coolUntil(vm); until.After(w.snap.At) {
		return fmt.Sprintf("it was moved at %s and cools down until %s", vm.MovedAt.Format("15:04:05"), until.Format("15:04:05"))
	}
	if w.link.predict(vm).diverges {
		return fmt.Sprintf("it writes %.0f MiB of memory a second and %.0f can be copied: the migration would not come to an end without slowing it down (auto-converge) or post-copy", vm.DirtyBytesPerSecond.Value/(1<<20), w.link.bytesPerSecond/(1<<20))
	}
	return ""
}

// returns tells whether the VM was on the host a short while ago: what moved it away may still be true.
func (w *work) returns(v, h int) bool {
	for _, id := range w.snap.VMs[v].RecentHosts {
		if id == w.snap.Hosts[h].ID {
			return true
		}
	}
	return false
}

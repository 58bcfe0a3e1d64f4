package consolidate

import (
	"math"
	"slices"
)

// work is the cluster with moves on paper.
type work struct {
	Cluster
	p        Policy
	at       []int
	on       [][]int
	mean     []float64 // expected on each bin, its own use included
	variance []float64
	now      []float64
	memory   []int64 // that of items which leave included
	awake    []bool
	got      []bool // something moves there
	over     []bool // it was over its target at first
	moves    []Move
	free     []Freed
	wake     []Woken

	fill   fill
	excess []float64 // watts more than the best kind of bin would draw for as much use
	rank   []float64 // watts for as much use, in those of the best kind
}

func newWork(c Cluster, p Policy) *work {
	n := len(c.Bins)
	w := &work{Cluster: c, p: p, at: make([]int, len(c.Items)), on: make([][]int, n), mean: make([]float64, n), variance: make([]float64, n),
		now: make([]float64, n), memory: make([]int64, n), awake: make([]bool, n), got: make([]bool, n), over: make([]bool, n)}
	for b, bin := range c.Bins {
		w.mean[b], w.now[b], w.memory[b], w.awake[b] = bin.OwnCPU, bin.OwnCPU, bin.OwnMemory, bin.On
	}
	for i, item := range c.Items {
		w.at[i] = item.Bin
		if item.Bin >= 0 {
			w.put(i, item.Bin)
			w.memory[item.Bin] += item.Memory
		}
	}
	for b := range c.Bins {
		w.over[b] = w.now[b] > w.limit(b)
	}
	w.fill = newFill(c)
	w.value()
	return w
}

// clone is the same work for one more way to go on. What does not change is shared.
func (w *work) clone() *work {
	v := *w
	v.at, v.mean, v.variance, v.now = slices.Clone(w.at), slices.Clone(w.mean), slices.Clone(w.variance), slices.Clone(w.now)
	v.memory, v.awake, v.got = slices.Clone(w.memory), slices.Clone(w.awake), slices.Clone(w.got)
	v.moves, v.wake = slices.Clone(w.moves), slices.Clone(w.wake)
	v.on = make([][]int, len(w.on))
	for b := range w.on {
		v.on[b] = slices.Clone(w.on[b])
	}
	return &v
}

func (w *work) put(i, b int) {
	w.on[b] = append(w.on[b], i)
	w.weigh(i, b, 1)
	w.at[i] = b
}

func (w *work) take(i int) {
	b := w.at[i]
	at := slices.Index(w.on[b], i)
	w.on[b] = slices.Delete(w.on[b], at, at+1)
	w.weigh(i, b, -1)
}

func (w *work) weigh(i, b int, sign float64) {
	item := &w.Items[i]
	w.mean[b] += sign * item.Mean
	w.variance[b] = max(0, w.variance[b]+sign*item.Deviation*item.Deviation)
	w.now[b] += sign * item.CPU
}

// move moves the item on paper.
func (w *work) move(i, to int, why Reason) {
	w.moves = append(w.moves, Move{Item: i, From: w.at[i], To: to, Reason: why})
	w.take(i)
	w.put(i, to)
	w.memory[to] += w.Items[i].Memory
	w.got[to] = true
	w.tell(i, to)
}

// undo takes back all moves but so many.
func (w *work) undo(keep int) {
	for n := len(w.moves) - 1; n >= keep; n-- {
		m := w.moves[n]
		w.take(m.Item)
		w.put(m.Item, m.From)
		w.memory[m.To] -= w.Items[m.Item].Memory
		w.tell(m.Item, m.From)
	}
	w.moves = w.moves[:keep]
	for b := range w.got {
		w.got[b] = false
	}
	for _, m := range w.moves {
		w.got[m.To] = true
	}
}

// forget tells the caller that all moves but so many are taken back; the work itself keeps them.
func (w *work) forget(keep int) {
	for n := len(w.moves) - 1; n >= keep; n-- {
		w.tell(w.moves[n].Item, w.moves[n].From)
	}
}

func (w *work) tell(i, b int) {
	if w.Stand != nil {
		w.Stand(i, b)
	}
}

// limit is what the items of a bin, and it itself, may want.
func (w *work) limit(b int) float64 { return (w.p.Upper + w.p.Tolerance) * w.Bins[b].CPU }

// fits tells whether the item may go to the bin.
func (w *work) fits(i, b int) bool {
	item, bin := &w.Items[i], &w.Bins[b]
	return (bin.Memory == 0 || w.memory[b]+item.Memory <= bin.Memory) &&
		w.mean[b]+item.Mean <= w.p.Upper*bin.CPU && w.now[b]+item.CPU <= w.limit(b) && w.loadWith(i, b) <= bin.CPU &&
		(w.Legal == nil || w.Legal(i, b))
}

// loadWith is what the bin must have room for with the item on it.
func (w *work) loadWith(i, b int) float64 {
	item := &w.Items[i]
	return w.mean[b] + item.Mean + w.p.Risk*math.Sqrt(w.variance[b]+item.Deviation*item.Deviation)
}

// life is for how many hours an item is expected to run on, and the horizon at most.
func (w *work) life(i int) float64 {
	if l := w.Items[i].Life; l > 0 && l < w.p.Horizon {
		return l.Hours()
	}
	return w.p.Horizon.Hours()
}

// needed is for how many hours the bin will be needed.
func (w *work) needed(b int) float64 {
	if len(w.on[b]) == 0 {
		return w.p.Horizon.Hours()
	}
	hours := 0.0
	for _, i := range w.on[b] {
		hours = max(hours, w.life(i))
	}
	return hours
}

// cost is what the bins draw for as long as they are needed, with what the moves have to earn, in Wh.
func (w *work) cost() float64 {
	sum := 0.0
	for b := range w.Bins {
		if w.awake[b] {
			sum += w.needed(b) * (w.expectedWatts(b) - w.Bins[b].AsleepWatts)
		}
	}
	for _, m := range w.moves {
		sum += w.Items[m.Item].CostWh
	}
	for _, f := range w.free {
		sum += w.Bins[f.Bin].CycleWh
	}
	return sum
}

// watts is what all bins draw with what is expected.
func (w *work) watts() float64 {
	sum := 0.0
	for b := range w.Bins {
		if w.awake[b] {
			sum += w.expectedWatts(b)
		} else {
			sum += w.Bins[b].AsleepWatts
		}
	}
	return sum
}

func (w *work) expectedWatts(b int) float64 { return w.Bins[b].power(w.mean[b] / w.Bins[b].CPU) }

// power is what the bin draws with that share of its CPU in use; nothing where nobody knows its curve.
func (b *Bin) power(share float64) float64 { return b.Watts.Watts(share) }

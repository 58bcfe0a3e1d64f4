package consolidate

import (
	"cmp"
	"slices"
)

// relieve moves items away from bins that are over their target, as few and as cheap ones as will do, and wakes bins
// when nothing else has room.
func (w *work) relieve() {
	for b := range w.Bins {
		for w.over[b] && w.awake[b] && w.now[b] > w.limit(b) && w.shed(b) {
			continue
		}
	}
}

// shed moves one item away, if any can.
func (w *work) shed(b int) bool {
	for _, i := range w.byRelief(b) {
		if w.relocate(i, Relief, w.anyAwake) {
			return true
		}
	}
	for _, i := range w.byRelief(b) {
		if w.relocate(i, Relief, w.anyAsleep) {
			return true
		}
	}
	return false
}

// byRelief lists the items that may leave: those whose leaving is enough, the cheapest first, then the others, those
// that want most first.
func (w *work) byRelief(b int) []int {
	items := slices.DeleteFunc(slices.Clone(w.on[b]), func(i int) bool { return w.Items[i].Fixed || w.Items[i].Bin != b })
	excess := w.now[b] - w.limit(b)
	slices.SortFunc(items, func(i, j int) int {
		x, y := &w.Items[i], &w.Items[j]
		switch enough, too := x.CPU >= excess, y.CPU >= excess; {
		case enough && too:
			return cmp.Or(cmp.Compare(x.CostWh, y.CostWh), cmp.Compare(x.Mean, y.Mean), i-j)
		case enough:
			return -1
		case too:
			return 1
		}
		return cmp.Or(-cmp.Compare(x.CPU, y.CPU), i-j)
	})
	return items
}

// serve moves items that their bins cannot serve to where they can be.
func (w *work) serve() {
	for i := range w.Items {
		item := &w.Items[i]
		if !item.Leave || item.Fixed || item.Bin < 0 || w.at[i] != item.Bin {
			continue
		}
		if !w.relocate(i, Unserved, w.anyAwake) {
			w.relocate(i, Unserved, w.anyAsleep)
		}
	}
}

// relocate moves the item to the bin that is found for it, if the plan has moves left.
func (w *work) relocate(i int, why Reason, find func(i int) int) bool {
	if len(w.moves) >= w.p.MaxMoves {
		return false
	}
	to := find(i)
	if to < 0 {
		return false
	}
	if !w.awake[to] {
		w.awake[to] = true
		w.wake = append(w.wake, Woken{Bin: to, Item: i})
	}
	w.move(i, to, why)
	return true
}

func (w *work) anyAwake(i int) int { return w.target(i, w.over, 0, nil) }

// anyAsleep is the sleeping bin that is worth most.
func (w *work) anyAsleep(i int) int {
	best := -1
	for b := range w.Bins {
		if !w.awake[b] && (best < 0 || w.rank[b] < w.rank[best]) && w.fits(i, b) {
			best = b
		}
	}
	return best
}

// overloads lists the bins that were over their target.
func (w *work) overloads() []Overload {
	var found []Overload
	for b := range w.Bins {
		if !w.over[b] {
			continue
		}
		wanted := w.Bins[b].OwnCPU
		for i := range w.Items {
			if w.Items[i].Bin == b {
				wanted += w.Items[i].CPU
			}
		}
		found = append(found, Overload{Bin: b, Wanted: wanted, Limit: w.limit(b), Left: max(0, w.now[b]-w.limit(b))})
	}
	return found
}

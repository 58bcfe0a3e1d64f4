package consolidate

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// order is one way to choose which bin to empty next.
type order struct {
	// price is how much the cost of the moves counts beside what the bin draws more than a better one would.
	price float64
	// alike is how much it counts that items on one bin live equally long.
	alike float64
}

// orders are those that are tried. Where moves count for much, bins with many items stay although others are worth more.
func orders() []order {
	var all []order
	for _, price := range []float64{0.1, 0.2, 0.4, 0.8, 1.6, 3.2} {
		for _, alike := range []float64{0, 0.001, 0.002, 0.004} {
			all = append(all, order{price: price, alike: alike})
		}
	}
	return all
}

// empty frees bins, one after the other, each wholly or not at all. None is emptied that has got something.
func (w *work) empty(o order) {
	lives := w.lives()
	barred := slices.Clone(w.over)
	for _, b := range w.candidates(o) {
		if len(w.free) >= w.p.MaxFree {
			return
		}
		if w.got[b] {
			continue
		}
		freed, worth := w.earns(b)
		if !worth || len(w.moves)+freed.Moves > w.p.MaxMoves {
			continue
		}
		barred[b] = true
		if !w.clear(b, barred, o.alike, lives) {
			barred[b] = false
			continue
		}
		w.awake[b] = false
		w.free = append(w.free, freed)
	}
}

// candidates lists the bins that could be emptied, the best ones to empty first.
func (w *work) candidates(o order) []int {
	var found []int
	key := make([]float64, len(w.Bins))
	for b := range w.Bins {
		stays := func(i int) bool { return w.Items[i].Fixed || w.Items[i].Bin != b }
		if !w.awake[b] || w.Bins[b].Keep || w.over[b] || w.got[b] || w.mean[b] > w.p.Lower*w.Bins[b].CPU || slices.ContainsFunc(w.on[b], stays) {
			continue
		}
		key[b] = o.price*w.price(w.on[b])/max(w.needed(b), math.SmallestNonzeroFloat64) - w.excess[b]
		found = append(found, b)
	}
	slices.SortFunc(found, func(a, b int) int { return cmp.Or(cmp.Compare(key[a], key[b]), a-b) })
	return found
}

func (w *work) price(items []int) float64 {
	sum := 0.0
	for _, i := range items {
		sum += w.Items[i].CostWh
	}
	return sum
}

// earns tells whether the bin, when it sleeps, saves more than emptying it costs; not only in all, but also until each
// of its items would have ended by itself, since otherwise it is cheaper to wait for that. What the items draw they
// will draw elsewhere.
func (w *work) earns(b int) (freed Freed, worth bool) {
	bin := &w.Bins[b]
	items := slices.Clone(w.on[b])
	slices.SortFunc(items, func(i, j int) int { return cmp.Or(cmp.Compare(w.life(i), w.life(j)), i-j) })
	saved := bin.power(0) - bin.AsleepWatts
	cost := bin.CycleWh
	for _, i := range items {
		cost += w.Items[i].CostWh
		if saved*w.life(i) < cost {
			return Freed{}, false
		}
	}
	hours := w.needed(b)
	return Freed{Bin: b, Moves: len(items), SavedWh: saved * hours, CostWh: cost, Sleep: time.Duration(hours * float64(time.Hour))}, saved*hours >= cost
}

// clear finds a place for every item of the bin, the largest first, or moves none.
func (w *work) clear(b int, barred []bool, alike float64, lives []float64) bool {
	items := slices.Clone(w.on[b])
	slices.SortFunc(items, func(i, j int) int { return cmp.Or(-cmp.Compare(w.size(i, b), w.size(j, b)), i-j) })
	before := len(w.moves)
	for _, i := range items {
		to := w.target(i, barred, alike, lives)
		if to < 0 {
			w.undo(before)
			return false
		}
		w.move(i, to, Emptying)
	}
	return true
}

// size is the larger of the item's shares in the bin.
func (w *work) size(i, b int) float64 {
	share := w.Items[i].Mean / w.Bins[b].CPU
	if w.Bins[b].Memory > 0 {
		share = max(share, float64(w.Items[i].Memory)/float64(w.Bins[b].Memory))
	}
	return share
}

// lives is for each bin the mean of its items' lives on a logarithmic scale, that of the horizon where there are none.
func (w *work) lives() []float64 {
	means := make([]float64, len(w.Bins))
	for b := range w.Bins {
		means[b] = math.Log(w.p.Horizon.Hours())
		if len(w.on[b]) == 0 {
			continue
		}
		sum := 0.0
		for _, i := range w.on[b] {
			sum += math.Log(w.life(i))
		}
		means[b] = sum / float64(len(w.on[b]))
	}
	return means
}

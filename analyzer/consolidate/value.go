package consolidate

import (
	"math"
	"slices"
)

// value finds out which bins are worth keeping: those that draw least for what is scarce, full as they would be.
// Where memory runs out first that is a low idle draw, otherwise it is watts for CPU.
func (w *work) value() {
	cpu, memory := w.wanted()
	var cpus, memories float64
	limited := true
	for b := range w.Bins {
		cpus += w.Bins[b].CPU
		memories += float64(w.Bins[b].Memory)
		limited = limited && w.Bins[b].Memory > 0
	}
	byMemory := limited && memory*cpus > cpu/w.p.Upper*memories
	use, per := make([]float64, len(w.Bins)), make([]float64, len(w.Bins))
	for b := range w.Bins {
		bin := &w.Bins[b]
		use[b], per[b] = bin.CPU, bin.power(w.p.Upper)/bin.CPU
		if byMemory {
			use[b] = float64(bin.Memory)
			per[b] = bin.power(cpu/memory*use[b]/bin.CPU) / use[b]
		}
	}
	w.rank, w.excess = make([]float64, len(w.Bins)), make([]float64, len(w.Bins))
	if len(w.Bins) == 0 {
		return
	}
	best := slices.Min(per)
	for b := range w.Bins {
		w.excess[b] = (per[b] - best) * use[b]
		w.rank[b] = 1
		if best > 0 {
			w.rank[b] = per[b] / best
		}
	}
}

// wanted is what all items that run are expected to want.
func (w *work) wanted() (cpu, memory float64) {
	for i := range w.Items {
		if w.at[i] >= 0 {
			cpu += w.Items[i].Mean
			memory += float64(w.Items[i].Memory)
		}
	}
	return cpu, memory
}

// fill knows how much of a gap in memory the sizes of the items can fill.
type fill struct {
	unit int64
	most []int32 // of so many units
}

// fillSteps is how finely memory is looked at.
const fillSteps = 4096

func newFill(c Cluster) fill {
	var largest int64
	for _, b := range c.Bins {
		largest = max(largest, b.Memory)
	}
	if largest == 0 {
		return fill{}
	}
	f := fill{unit: max(1, largest/fillSteps)}
	var sizes []int
	for _, i := range c.Items {
		if i.Memory > 0 {
			sizes = append(sizes, int((i.Memory+f.unit-1)/f.unit))
		}
	}
	slices.Sort(sizes)
	sizes = slices.Compact(sizes)
	f.most = make([]int32, largest/f.unit+1)
	for gap := range f.most {
		for _, s := range sizes {
			if s > gap {
				break
			}
			f.most[gap] = max(f.most[gap], f.most[gap-s]+int32(s)) //nolint:gosec // at most fillSteps
		}
	}
	return f
}

// waste is what of the gap must stay empty.
func (f fill) waste(gap int64) int64 {
	if f.unit == 0 || gap < 0 {
		return 0
	}
	units := min(gap/f.unit, int64(len(f.most)-1))
	return (units - int64(f.most[units])) * f.unit
}

// The weights of what makes a target good. Memory that nothing can fill any more counts in full, as a share of the
// bin's. The rest decides between targets that are equal in that.
const (
	weightRank = 0.3
	weightRoom = 0.01
)

// target is the best awake bin for the item, -1 for none: the one where least becomes waste, that is worth most, whose
// items live about as long as it, and that is fullest then.
func (w *work) target(i int, barred []bool, alike float64, lives []float64) int {
	best, least := -1, math.Inf(1)
	for b := range w.Bins {
		if barred[b] || !w.awake[b] || b == w.at[i] || !w.fits(i, b) {
			continue
		}
		bin := &w.Bins[b]
		score := weightRank*(w.rank[b]-1) + weightRoom*(bin.CPU-w.loadWith(i, b))/bin.CPU
		if bin.Memory > 0 {
			gap := bin.Memory - w.memory[b]
			after := gap - w.Items[i].Memory
			score += (float64(w.fill.waste(after)-w.fill.waste(gap)) + weightRoom*float64(after)) / float64(bin.Memory)
		}
		if alike > 0 {
			score += alike * math.Abs(lives[b]-math.Log(w.life(i)))
		}
		if score < least {
			best, least = b, score
		}
	}
	return best
}

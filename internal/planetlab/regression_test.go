//go:build bench

package planetlab_test

import "slices"

// lr predicts by a regression line over the newest ten sums of the VMs' own samples.
func lr(safety float64) *heuristic {
	return &heuristic{over: func(b *board, i int) bool {
		const points = 10
		sums := b.history(i)
		if len(sums) < points {
			return b.wanted(i)/b.Hosts[i].Capacity() > 0.7
		}
		newest := sums[:points]
		slices.Reverse(newest)
		at0, slope := line(newest)
		return (at0+slope*(points+1))*safety >= 1 // no migration takes longer than one interval
	}}
}

// line is the regression line through the values at 1, 2, … CloudSim 3.0.3 computes the tricube weights of the paper's
// Loess, and uses them only where four tenths of them are zero, which is never.
func line(y []float64) (at0, slope float64) {
	n := float64(len(y))
	var sx, sy, sxx, sxy float64
	for i, v := range y {
		x := float64(i + 1)
		sx, sy, sxx, sxy = sx+x, sy+v, sxx+x*x, sxy+x*v
	}
	slope = (n*sxy - sx*sy) / (n*sxx - sx*sx)
	return (sy - slope*sx) / n, slope
}

func (b *board) history(i int) []float64 {
	sums := make([]float64, 30)
	for _, v := range b.on[i] {
		for k, u := range b.histories[v] {
			sums[k] += u / b.Hosts[i].Capacity()
		}
	}
	for len(sums) > 0 && sums[len(sums)-1] == 0 {
		sums = sums[:len(sums)-1]
	}
	return sums
}

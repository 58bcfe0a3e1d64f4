package simulator

// divide shares a capacity among those that want of it, in proportion to their weights: nobody gets more
// than it wants, and what one leaves the others share again (max-min fairness).
func divide(capacity float64, want, weight, got []float64) {
	sum, weights := 0.0, 0.0
	for i := range want {
		got[i] = -1
		sum += want[i]
		weights += weight[i]
	}
	if sum <= capacity {
		copy(got, want)
		return
	}
	for {
		level, filled := capacity/weights, false
		for i := range want {
			if got[i] < 0 && want[i] <= level*weight[i] {
				got[i], filled = want[i], true
				capacity -= want[i]
				weights -= weight[i]
			}
		}
		if filled {
			continue
		}
		for i := range want {
			if got[i] < 0 {
				got[i] = level * weight[i]
			}
		}
		return
	}
}

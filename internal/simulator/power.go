package simulator

// curvePoints is how many numbers a power curve has: at 0, 10, … 100 % of the cores in use, as the results
// of SPECpower_ssj2008 give them.
const curvePoints = 11

// line is the curve of a host of which only the ends are known.
func line(idle, peak float64) []float64 {
	curve := make([]float64, curvePoints)
	for i := range curve {
		curve[i] = idle + (peak-idle)*float64(i)/(curvePoints-1)
	}
	return curve
}

// watts is what a host draws with that share of its cores in use, between the points by a straight line.
func watts(curve []float64, utilisation float64) float64 {
	x := share01(utilisation) * (curvePoints - 1)
	i := min(int(x), curvePoints-2)
	return curve[i] + (curve[i+1]-curve[i])*(x-float64(i))
}

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

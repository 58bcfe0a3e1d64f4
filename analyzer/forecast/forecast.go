// Package forecast foretells the use of the coming hour from the same hours of past days, and says by how
// much it was wrong in the past. It is pure: it reads no clock and asks nobody.
package forecast

import "math"

// Hour is the mean of one hour; Known is false where there are no data.
type Hour struct {
	Value float64
	Known bool
}

// Forecast is what is expected of the coming hour.
type Forecast struct {
	// Value is the mean of the same hour on the days before.
	Value float64
	// Error is its mean absolute error over the past hours on which it could be tried, PersistenceError that
	// of expecting every hour to be like the one before it.
	Error, PersistenceError float64
	// Beats tells that it was better than expecting no change, on enough hours to say so.
	Beats bool
}

const (
	day = 24
	// leastTries is on how many past hours both must have been tried before one is preferred.
	leastTries = 24
	// leastDays is how many days the same hour must be known of.
	leastDays = 2
)

// Next foretells the hour that follows the last one. ok is false where too little is known of the past.
// Persistence as the yardstick, and beating it out of sample as the condition, are the usual practice for
// load forecasts; see Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", on the seasonal
// naive method and on evaluating forecasts.
func Next(hours []Hour) (f Forecast, ok bool) {
	value, known := sameHour(hours, len(hours))
	if !known {
		return Forecast{}, false
	}
	f.Value = value
	tries := 0
	for at := 1; at < len(hours); at++ {
		expected, known := sameHour(hours, at)
		if !known || !hours[at].Known || !hours[at-1].Known {
			continue
		}
		tries++
		f.Error += math.Abs(expected - hours[at].Value)
		f.PersistenceError += math.Abs(hours[at-1].Value - hours[at].Value)
	}
	if tries == 0 {
		return Forecast{}, false
	}
	f.Error /= float64(tries)
	f.PersistenceError /= float64(tries)
	f.Beats = tries >= leastTries && f.Error < f.PersistenceError
	return f, true
}

// Ahead is what is expected of each of the n hours that follow the last one: the mean of the same hour on the days before.
func Ahead(hours []Hour, n int) []Hour {
	expected := make([]Hour, n)
	for i := range expected {
		expected[i].Value, expected[i].Known = sameHour(hours, len(hours)+i%day)
	}
	return expected
}

// sameHour is the mean of the hour's like on the days before it.
func sameHour(hours []Hour, at int) (mean float64, known bool) {
	days := 0
	for i := at - day; i >= 0; i -= day {
		if hours[i].Known {
			mean += hours[i].Value
			days++
		}
	}
	if days < leastDays {
		return 0, false
	}
	return mean / float64(days), true
}

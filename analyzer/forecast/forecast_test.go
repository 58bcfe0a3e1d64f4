package forecast_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/evenkeel/evenkeel/analyzer/forecast"
)

// series makes n hours with the function of the hour.
func series(n int, f func(hour int) float64) []forecast.Hour {
	var hours []forecast.Hour
	for i := range n {
		hours = append(hours, forecast.Hour{Value: f(i), Known: true})
	}
	return hours
}

func TestADailyPatternIsForetold(t *testing.T) {
	shape := func(hour int) float64 { return 1 + math.Sin(2*math.Pi*float64(hour%24)/24) }
	f, ok := forecast.Next(series(7*24, shape))
	if !ok || !f.Beats || math.Abs(f.Value-shape(7*24)) > 1e-9 || f.Error > 1e-9 || f.PersistenceError < 0.1 {
		t.Errorf("%+v %v", f, ok)
	}
}

// A random walk has no hours: the last value is the better guess.
func TestARandomWalkIsNot(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	x := 10.0
	f, ok := forecast.Next(series(7*24, func(int) float64 { x += r.Float64() - 0.5; return x }))
	if !ok || f.Beats || f.Error < f.PersistenceError {
		t.Errorf("%+v %v", f, ok)
	}
}

func TestTooLittleIsNothing(t *testing.T) {
	for n := range 48 {
		if f, ok := forecast.Next(series(n, func(int) float64 { return 1 })); ok {
			t.Errorf("from %d hours: %+v", n, f)
		}
	}
	gaps := series(7*24, func(int) float64 { return 1 })
	for i := range gaps {
		gaps[i].Known = i%24 != 0 || i > 24 // the coming hour is known of one day only
		if i%24 == 0 && i > 24 {
			gaps[i].Known = false
		}
	}
	if f, ok := forecast.Next(gaps); ok {
		t.Errorf("from one day: %+v", f)
	}
}

func TestTheHoursAheadAreThoseOfPastDays(t *testing.T) {
	var hours []forecast.Hour
	for i := range 5 * 24 {
		hours = append(hours, forecast.Hour{Value: float64(i % 24), Known: i%24 != 3})
	}
	ahead := forecast.Ahead(hours, 30)
	for i, h := range ahead {
		if want := float64(i % 24); h.Known != (i%24 != 3) || h.Known && h.Value != want {
			t.Errorf("hour %d: %+v, want %g", i, h, want)
		}
	}
	if few := forecast.Ahead(hours[:24], 2); few[0].Known {
		t.Errorf("of one day: %+v", few)
	}
}

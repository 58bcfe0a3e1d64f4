package energy

import (
	"math"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"pgregory.net/rapid"
)

func paris(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestASleepIsSplitAtMidnight(t *testing.T) {
	zone := paris(t)
	at := time.Date(2026, 11, 26, 22, 0, 0, 0, zone)
	var l Ledger
	l.keep(at, nil, nil)
	asleep := []Sleeper{{Host: "h3", Since: at, SavedWatts: 100}}
	for range 6 { // until three in the morning
		at = at.Add(50 * time.Minute)
		l.keep(at, asleep, nil)
	}
	l.keep(at.Add(time.Minute), nil, []Wake{{Host: "h3", At: at.Add(time.Second), Wh: 20}})
	l.keep(at.Add(2*time.Minute), nil, []Wake{{Host: "h3", At: at.Add(time.Second), Wh: 20}}) // the same one is still the newest
	if got, want := l.Days["2026-11-26"]["h3"], (cluster.Saving{SleptSeconds: 7200, SavedWh: 200}); got != want {
		t.Errorf("before midnight: %+v", got)
	}
	if got, want := l.Days["2026-11-27"]["h3"], (cluster.Saving{SleptSeconds: 10800, SavedWh: 300, SpentWh: 20, Wakes: 1}); got != want {
		t.Errorf("after midnight: %+v", got)
	}
	periods := l.periods(at)
	if got := periods[0].Saving.NetWh() + periods[1].Saving.NetWh(); math.Abs(got-480) > 1e-6 || math.Abs(periods[2].Saving.NetWh()-periods[4].Saving.NetWh()) > 1e-6 || periods[3].Saving != (cluster.Saving{}) {
		t.Errorf("%+v", periods)
	}
}

// A server that was down for an hour knows that the host slept on; one whose clock was set back counts nothing twice.
func TestWhatNobodyKeptIsKeptLater(t *testing.T) {
	at := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	var l Ledger
	asleep := []Sleeper{{Host: "h3", Since: at, SavedWatts: 50}}
	l.keep(at, asleep, nil)
	l.keep(at.Add(time.Hour), asleep, nil)
	l.keep(at.Add(30*time.Minute), asleep, nil)
	l.keep(at.Add(time.Hour), asleep, nil)
	if got := l.Total["h3"].SleptSeconds; got != 3600+1800 {
		t.Errorf("%g s", got)
	}
	fresh := Ledger{}
	fresh.keep(at.Add(2*time.Hour), asleep, nil) // nobody knows whether it slept before there was a ledger
	if got := fresh.Total["h3"]; got != (cluster.Saving{}) {
		t.Errorf("%+v", got)
	}
}

// The law: whatever the steps in which it is kept, and across the days on which clocks change, the days and the total agree
// with the time slept.
func TestLawDaysAddUp(t *testing.T) {
	zone := paris(t)
	rapid.Check(t, func(t *rapid.T) {
		at := time.Date(2026, time.Month(rapid.IntRange(1, 12).Draw(t, "month")), rapid.IntRange(1, 28).Draw(t, "day"), 12, 0, 0, 0, zone)
		since := at
		var l Ledger
		l.keep(at, nil, nil)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.IntRange(1, 100000).Draw(t, "seconds")) * time.Second)
			l.keep(at, []Sleeper{{Host: "h", Since: since, SavedWatts: 10}}, nil)
		}
		var sum cluster.Saving
		for _, hosts := range l.Days {
			for _, s := range hosts {
				if s.SleptSeconds > 25*3600 {
					t.Fatalf("a day of %g s", s.SleptSeconds)
				}
				sum = sum.Add(s)
			}
		}
		near := func(a, b float64) bool { return a-b < 1e-6*b && b-a < 1e-6*b }
		if slept := at.Sub(since).Seconds(); !near(sum.SleptSeconds, slept) || !near(l.Total["h"].SleptSeconds, slept) || !near(sum.SavedWh, slept/360) {
			t.Fatalf("%+v, %+v, slept %g s", sum, l.Total, slept)
		}
	})
}

func TestDaysAreForgottenAndTotalsNot(t *testing.T) {
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	var l Ledger
	l.keep(at, nil, nil)
	for range 3 * 365 {
		l.keep(at.Add(24*time.Hour), []Sleeper{{Host: "h", Since: at, SavedWatts: 1}}, nil)
		at = at.Add(24 * time.Hour)
	}
	if len(l.Days) > keepDays+1 || l.Total["h"].SleptSeconds != 3*365*86400 {
		t.Errorf("%d days, %+v", len(l.Days), l.Total)
	}
}

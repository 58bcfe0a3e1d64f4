package cluster

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// listed are times in ascending order.
type listed []time.Time

func (l listed) Next(t time.Time) time.Time {
	for _, at := range l {
		if at.After(t) {
			return at
		}
	}
	return time.Time{}
}

// The turn is the one that an obvious look at all instants finds: of those that the time is in, the last.
func TestLawTheTurnIsTheLastThatHoldsTheTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		day := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
		minutes := func(most int, name string) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Minute
		}
		var begins listed
		at := day
		for range rapid.IntRange(0, 20).Draw(t, "instants") {
			at = at.Add(time.Minute + minutes(600, "gap"))
			begins = append(begins, at)
		}
		w := Window{Begins: begins, Lead: minutes(30, "lead"), Lasts: minutes(3000, "lasts")}
		now := day.Add(minutes(6000, "now"))
		var want Turn
		holds := false
		for _, at := range begins {
			if turn := w.TurnAt(at); !now.Before(turn.Begin) && now.Before(turn.End) {
				want, holds = turn, true
			}
		}
		if got, open := w.Turn(now); open != holds || got != want {
			t.Fatalf("%+v (%v), want %+v (%v)", got, open, want, holds)
		}
	})
}

func TestWhichWindowKeepsAHostAwake(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	windows := []Awake{
		{Name: "short", Window: Window{Begins: listed{now.Add(-time.Hour)}, Lasts: 2 * time.Hour}},
		{Name: "long", Window: Window{Begins: listed{now.Add(-time.Hour)}, Lasts: 9 * time.Hour}, Hosts: []string{"h1"}},
	}
	for host, want := range map[string]string{"h1": "long", "h2": "short"} {
		if name, until := KeptAwake(windows, host, now); name != want || !until.After(now) {
			t.Errorf("%s: %s until %s", host, name, until)
		}
	}
	if name, _ := KeptAwake(windows, "h2", now.Add(time.Hour)); name != "" {
		t.Errorf("it is over, and %s keeps h2 awake", name)
	}
}

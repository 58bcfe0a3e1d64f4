package cluster

import (
	"slices"
	"time"
)

// Times are instants that come again.
type Times interface {
	// Next is the first of them after the time, zero for none.
	Next(time.Time) time.Time
}

// Window is a time that comes again and lasts.
type Window struct {
	Begins Times
	// Lead is how long before each instant it opens, Lasts how long after it it closes.
	Lead, Lasts time.Duration
}

// Turn is one time that a window is open: from Begin up to End, about the instant At.
type Turn struct {
	At    time.Time `json:"at"`
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
}

// TurnAt is the turn about the instant.
func (w Window) TurnAt(at time.Time) Turn {
	return Turn{At: at, Begin: at.Add(-w.Lead), End: at.Add(w.Lasts)}
}

// Turn returns the turn that the time is in. Where two overlap it is the one that ends later. It looks back further and further,
// so that windows of days that begin every minute cost no more than others.
func (w Window) Turn(now time.Time) (t Turn, open bool) {
	last, first := now.Add(w.Lead), now.Add(-w.Lasts) // the instants that it may be about lie behind first, up to last
	for back := time.Hour; ; back *= 2 {
		from := last.Add(-back)
		if from.Before(first) {
			from = first
		}
		for at := w.Begins.Next(from); !at.IsZero() && !at.After(last); at = w.Begins.Next(at) {
			t, open = w.TurnAt(at), true
		}
		if open || from.Equal(first) {
			return t, open
		}
	}
}

// Awake is a window in which hosts are not to sleep.
type Awake struct {
	// Name is the schedule's.
	Name string
	Window
	// Hosts are those that it is about; none for all.
	Hosts []string
}

// Covers tells whether it is about the host.
func (a Awake) Covers(host string) bool { return len(a.Hosts) == 0 || slices.Contains(a.Hosts, host) }

// KeptAwake says which of the windows keeps the host awake at the time, and until when: of several the one that ends last.
func KeptAwake(windows []Awake, host string, at time.Time) (name string, until time.Time) {
	for _, w := range windows {
		if t, open := w.Turn(at); open && w.Covers(host) && t.End.After(until) {
			name, until = w.Name, t.End
		}
	}
	return name, until
}

// The kinds of schedule: what is done in its window.
const (
	ScheduleNeverSleep  = "never_sleep"
	ScheduleWake        = "wake"
	ScheduleMaintenance = "maintenance"
	ScheduleLevel       = "level"
)

// What can come of a schedule's turn.
const (
	ScheduleOpen   = "open"
	ScheduleDone   = "done"
	ScheduleFailed = "failed"
	ScheduleMissed = "missed"
)

// ViaSchedule is how the word of a schedule comes, in place of a person's.
const ViaSchedule = "schedule"

// ScheduleState is how a schedule stands.
type ScheduleState struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// What says in words what it does.
	What string `json:"what"`
	// Next is when it comes again, Last when it came last; zero for never.
	Next time.Time `json:"next,omitzero"`
	Last time.Time `json:"last,omitzero"`
	// Until is when the window closes that is open; zero while none is.
	Until time.Time `json:"until,omitzero"`
	// Result is what came of the last time, empty before the first, and Ended when that was known.
	Result string    `json:"result,omitempty"`
	Ended  time.Time `json:"ended,omitzero"`
	// Reason says why it failed or was missed, what is not reached yet while it is open, and whether it began late.
	Reason string `json:"reason,omitempty"`
}

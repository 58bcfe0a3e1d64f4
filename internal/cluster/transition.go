package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// Transition is what an event does to a case. docs/actions.md draws them and says who makes each; a
// test holds the two together.
type Transition struct {
	Event Event
	From  CaseState
	To    CaseState
	// Older tells that no entry makes it any more; journals of older versions may hold one.
	Older bool
}

// Event is what happens to a case: a kind of entry, with its outcome where that decides.
type Event string

// The events. All but the last three stand in the journal, and EventWithdrawn does where no planner advised it.
const (
	// EventApproved and EventRejected are a person's words.
	EventApproved Event = "approved"
	EventRejected Event = "rejected"
	// EventRefusedWord is a yes that the gates refused at once.
	EventRefusedWord Event = "refused word"
	// EventRefused is what the gates refused when it was to be done.
	EventRefused Event = "refused"
	EventIntent  Event = "intent"
	// The outcomes, by their results.
	EventDone           Event = "outcome done"
	EventFailed         Event = "outcome failed"
	EventOutcomeRefused Event = "outcome refused"
	EventUnknown        Event = "outcome unknown"
	EventMeasured       Event = "measured"
	// EventSeconded is the first yes of two, EventSnoozed a "not now".
	EventSeconded Event = "seconded"
	EventSnoozed  Event = "snoozed"
	// EventProposed is that a person or a runbook asks for it.
	EventProposed Event = "proposed"

	EventExpires   Event = "expires"
	EventWithdrawn Event = "withdrawn"
	EventAdvised   Event = "advised again"
)

// Transitions lists all that can happen to a case. An event in a state that no line names is refused.
func Transitions() []Transition {
	return []Transition{
		{Event: EventApproved, From: CaseOpen, To: CaseApproved},
		{Event: EventRefusedWord, From: CaseOpen, To: CaseOpen},
		{Event: EventRejected, From: CaseOpen, To: CaseRejected},
		{Event: EventRejected, From: CaseApproved, To: CaseRejected},
		{Event: EventRefused, From: CaseOpen, To: CaseRefused},
		{Event: EventRefused, From: CaseApproved, To: CaseRefused},
		{Event: EventIntent, From: CaseOpen, To: CaseRunning},
		{Event: EventIntent, From: CaseApproved, To: CaseRunning},
		{Event: EventDone, From: CaseRunning, To: CaseDone},
		{Event: EventDone, From: CaseUnknown, To: CaseDone},
		{Event: EventFailed, From: CaseRunning, To: CaseFailed},
		{Event: EventFailed, From: CaseUnknown, To: CaseFailed},
		{Event: EventUnknown, From: CaseRunning, To: CaseUnknown},
		{Event: EventMeasured, From: CaseDone, To: CaseDone},
		{Event: EventSeconded, From: CaseOpen, To: CaseOpen},
		{Event: EventSnoozed, From: CaseOpen, To: CaseOpen},
		{Event: EventProposed, From: CaseOpen, To: CaseOpen},

		{Event: EventExpires, From: CaseOpen, To: CaseExpired},
		{Event: EventWithdrawn, From: CaseOpen, To: CaseWithdrawn},
		{Event: EventAdvised, From: CaseWithdrawn, To: CaseOpen},

		// The first version let a no be overtaken by the action that was about to begin.
		{Event: EventIntent, From: CaseRejected, To: CaseRunning, Older: true},
		{Event: EventRefused, From: CaseRejected, To: CaseRefused, Older: true},
	}
}

// EventOf says what an entry does to its case, or "" when it does nothing to a case's state.
func EventOf(e Entry) Event {
	switch e.Kind {
	case EntryApproved:
		return EventApproved
	case EntryRejected:
		return EventRejected
	case EntryRefused:
		if e.Outcome == nil {
			return EventRefusedWord
		}
		return EventRefused
	case EntryIntent:
		return EventIntent
	case EntryOutcome:
		return map[CaseState]Event{CaseDone: EventDone, CaseFailed: EventFailed, CaseRefused: EventOutcomeRefused, CaseUnknown: EventUnknown}[stateOf(e.Outcome)]
	case EntryMeasured:
		return EventMeasured
	case EntrySeconded:
		return EventSeconded
	case EntrySnoozed:
		return EventSnoozed
	case EntryProposed:
		return EventProposed
	case EntryWithdrawn:
		return EventWithdrawn
	case EntryNone, EntryOrdered, EntryLifted, EntryTrust, EntryRun:
	}
	return ""
}

// permits returns an error when the entry may not come in the state that the case is in.
func (c *Case) permits(e Entry) error {
	event := EventOf(e)
	if event == "" {
		return nil
	}
	var from []string
	for _, t := range Transitions() {
		if t.Event != event {
			continue
		}
		if t.From == c.State {
			return nil
		}
		from = append(from, t.From.String())
	}
	slices.Sort(from)
	return fmt.Errorf("journal entry %d (%s) cannot follow: the case %q is %s, and it may only come when it is %s", e.Seq, event, e.ID, c.State, orNever(strings.Join(from, " or ")))
}

func orNever(states string) string {
	if states == "" {
		return "no state at all"
	}
	return states
}

package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// CaseState is where a recommendation stands on its way from advice to outcome.
type CaseState uint8

// The states of a case. The zero state is open: it waits for a person and nothing happens.
const (
	CaseOpen CaseState = iota
	CaseApproved
	CaseRunning
	CaseDone
	CaseFailed
	CaseRefused
	CaseRejected
	CaseExpired
	CaseWithdrawn
	CaseUnknown
)

// CaseStates lists the names of all case states.
func CaseStates() []string {
	return []string{"open", "approved", "running", "done", "failed", "refused", "rejected", "expired", "withdrawn", "unknown"}
}

func (s CaseState) String() string { return nameOf(CaseStates(), s) }

// MarshalText writes the state's name.
func (s CaseState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *CaseState) UnmarshalText(b []byte) error {
	return parseName("case state", CaseStates(), string(b), s)
}

// Pending tells whether the case can still lead to an action or is in one.
func (s CaseState) Pending() bool { return s == CaseOpen || s == CaseApproved || s == CaseRunning }

// Unsettled tells whether somebody should have an eye on the case: it is pending, or nobody knows
// what came of it.
func (s CaseState) Unsettled() bool { return s.Pending() || s == CaseUnknown }

// Approval is one person's word on one recommendation.
type Approval struct {
	Who string `json:"who"`
	// Via is where it was said, for example "api".
	Via string    `json:"via"`
	At  time.Time `json:"at"`
	// Reason is what the person wrote, if anything.
	Reason string `json:"reason,omitempty"`
	// Until is when it ends, for a word that says "not now".
	Until time.Time `json:"until,omitzero"`
}

// Same tells whether both words are one person's: names count alike in whatever case they are written.
func (a Approval) Same(b Approval) bool { return strings.EqualFold(a.Who, b.Who) }

// Case is one recommendation and all that became of it.
type Case struct {
	Recommendation Recommendation `json:"recommendation"`
	State          CaseState      `json:"state"`
	Approval       *Approval      `json:"approval,omitempty"`
	// Seconds are yeses of other people before the approval, where it takes more than one.
	Seconds []Approval `json:"seconds,omitempty"`
	// Snoozed is a "not now" to an open case.
	Snoozed *Approval `json:"snoozed,omitempty"`
	// Verdicts are the gates' latest answers, all of them.
	Verdicts []Verdict `json:"verdicts,omitempty"`
	Progress Progress  `json:"progress,omitzero"`
	// Expected is what it should bring, as of its begin; nil before that, and of what moves nothing.
	Expected *Expectation `json:"expected,omitempty"`
	Outcome  *Outcome     `json:"outcome,omitempty"`
	// Measured is the cluster as it was seen when the effect had had its time to show.
	Measured *Measurement `json:"measured,omitempty"`
	Updated  time.Time    `json:"updated"`
}

// Expectation is what an action should bring from where the cluster stands when it begins, which need not be where its recommendation
// counted on it to stand: others may have been done or left since.
type Expectation struct {
	// Before and After are the cluster's score, in points.
	Before float64 `json:"score_before"`
	After  float64 `json:"score_after"`
	// Effects are those of the recommendation from where the two hosts stand.
	Effects []Effect `json:"effects"`
}

// Expects is what the case should bring: as of its begin or, where that is not known, as its recommendation says.
func (c Case) Expects() Expectation {
	if c.Expected != nil {
		return *c.Expected
	}
	r := c.Recommendation
	return Expectation{Before: r.Before.Score, After: r.After.Score, Effects: r.Effects}
}

// PutOff tells whether a person said "not now", and that has not ended.
func (c Case) PutOff(at time.Time) bool { return c.Snoozed != nil && at.Before(c.Snoozed.Until) }

// Measurement holds what was promised against what was seen.
type Measurement struct {
	At time.Time `json:"at"`
	// Cluster is the whole cluster as measured.
	Cluster Assessment `json:"cluster"`
	// PredictedScore is the score that was promised by the last of the actions done until then.
	PredictedScore float64 `json:"predicted_score"`
	// Effects are the two hosts: Before is what was predicted by the last action done until then that
	// touched the host, After what was seen.
	Effects []Effect `json:"effects"`
	// Others is how many other actions were done meanwhile. Their effect is in the numbers as well.
	Others int `json:"others"`
	// StealRatioBefore and StealRatioAfter are the moved VM's own waiting.
	StealRatioBefore Number `json:"steal_ratio_before,omitzero"`
	StealRatioAfter  Number `json:"steal_ratio_after,omitzero"`
	// State is how the VM stood.
	State VMState `json:"state,omitzero"`
}

// EntryKind says what a journal entry records. There is no entry of the zero kind.
type EntryKind uint8

// The kinds of journal entry.
const (
	EntryNone EntryKind = iota
	EntryApproved
	EntryRejected
	EntryRefused
	// EntryIntent is written, and on disk, before the world is touched.
	EntryIntent
	EntryOutcome
	EntryMeasured
	// EntrySeconded is a yes that does not suffice alone.
	EntrySeconded
	EntrySnoozed
	// EntryOrdered, EntryLifted and EntryTrust are about no single recommendation.
	EntryOrdered
	EntryLifted
	// EntryTrust is a kind of action that has earned or lost trust.
	EntryTrust
	// EntryProposed opens a case that no planner advises, EntryWithdrawn closes it when it is not wanted any more.
	EntryProposed
	EntryWithdrawn
	// EntryRun is how a run of a runbook stands; it is about no single recommendation.
	EntryRun
)

func entryKinds() []string {
	return []string{"none", "approved", "rejected", "refused", "intent", "outcome", "measured", "seconded", "snoozed", "ordered", "lifted", "trust", "proposed", "withdrawn", "run"}
}

func (k EntryKind) String() string { return nameOf(entryKinds(), k) }

// MarshalText writes the kind's name.
func (k EntryKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *EntryKind) UnmarshalText(b []byte) error {
	return parseName("entry kind", entryKinds(), string(b), k)
}

// Entry is one line of the journal.
type Entry struct {
	// Seq counts from 1 and is set by the journal.
	Seq  uint64    `json:"seq"`
	At   time.Time `json:"at"`
	Kind EntryKind `json:"kind"`
	// ID is the recommendation's or, for an order, the order's. The recommendation itself stands in the entries that carry the
	// case forward on their own, which are all but outcome and measured.
	ID             string          `json:"id"`
	Recommendation *Recommendation `json:"recommendation,omitempty"`
	Approval       *Approval       `json:"approval,omitempty"`
	Verdicts       []Verdict       `json:"verdicts,omitempty"`
	Expected       *Expectation    `json:"expected,omitempty"`
	Outcome        *Outcome        `json:"outcome,omitempty"`
	Measured       *Measurement    `json:"measured,omitempty"`
	Order          *Order          `json:"order,omitempty"`
	Trust          *TrustChange    `json:"trust,omitempty"`
	Run            *Run            `json:"run,omitempty"`
}

// AboutCase tells whether the entry is about a recommendation.
func (e Entry) AboutCase() bool {
	return e.Kind != EntryOrdered && e.Kind != EntryLifted && e.Kind != EntryTrust && e.Kind != EntryRun
}

// ApprovalGate is the name of the gate that asks for a person's word.
const ApprovalGate = "approval"

// Word is by whose word the case was done: a person's name or, where nobody was asked about this case by itself, why it needed no yes, as the
// gate said; empty where nothing was decided.
func (c Case) Word() string {
	if c.Approval != nil {
		return c.Approval.Who
	}
	for _, v := range c.Verdicts {
		if v.Gate == ApprovalGate && v.Pass {
			return v.Detail
		}
	}
	return ""
}

// Apply carries a case forward by one journal entry. The journal replayed from its start gives
// every case as it stood, which is how a restarted server forgets nothing. What Transitions does not
// list is refused, and changes nothing.
func (c *Case) Apply(e Entry) error {
	if err := c.permits(e); err != nil {
		return err
	}
	if e.Recommendation != nil {
		c.Recommendation = *e.Recommendation
	}
	if c.Recommendation.ID != e.ID {
		return fmt.Errorf("journal entry %d (%s) belongs to %q, not to %q", e.Seq, e.Kind, e.ID, c.Recommendation.ID)
	}
	c.Updated = e.At
	if e.Verdicts != nil {
		c.Verdicts = e.Verdicts
	}
	switch {
	case e.Approval == nil:
	case e.Kind == EntrySeconded:
		c.Seconds = append(slices.Clone(c.Seconds), *e.Approval)
	case e.Kind == EntrySnoozed:
		c.Snoozed = e.Approval
	case e.Kind != EntryRefused || e.Outcome != nil: // a word that was refused at once does not count
		c.Approval = e.Approval
	}
	switch e.Kind {
	case EntryApproved:
		c.State = CaseApproved
	case EntryRejected:
		c.State = CaseRejected
	case EntryRefused:
		// Refused when a person approved it, it stays open; refused when it was to be done, it is over.
		if e.Outcome != nil {
			c.State, c.Outcome = CaseRefused, e.Outcome
		}
	case EntryIntent:
		c.State, c.Expected = CaseRunning, e.Expected
	case EntryOutcome:
		c.Outcome = e.Outcome
		c.State = stateOf(e.Outcome)
	case EntryMeasured:
		c.Measured = e.Measured
	case EntryWithdrawn:
		c.State = CaseWithdrawn
	case EntrySeconded, EntrySnoozed, EntryProposed: // it stays open
	case EntryOrdered, EntryLifted, EntryTrust, EntryRun:
		return fmt.Errorf("journal entry %d (%s) is about no recommendation", e.Seq, e.Kind)
	case EntryNone:
		return fmt.Errorf("journal entry %d has no kind", e.Seq)
	}
	return nil
}

func stateOf(o *Outcome) CaseState {
	if o == nil {
		return CaseUnknown
	}
	switch o.Result {
	case ResultDone:
		return CaseDone
	case ResultFailed:
		return CaseFailed
	case ResultRefused:
		return CaseRefused
	case ResultUnknown:
	}
	return CaseUnknown
}

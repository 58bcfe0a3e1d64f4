package actuator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Request takes what a person asks for by themselves, which is their yes to it as well. The gates are asked at once; of what
// they refuse nothing is left but the answer. The error is ErrNotOpen where the same is asked for already, ErrRefused or the journal's.
func (a *Actuator) Request(ctx context.Context, r cluster.Recommendation, word cluster.Approval) (cluster.Case, error) {
	c := cluster.Case{Recommendation: r, Updated: word.At}
	q := a.question(ctx, c, &word, true)
	c.Verdicts = gate.Ask(gate.All(), q)
	kind := cluster.EntryApproved
	switch no := gate.Refusals(c.Verdicts); {
	case len(no) == 1 && no[0].Reason == gate.OneYes:
		kind = cluster.EntrySeconded
	case len(no) > 0:
		a.metrics.asked(c.Verdicts)
		return c, fmt.Errorf("%w: %s", ErrRefused, reasons(c.Verdicts))
	}
	return a.open(c, cluster.Entry{At: word.At, Kind: kind, Approval: &word, Verdicts: c.Verdicts})
}

// Propose opens a case for what a runbook asks for. It is dealt with like advice, but is not withdrawn by itself. The error is
// ErrNotOpen where the same is asked for already, or the journal's.
func (a *Actuator) Propose(r cluster.Recommendation) (cluster.Case, error) {
	now := time.Now()
	return a.open(cluster.Case{Recommendation: r, Updated: now}, cluster.Entry{At: now, Kind: cluster.EntryProposed})
}

// Withdraw closes an open case that is not wanted any more, where nobody advises it. The error is ErrNotFound, ErrNotOpen or
// the journal's.
func (a *Actuator) Withdraw(id string) error {
	_, err := a.record(id, cluster.Entry{At: time.Now(), Kind: cluster.EntryWithdrawn}, cluster.CaseOpen)
	return err
}

// open writes the first entry of a case.
func (a *Actuator) open(c cluster.Case, e cluster.Entry) (cluster.Case, error) {
	a.deciding.Lock()
	defer a.deciding.Unlock()
	r := &c.Recommendation
	// What is only advised after a failure does not keep a person or a runbook from doing it: of the two the gates let one through.
	advised := func(old cluster.Case) bool { return old.State == cluster.CaseOpen && old.Recommendation.Recovers() }
	for _, old := range a.List(func(old cluster.Case) bool {
		return old.State.Pending() && old.Recommendation.Action == r.Action && !advised(old)
	}) {
		return old, fmt.Errorf("%w: the same is %s already as %s", ErrNotOpen, old.State, old.Recommendation.ID)
	}
	if old, err := a.Case(r.ID); err == nil {
		return old, fmt.Errorf("%w: %s", ErrNotOpen, whyNotOpen(old))
	}
	e.ID, e.Recommendation = r.ID, r
	next := c
	if err := next.Apply(e); err != nil {
		return c, err
	}
	e, err := a.journal.Append(e)
	if err != nil {
		return c, errors.Join(errNoJournal, err)
	}
	a.mu.Lock()
	a.cases[r.ID] = &next
	a.mu.Unlock()
	if e.Approval != nil {
		a.metrics.decided(e)
		a.log.Info("decided", "id", r.ID, "decision", e.Kind.String(), "who", e.Approval.Who, "via", e.Approval.Via, "action", r.Action.String())
	} else {
		a.log.Info("proposed", "id", r.ID, "action", r.Action.String(), "reason", r.Reason)
	}
	a.poke()
	return next, nil
}

// keepEmpty puts a host into maintenance in the name of who approved it, or of the runbook.
func (a *Actuator) keepEmpty(c cluster.Case) error {
	r := c.Recommendation
	word := cluster.Approval{Who: "runbook " + r.Run, Via: "runbook", At: time.Now(), Reason: r.Reason}
	if c.Approval != nil {
		word.Who, word.Via = c.Approval.Who, c.Approval.Via
	}
	return a.Order(cluster.Order{Kind: cluster.OrderMaintenance, Subject: cluster.HostSubject(r.Action.From), Word: word, Until: r.Action.Until})
}

// Try asks every gate about what nobody has asked for yet, as if it came with the word of a person or, where that is nil, without
// one. Nothing comes of it.
func (a *Actuator) Try(ctx context.Context, r cluster.Recommendation, word *cluster.Approval) []cluster.Verdict {
	return gate.Ask(gate.All(), a.question(ctx, cluster.Case{Recommendation: r}, word, word != nil))
}

package runbook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// act has a step's action proposed and follows it to its end.
//
// The recommendation's ID is in the journal before the desk is told, and the desk journals what is proposed before it answers.
// So after a crash between the two the step is noted and nothing was proposed, which the journal shows: then a new one is made of
// the world as it is. What was proposed is only followed.
func (r *Room) act(ctx context.Context, run cluster.Run, b book, i int) (string, error) {
	s := b.Steps[i]
	if i < len(run.Steps) && r.wasProposed(run.Steps[i].Recommendation) {
		return r.follow(ctx, run, s, i)
	}
	rec, err := r.recommend(ctx, run, b, i)
	if err != nil {
		return "", err
	}
	if err := r.mayGoOn(run, true); err != nil {
		return "", err
	}
	if run.DryRun || b.DryRun { // it may have been set since the run began
		return r.rehearse(ctx, run.ID, rec, s, i)
	}
	run, ok := r.begin(ctx, run.ID, i, s.Kind, rec.ID)
	if !ok {
		return "", ctx.Err()
	}
	if _, err := r.house.Desk.Propose(rec); err != nil {
		return "", fmt.Errorf("%s is not proposed: %w", rec.Action, err)
	}
	r.mu.Lock()
	r.proposed[rec.ID] = true
	r.mu.Unlock()
	r.log.Info("step proposed", "run", run.ID, "runbook", run.Runbook, "step", i+1, "id", rec.ID, "action", rec.Action.String())
	return r.follow(ctx, run, s, i)
}

func (r *Room) wasProposed(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return id != "" && r.proposed[id]
}

// recommend makes the recommendation of a step, by a world in which the run is still about the same.
func (r *Room) recommend(ctx context.Context, run cluster.Run, b book, i int) (cluster.Recommendation, error) {
	snap, err := r.look(ctx)
	if err != nil {
		return cluster.Recommendation{}, err
	}
	if err := same(snap, run); err != nil {
		return cluster.Recommendation{}, err
	}
	s, now := b.Steps[i], time.Now()
	want := s.wanted(run, now)
	if want.VM == "" && want.From == "" {
		return cluster.Recommendation{}, fmt.Errorf("%s needs a host, and the run is about none", s.Kind)
	}
	rec, err := r.house.Advisor.Advise(snap, want, reason(run, i, len(b.Steps)), now)
	if err != nil {
		return rec, fmt.Errorf("%s cannot be asked for: %w", s.Kind, err)
	}
	rec.Run, rec.Step = run.ID, i+1
	return rec.Identified(), nil
}

// reason is why a step is asked for.
func reason(run cluster.Run, i, of int) string {
	text := fmt.Sprintf("runbook %s, step %d of %d", run.Runbook, i+1, of)
	if run.By != "" {
		return text + ", begun by " + run.By
	}
	return fmt.Sprintf("%s: alert %s, since %s", text, orWord(run.Alert["alertname"], "without a name"), run.Since.UTC().Format(time.RFC3339))
}

// rehearse asks the gates and does nothing.
func (r *Room) rehearse(ctx context.Context, id string, rec cluster.Recommendation, s Step, i int) (string, error) {
	if _, ok := r.begin(ctx, id, i, s.Kind, ""); !ok {
		return "", ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var no []string
	for _, v := range r.house.Desk.Try(ctx, rec, nil) {
		if !v.Pass {
			no = append(no, v.Gate+": "+orWord(v.Detail, v.Reason))
		}
	}
	if len(no) == 0 {
		return fmt.Sprintf("would %s; all gates let it through", rec.Action), nil
	}
	return fmt.Sprintf("would %s; gates that refuse now: %s", rec.Action, strings.Join(no, "; ")), nil
}

// follow waits for the end of what was proposed. As long as that still waits for a word, it is withdrawn when the run may not go
// on.
func (r *Room) follow(ctx context.Context, run cluster.Run, s Step, i int) (string, error) {
	id := run.Steps[i].Recommendation
	for {
		c, err := r.house.Desk.Case(id)
		if err != nil {
			return "", fmt.Errorf("nobody knows any more what came of %s; look at it, it is not tried again", id)
		}
		switch c.State {
		case cluster.CaseDone:
			if s.Kind == Evacuate {
				return r.emptied(ctx, run, s, c.Outcome.Finished)
			}
			return c.Recommendation.Action.String(), nil
		case cluster.CaseOpen:
			if halted := r.mayGoOn(run, true); halted != nil && r.house.Desk.Withdraw(id) == nil {
				return "", halted
			}
		case cluster.CaseApproved, cluster.CaseRunning:
		case cluster.CaseFailed, cluster.CaseRefused, cluster.CaseRejected, cluster.CaseExpired, cluster.CaseWithdrawn, cluster.CaseUnknown:
			return "", errors.New(fate(c))
		}
		if !pause(ctx, r.tick) {
			return "", ctx.Err()
		}
	}
}

// fate says how an action ended that was not done.
func fate(c cluster.Case) string {
	text := c.Recommendation.Action.String()
	switch {
	case c.State == cluster.CaseExpired:
		return text + " was not approved in time"
	case c.State == cluster.CaseUnknown:
		return "nobody knows what came of it: " + text + "; look at it, it is not tried again"
	case c.State == cluster.CaseRejected && c.Approval != nil:
		return strings.TrimRight(fmt.Sprintf("%s was rejected by %s: %s", text, c.Approval.Who, c.Approval.Reason), ": ")
	case c.Outcome != nil && c.Outcome.Reason != "":
		return fmt.Sprintf("%s %s: %s", text, c.State, c.Outcome.Reason)
	}
	return fmt.Sprintf("%s is %s", text, c.State)
}

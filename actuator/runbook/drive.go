package runbook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// stop is why a run goes no further, and as what it ends.
type stop struct {
	as  cluster.RunState
	why string
}

func (s *stop) Error() string { return s.why }

// drive takes a run to its end, from wherever it stands. When ctx ends first it writes nothing more, and the next start goes on.
func (r *Room) drive(ctx context.Context, id string) {
	err := r.course(ctx, id)
	if ctx.Err() != nil || errors.Is(err, errGone) {
		return
	}
	end := cluster.Run{State: cluster.RunDone}
	var halted *stop
	switch {
	case errors.As(err, &halted):
		end.State, end.Reason = halted.as, halted.why
	case err != nil:
		end.State, end.Reason = cluster.RunFailed, err.Error()
	}
	run, ok := r.persist(ctx, id, func(run *cluster.Run) {
		run.State, run.Reason, run.Finished = end.State, end.Reason, time.Now()
		if n := len(run.Steps); n > 0 && run.Steps[n-1].Finished.IsZero() {
			run.Steps[n-1].Finished, run.Steps[n-1].Result = run.Finished, run.Reason
		}
	})
	if !ok {
		return
	}
	r.metrics.ended(run)
	r.log.Info("run over", "run", run.ID, "runbook", run.Runbook, "about", about(run), "result", run.State.String(), "reason", run.Reason)
	if run.State == cluster.RunFailed || run.State == cluster.RunRefused {
		r.complaint(run)
	}
}

// complaint tells people that a run came to no good end.
func (r *Room) complaint(run cluster.Run) {
	text := fmt.Sprintf("runbook %s about %s %s: %s", run.Runbook, about(run), run.State, run.Reason)
	if n := len(run.Steps); n > 0 {
		text = fmt.Sprintf("runbook %s about %s %s at step %d (%s): %s. No further step is done; evenkeel runs %s shows it", run.Runbook, about(run), run.State, n, run.Steps[n-1].Kind, run.Reason, run.ID)
	}
	if run.State == cluster.RunRefused {
		r.complain(run.Runbook+" storm", text, time.Now())
		return
	}
	r.tell(text)
}

// persist is change that tries until the journal takes it; ok is false when ctx ended first or the run is gone.
func (r *Room) persist(ctx context.Context, id string, to func(*cluster.Run)) (run cluster.Run, ok bool) {
	for {
		run, err := r.change(id, to)
		if err == nil {
			return run, true
		}
		if errors.Is(err, errGone) {
			return run, false
		}
		r.log.Error("a run is not in the journal, trying again", "run", id, "err", err)
		if !pause(ctx, recordAgain) {
			return run, false
		}
	}
}

// course goes through the steps.
func (r *Room) course(ctx context.Context, id string) error {
	run, known := r.run(id)
	if !known {
		return errGone
	}
	if err := r.mayGoOn(run, true); err != nil && len(run.Steps) == 0 {
		return err
	}
	r.mu.Lock()
	b, known := r.bookOf(run)
	r.mu.Unlock()
	if !known {
		r.abandon(run)
		return changed(run)
	}
	if len(run.Steps) == 0 {
		if err := r.identify(ctx, run, b); err != nil {
			return err
		}
	}
	for i := range b.Steps {
		run, known := r.run(id)
		switch {
		case !known:
			return errGone
		case i < len(run.Steps) && !run.Steps[i].Finished.IsZero():
			continue
		}
		result, err := r.step(ctx, run, b, i)
		if err != nil {
			return err
		}
		if _, ok := r.persist(ctx, id, func(run *cluster.Run) { run.Steps[i].Finished, run.Steps[i].Result = time.Now(), result }); !ok {
			return ctx.Err()
		}
	}
	return nil
}

// changed is why a run goes no further whose runbook is not what it was.
func changed(run cluster.Run) *stop {
	return &stop{cluster.RunFailed, fmt.Sprintf("the runbook %s was changed or taken away since the run began", run.Runbook)}
}

// abandon withdraws what a run proposed, as far as that still waits for a word.
func (r *Room) abandon(run cluster.Run) {
	if n := len(run.Steps); n > 0 && run.Steps[n-1].Finished.IsZero() && r.wasProposed(run.Steps[n-1].Recommendation) {
		if err := r.house.Desk.Withdraw(run.Steps[n-1].Recommendation); err != nil {
			r.log.Warn("what a run proposed is not withdrawn", "run", run.ID, "id", run.Steps[n-1].Recommendation, "err", err)
		}
	}
}

// identify finds what the alert is about and notes it; all further steps are held against that.
func (r *Room) identify(ctx context.Context, run cluster.Run, b book) error {
	s, err := r.look(ctx)
	if err != nil {
		return err
	}
	who, err := find(s, b, run.Alert)
	if err != nil {
		return err
	}
	_, _ = r.persist(ctx, run.ID, func(run *cluster.Run) { run.VM, run.Name, run.Host = who.vm, who.name, who.host }) // when it is not taken, ctx is over
	return ctx.Err()
}

// step does one step, or goes on with it.
func (r *Room) step(ctx context.Context, run cluster.Run, b book, i int) (result string, err error) {
	s := b.Steps[i]
	if s.action() != cluster.KindNone {
		return r.act(ctx, run, b, i)
	}
	if len(run.Steps) == i {
		if err := r.mayGoOn(run, false); err != nil {
			return "", err
		}
		var ok bool
		if run, ok = r.begin(ctx, run.ID, i, s.Kind, ""); !ok {
			return "", ctx.Err()
		}
	}
	if s.Kind == Notify {
		return r.notify(run, b, i)
	}
	return r.await(ctx, run, b, i)
}

// begin notes that a step begins, with the recommendation that it will ask for. A step that was noted and never came to that is
// noted anew.
func (r *Room) begin(ctx context.Context, id string, i int, kind, recommendation string) (cluster.Run, bool) {
	return r.persist(ctx, id, func(run *cluster.Run) {
		run.Steps = append(run.Steps[:min(i, len(run.Steps))], cluster.RunStep{Kind: kind, Started: time.Now(), Recommendation: recommendation})
	})
}

// mayGoOn says why the next step may not begin, or nil.
func (r *Room) mayGoOn(run cluster.Run, action bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now, known := r.runs[run.ID]; known {
		run = now // the alert may have been told to be over meanwhile
	}
	if s := r.haltAt(run, action); s != nil {
		return s
	}
	return nil
}

// halt says why the run's next action may not begin, or nil. The caller holds mu.
func (r *Room) halt(run cluster.Run) *stop { return r.haltAt(run, true) }

// haltAt is halt; when the run has acted already, what only looks or tells may still be done: that the alert is over is what the
// action was for. The caller holds mu.
func (r *Room) haltAt(run cluster.Run, action bool) *stop {
	b, known := r.bookOf(run)
	if !known {
		return changed(run)
	}
	if !action && acted(run, b) {
		return nil
	}
	if !run.Resolved.IsZero() {
		return &stop{cluster.RunEnded, "the alert was resolved at " + run.Resolved.UTC().Format(time.RFC3339)}
	}
	if told := r.told[run.ID]; action && run.By == "" && time.Since(told) > actWithin {
		return &stop{cluster.RunFailed, fmt.Sprintf("the alert was told last at %s, which is too long ago to act on; begin it by hand if it is still so", told.UTC().Format(time.RFC3339))}
	}
	if n := r.standing(b, time.Now()); n > b.Alerts && run.By == "" {
		as := cluster.RunFailed
		if len(run.Steps) == 0 {
			as = cluster.RunRefused
		}
		return &stop{as, tooMany(b, n)}
	}
	return nil
}

// acted tells whether an action of the run has been done.
func acted(run cluster.Run, b book) bool {
	for i, s := range run.Steps {
		if i < len(b.Steps) && b.Steps[i].action() != cluster.KindNone && !s.Finished.IsZero() {
			return true
		}
	}
	return false
}

// look takes a fresh snapshot, and tries for a while where the cluster cannot be seen.
func (r *Room) look(ctx context.Context) (cluster.Snapshot, error) {
	for since := time.Now(); ; {
		s, err := r.snapshot(ctx)
		if err == nil {
			return s, nil
		}
		if time.Since(since) > patience {
			return s, fmt.Errorf("the cluster could not be seen for %s: %w", patience, err)
		}
		r.log.Warn("the cluster cannot be seen, a run waits", "err", err)
		if !pause(ctx, 2*r.tick) {
			return s, ctx.Err()
		}
	}
}

func (r *Room) snapshot(ctx context.Context) (cluster.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return r.house.World.Snapshot(ctx, time.Now())
}

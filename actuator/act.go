package actuator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// proceed begins what may begin: the approved cases in turn, the oldest first, and then the open ones that the gates let
// through without a person's word. What could not be begun is not tried again at once.
func (a *Actuator) proceed(ctx context.Context, carry func(cluster.Case)) {
	for c, ok := a.approved(); ok; c, ok = a.approved() {
		q := a.question(ctx, c, c.Approval, false)
		intended, begun := a.begin(ctx, c, q, gate.Ask(gate.All(), q))
		if !begun {
			return
		}
		carry(intended)
	}
	cases := a.unasked()
	for i, world := range a.see(ctx, cases) {
		q := a.ask(cases[i], nil, false, world)
		verdicts := gate.Ask(gate.All(), q)
		if ctx.Err() != nil || !gate.Open(verdicts) {
			continue
		}
		if intended, begun := a.begin(ctx, cases[i], q, verdicts); begun {
			carry(intended)
		}
	}
}

// approved returns the oldest approved case that waits for nothing, pauses and freezes included.
func (a *Actuator) approved() (cluster.Case, bool) {
	flying := a.inFlight() // only what calls this begins anything, so there will not be more meanwhile
	for _, c := range a.List(func(c cluster.Case) bool { return c.State == cluster.CaseApproved }) {
		if !a.waits(c, flying) && !gate.Passing(gate.Refusals(gate.Ask(gate.Forehand(), a.remembered(c, c.Approval)))) {
			return c, true
		}
	}
	return cluster.Case{}, false
}

// unasked lists the open cases that may happen without a person's word, as many as may be under way at once, and notes
// that they are looked into. They are looked into together: were each begun before the next is, the hosts would be busy
// with the first when they are asked about the last, and the VMs of a failed host would come back one by one.
func (a *Actuator) unasked() []cluster.Case {
	flying := a.inFlight()
	var cases []cluster.Case
	for _, c := range a.List(func(c cluster.Case) bool { return c.State == cluster.CaseOpen && a.alone(c) }) {
		if !a.waits(c, flying) && a.due(c.Recommendation.ID) {
			cases, flying = append(cases, c), append(flying, c.Recommendation.Action)
		}
	}
	return cases
}

// alone tells whether the case may happen without a person's word on it, as far as that can be told without a look
// at the world. The caller holds mu.
func (a *Actuator) alone(c cluster.Case) bool {
	now := time.Now()
	q := gate.Question{Now: now, Policy: a.policy.inForce(now).Gate, Rec: c.Recommendation, Orders: a.orders, WatchBegan: a.watchBegan(), Snoozed: c.Snoozed, Earned: a.earnedLevel(c.Recommendation.Policy)}
	return gate.Open(gate.Ask(gate.Forehand(), q))
}

// watchBegan is since when the hosts are watched, zero for never.
func (a *Actuator) watchBegan() time.Time {
	if a.recovery.Watch == nil {
		return time.Time{}
	}
	return a.recovery.Watch.Began()
}

func underWay(c cluster.Case) bool { return c.State == cluster.CaseRunning }

// uncertain tells whether something may be happening on the hosts of the case.
func uncertain(c cluster.Case) bool { return underWay(c) || c.State == cluster.CaseUnknown }

// waits tells whether something that the case depends on has not ended yet, or too much is under way already.
func (a *Actuator) waits(c cluster.Case, flying []cluster.Action) bool {
	if gate.Crowded(a.currentPolicy().Gate, flying, c.Recommendation.Action) != "" {
		return true
	}
	for _, id := range c.Recommendation.DependsOn {
		if d, err := a.Case(id); err == nil && d.State.Pending() {
			return true
		}
	}
	return false
}

func (a *Actuator) inFlight() []cluster.Action {
	var actions []cluster.Action
	for _, c := range a.List(uncertain) {
		actions = append(actions, c.Recommendation.Action)
	}
	return actions
}

// past lists the actions begun in the last hour, and the times at which actions failed, oldest first.
func (a *Actuator) past(now time.Time) (begun []gate.Begun, storm []time.Time) {
	a.List(func(c cluster.Case) bool {
		if c.Outcome == nil && !underWay(c) {
			return false
		}
		began := c.Updated
		if c.Outcome != nil {
			began = c.Outcome.Started
		}
		if now.Sub(began) < time.Hour {
			begun = append(begun, gate.Begun{At: began, Action: c.Recommendation.Action})
		}
		if c.State == cluster.CaseFailed {
			storm = append(storm, c.Outcome.Finished)
		}
		return false
	})
	slices.SortFunc(storm, time.Time.Compare)
	return begun, storm
}

// begin journals the intent, with what is expected of it now; begun tells whether it may be carried out, by what the gates have just said to
// the question. What was decided while they were asked counts: the entry is taken only in the state that the case was found in.
func (a *Actuator) begin(ctx context.Context, c cluster.Case, q gate.Question, verdicts []cluster.Verdict) (intended cluster.Case, begun bool) {
	rec := c.Recommendation
	log := a.log.With("id", rec.ID, "action", rec.Action.String())
	if ctx.Err() != nil {
		return c, false
	}
	a.metrics.asked(verdicts)
	if !gate.Open(verdicts) {
		out := cluster.Outcome{Result: cluster.ResultRefused, Reason: reasons(verdicts), Finished: time.Now()}
		if _, err := a.record(rec.ID, cluster.Entry{At: out.Finished, Kind: cluster.EntryRefused, Verdicts: verdicts, Outcome: &out}, c.State); err != nil {
			log.Error("refusal not recorded", "err", err)
			return c, false
		}
		a.metrics.ended(rec, out)
		log.Warn("refused just before acting", "reason", out.Reason)
		return c, false
	}
	promise := expected(q.Snapshot, rec)
	c, err := a.recordAs(rec.ID, func(now cluster.Case) (cluster.Entry, error) {
		if no := gate.Refusals(gate.Ask(gate.Forehand(), a.remembered(now, now.Approval))); len(no) > 0 {
			return cluster.Entry{}, fmt.Errorf("%w: %s", ErrRefused, reasons(no))
		}
		return cluster.Entry{At: time.Now(), Kind: cluster.EntryIntent, Approval: now.Approval, Verdicts: verdicts, Expected: promise}, nil
	}, c.State)
	switch {
	case errors.Is(err, ErrRefused), errors.Is(err, ErrNotOpen):
		log.Info("a word came while the world was looked at", "reason", err)
		return c, false
	case err != nil:
		log.Error("not done: no journal, no act", "err", err)
		return c, false
	}
	log.Info("acting")
	return c, true
}

// carryOut acts and concludes.
func (a *Actuator) carryOut(ctx context.Context, c cluster.Case) {
	rec := c.Recommendation
	about := []string{"id", rec.ID, "policy", rec.Policy, "action", rec.Action.String()}
	if c.Approval != nil {
		about = append(about, "approved_by", c.Approval.Who, "approved_at", c.Approval.At.UTC().Format(time.RFC3339))
	}
	ctx, over := a.trace(ctx, "recommendation", rec.Made, about...)
	defer over(nil)
	acting, acted := a.trace(ctx, "act", time.Time{})
	err := a.do(acting, c)
	acted(err)
	looking, looked := a.trace(ctx, "find out what came of it", time.Time{})
	a.conclude(looking, c, err)
	looked(nil)
	a.poke() // what waited for it may have its turn
}

// do does what the action says, and returns what is said about it.
func (a *Actuator) do(ctx context.Context, c cluster.Case) (err error) {
	id, action := c.Recommendation.ID, c.Recommendation.Action
	switch action.Kind {
	case cluster.Maintenance:
		err = a.keepEmpty(c)
	case cluster.Fence:
		_, err = a.recovery.Fencer.Off(ctx, action.From)
	case cluster.Standby:
		err = a.putToRest(ctx, c)
	case cluster.Wake:
		err = a.rouse(ctx, action.From)
	default:
		a.capture(ctx, c)
		err = a.hypervisor.Act(ctx, action, func(p cluster.Progress) { a.progress(id, p) })
	}
	return err
}

// capture keeps what the VM shows before it is lost. That it cannot be had holds nothing up.
func (a *Actuator) capture(ctx context.Context, c cluster.Case) {
	rec := c.Recommendation
	panicked := slices.ContainsFunc(rec.Because, func(f cluster.Finding) bool { return f.Detector == cluster.GuestPanicked })
	if a.recovery.Captures == nil || rec.Action.Kind != cluster.Reset && !panicked {
		return
	}
	if err := a.recovery.Captures.Keep(ctx, rec.ID, rec.Action); err != nil {
		a.log.Warn("not all of what the VM shows could be kept", "id", rec.ID, "action", rec.Action.String(), "err", err)
	}
}

func (a *Actuator) progress(id string, p cluster.Progress) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cases[id].Progress = p
}

// conclude looks how the VM stands until that is clear, and records the outcome. It does not give up
// while the migration is seen under way, and has it aborted when it is over its time. Copying of disks that nobody waits for
// any more comes to no end by itself, and is aborted at once. When ctx ends
// first it records nothing: the next start concludes.
func (a *Actuator) conclude(ctx context.Context, c cluster.Case, said error) {
	act, started := c.Recommendation.Action, c.Updated
	deadline := time.Now().Add(unknownAfter)
	var seen finding
	for same := 1; ; same++ {
		was := seen
		if seen = a.look(ctx, act, said); seen != was {
			same = 1
		}
		if seen.settled && same >= seen.looks || !seen.settled && !seen.job && !time.Now().Before(deadline) {
			break
		}
		switch {
		case seen.job && act.Kind == cluster.MoveStorage:
			a.abort(ctx, c)
		case seen.job && time.Since(started) > a.currentPolicy().Timeout:
			said = fmt.Errorf("aborted after the time limit of %s", a.currentPolicy().Timeout)
			a.abort(ctx, c)
		}
		if pause(ctx, lookAgain); ctx.Err() != nil {
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	a.finish(ctx, c, seen, started)
}

func (a *Actuator) abort(ctx context.Context, c cluster.Case) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	a.log.Warn("aborting what is over its time limit or nobody waits for", "id", c.Recommendation.ID, "err", a.hypervisor.Abort(ctx, c.Recommendation.Action))
}

func (a *Actuator) look(ctx context.Context, act cluster.Action, said error) finding {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if act.Kind == cluster.Maintenance {
		return kept(a.Orders().Maintenance(act.From, time.Now()) != nil, said)
	}
	if act.Kind == cluster.Fence {
		if a.recovery.Fencer == nil {
			return finding{reason: "nothing can be asked about the power of hosts"}
		}
		return switched(a.recovery.Fencer.Status(ctx, act.From), said)
	}
	if act.Kind == cluster.Standby || act.Kind == cluster.Wake {
		return a.lookAtRest(ctx, act, said)
	}
	seen := interpret(a.hypervisor.Look(ctx, act, act.Hosts()), act, said)
	if act.Kind == cluster.Start && !seen.settled && a.recovery.Watch != nil {
		if by, off := gate.Off(a.recovery.Watch.Hosts(), a.Orders(), act.To, time.Now()); off { // it would be waited for until the host is back
			return finding{settled: true, looks: 1, result: cluster.ResultFailed, reason: fmt.Sprintf("%s is off (%s)", act.To, by)}
		}
	}
	return seen
}

// finish records what was found, and tries again until the journal takes it.
func (a *Actuator) finish(ctx context.Context, c cluster.Case, seen finding, started time.Time) {
	rec := c.Recommendation
	out := &cluster.Outcome{Result: seen.result, Reason: seen.reason, RunsOn: seen.runsOn, Started: started, Finished: time.Now()}
	if seen.result == cluster.ResultDone && rec.Action.Kind == cluster.Migrate {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		if job, err := a.hypervisor.Completed(ctx, rec.Action.VM, rec.Action.To); err == nil {
			out.Job = job
		}
		cancel()
	}
	for {
		err := a.keepRest(rec.Action, out.Result) // before the outcome: who finds the case under way looks again
		if err == nil {
			_, err = a.record(rec.ID, cluster.Entry{At: out.Finished, Kind: cluster.EntryOutcome, Outcome: out}, cluster.CaseRunning, cluster.CaseUnknown)
		}
		if err == nil {
			break
		}
		a.log.Error("outcome not recorded, trying again", "id", rec.ID, "result", out.Result.String(), "err", err)
		if pause(ctx, again); ctx.Err() != nil {
			return
		}
	}
	a.metrics.ended(rec, *out)
	a.log.Info("ended", "id", rec.ID, "action", rec.Action.String(), "result", out.Result.String(), "runs_on", out.RunsOn, "reason", out.Reason,
		"seconds", out.Finished.Sub(started).Seconds())
}

// reconsider looks again into cases whose outcome is recorded as unknown: looks, never acts.
func (a *Actuator) reconsider(ctx context.Context) {
	for _, c := range a.List(func(c cluster.Case) bool { return c.State == cluster.CaseUnknown }) {
		if !a.due(c.Recommendation.ID) {
			continue
		}
		if seen := a.look(ctx, c.Recommendation.Action, fmt.Errorf("%s", c.Outcome.Reason)); seen.settled {
			a.finish(ctx, c, seen, c.Outcome.Started)
		}
	}
}

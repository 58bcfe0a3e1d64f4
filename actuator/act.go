package actuator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
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

// question gathers what the gates may know, afresh.
func (a *Actuator) question(ctx context.Context, c cluster.Case, word *cluster.Approval, click bool) gate.Question {
	return a.ask(c, word, click, a.see(ctx, []cluster.Case{c})[0])
}

// sight is what was seen of the world for one case.
type sight struct {
	at       time.Time
	snapshot cluster.Snapshot
	err      error
	hosts    cluster.Sighting
}

// see looks at the world for cases that are decided together: one snapshot, and the hosts for all of them at once.
func (a *Actuator) see(ctx context.Context, cases []cluster.Case) []sight {
	if len(cases) == 0 {
		return nil
	}
	seen := make([]sight, len(cases))
	at := time.Now()
	snap, err := a.snapshot(ctx, at)
	var watch []cluster.HostWatch
	if a.recovery.Watch != nil {
		watch = a.recovery.Watch.Hosts()
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, c := range cases {
		seen[i] = sight{at: at, snapshot: snap, err: err}
		if act := c.Recommendation.Action; act.VM != "" {
			wg.Go(func() { seen[i].hosts = a.hypervisor.Look(ctx, act, witnesses(act, snap, watch)) })
		}
	}
	wg.Wait()
	return seen
}

// ask puts what was seen and what is remembered into a question. At the click, what the case depends on counts as done when
// it has been approved; when it is to be done, only what is true counts.
func (a *Actuator) ask(c cluster.Case, word *cluster.Approval, click bool, seen sight) gate.Question {
	q := a.remembered(c, word)
	if click { // what is approved may wait for its turn
		q.InFlight = nil
	}
	if seen.err != nil {
		q.SnapshotError = seen.err.Error()
	}
	q.Snapshot, q.Sighting = seen.snapshot, seen.hosts
	q.Snapshot.VMs, q.Snapshot.Hosts = slices.Clone(q.Snapshot.VMs), slices.Clone(q.Snapshot.Hosts) // others are asked about by the same snapshot
	a.overlay(&q.Snapshot, c.Recommendation, seen.at, click)
	if act := c.Recommendation.Action; act.Kind == cluster.Standby || act.Kind == cluster.Wake {
		q.Rest = a.rest(q.Snapshot, act)
	}
	return q
}

// witnesses are the hosts whose word on the VM counts before it is acted on: those that the action touches and the one that has
// it by the snapshot; before a VM is started or resumed, all that could run it.
func witnesses(a cluster.Action, s cluster.Snapshot, watch []cluster.HostWatch) []string {
	hosts := a.Hosts()
	silent := func(h string) bool { // to ask it would take the whole time for an answer, and not answering is what it does
		return slices.ContainsFunc(watch, func(w cluster.HostWatch) bool { return w.Host == h && w.Libvirt == "no" })
	}
	add := func(h string) {
		if h != "" && !slices.Contains(hosts, h) && !silent(h) {
			hosts = append(hosts, h)
		}
	}
	if vm, ok := s.VM(a.VM); ok {
		add(vm.Host)
	}
	if a.Kind == cluster.Start || a.Kind == cluster.Resume || a.Kind == cluster.Forget {
		for _, h := range s.Hosts {
			if h.State != cluster.HostStandby {
				add(h.ID)
			}
		}
	}
	return hosts
}

// remembered gathers what the gates may know without a look at the world.
func (a *Actuator) remembered(c cluster.Case, word *cluster.Approval) gate.Question {
	rec, now := c.Recommendation, time.Now()
	q := gate.Question{Now: now, Policy: a.currentPolicy().Gate, Rec: rec, Approval: word, Seconds: c.Seconds, Orders: a.Orders(),
		Failures: a.failures(rec.Action), Rejected: a.rejected(rec.Action), Snoozed: a.snoozed(rec.Action), InFlight: a.inFlight()}
	q.Begun, q.Storm = a.past(now)
	if r := a.recovery; r.Watch != nil {
		q.Watch, q.WatchBegan = r.Watch.Hosts(), r.Watch.Began()
		if rec.Action.VM != "" {
			q.LastWords, q.Kept, q.Started = r.Watch.LastWords(rec.Action.VM), r.Definitions.Kept(rec.Action.VM), a.startedBefore(rec)
		}
		q.Fenceable = rec.Action.Kind == cluster.Fence && r.Fencer.Can(rec.Action.From)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	q.Earned = a.earnedLevel(rec.Policy)
	return q
}

// startedBefore lists the starts of the VM after which it may run, and when each was known to have gone so.
func (a *Actuator) startedBefore(rec cluster.Recommendation) []gate.Begun {
	var list []gate.Begun
	for _, c := range a.List(func(c cluster.Case) bool {
		act := c.Recommendation.Action
		return c.Recommendation.ID != rec.ID && act.Kind == cluster.Start && act.VM == rec.Action.VM && (uncertain(c) || c.State == cluster.CaseDone)
	}) {
		list = append(list, gate.Begun{At: ended(c), Action: c.Recommendation.Action})
	}
	return list
}

// snapshot takes a fresh one, and gives up on a Prometheus that hangs.
func (a *Actuator) snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return a.world.Snapshot(ctx, at)
}

// overlay brings a snapshot up to date with what we did ourselves since its data were scraped, and
// with what may be happening: an action of unknown outcome takes room on its target.
func (a *Actuator) overlay(s *cluster.Snapshot, rec cluster.Recommendation, now time.Time, click bool) {
	orders := a.Orders()
	for i := range s.Hosts {
		if h := &s.Hosts[i]; h.State == cluster.HostUp && orders.Standby(h.ID, now) != nil {
			h.State = cluster.HostMaintenance // Prometheus has yet to hear of it
		}
	}
	fresh := a.currentPolicy().Gate.MaxDataAge
	since := a.List(func(c cluster.Case) bool {
		done := c.State == cluster.CaseDone && now.Sub(c.Outcome.Finished) < fresh
		granted := click && c.State == cluster.CaseApproved && slices.Contains(rec.DependsOn, c.Recommendation.ID)
		return c.Recommendation.ID != rec.ID && (done || granted || uncertain(c))
	})
	if len(since) == 0 {
		return
	}
	places := make(map[string]int, len(s.VMs))
	for i := range s.VMs {
		places[s.VMs[i].ID] = i
	}
	slices.SortStableFunc(since, func(x, y cluster.Case) int { return ended(x).Compare(ended(y)) })
	for _, c := range since {
		if i, there := places[c.Recommendation.Action.VM]; there {
			foresee(&s.VMs[i], c.Recommendation.Action, uncertain(c))
		}
	}
}

// ended is when the action was over or, while it is not, when it changed last.
func ended(c cluster.Case) time.Time {
	if c.Outcome != nil {
		return c.Outcome.Finished
	}
	return c.Updated
}

// foresee brings a VM up to date with an action that is done, or that may be.
func foresee(v *cluster.VM, a cluster.Action, uncertain bool) {
	switch {
	case a.Kind == cluster.Start && v.State.Active() || a.Kind != cluster.Start && v.Host != a.From:
	case a.Kind == cluster.Start:
		v.Host, v.State = a.To, cluster.VMRunning // it takes the room in any case
	case a.Kind == cluster.Migrate && uncertain:
		v.MigratingTo = a.To
	case a.Kind == cluster.Migrate:
		v.Host = a.To
	case !uncertain && a.Leaves() != cluster.VMUnknown:
		v.State = a.Leaves()
	}
}

// rejected returns the last no to doing the same with the VM or host, or nil.
func (a *Actuator) rejected(act cluster.Action) *cluster.Approval {
	var last *cluster.Approval
	for _, c := range a.List(func(c cluster.Case) bool {
		return c.State == cluster.CaseRejected && c.Recommendation.Action.Alike(act) && c.Approval != nil
	}) {
		if last == nil || c.Approval.At.After(last.At) {
			last = c.Approval
		}
	}
	return last
}

// snoozed returns the "not now" to doing the same with the VM or host that lasts longest, or nil.
func (a *Actuator) snoozed(act cluster.Action) *cluster.Approval {
	var last *cluster.Approval
	for _, c := range a.List(func(c cluster.Case) bool { return c.Recommendation.Action.Alike(act) && c.Snoozed != nil }) {
		if last == nil || c.Snoozed.Until.After(last.Until) {
			last = c.Snoozed
		}
	}
	return last
}

// failures lists when the same failed with the VM or host since it last succeeded, oldest first.
func (a *Actuator) failures(act cluster.Action) []time.Time {
	ended := a.List(func(c cluster.Case) bool {
		return c.Recommendation.Action.Alike(act) && (c.State == cluster.CaseDone || c.State == cluster.CaseFailed)
	})
	slices.SortFunc(ended, func(x, y cluster.Case) int { return x.Outcome.Finished.Compare(y.Outcome.Finished) })
	var failed []time.Time
	for _, c := range ended {
		if c.State == cluster.CaseDone {
			failed = nil
			continue
		}
		failed = append(failed, c.Outcome.Finished)
	}
	return failed
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

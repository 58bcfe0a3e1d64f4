// Package actuator takes advice, asks the gates, acts, looks again and records. Nothing reaches the
// world but through its gates and after its intent is in the journal. It knows no hypervisor and no store: those are behind the interfaces that stand here.
package actuator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// Advice is where recommendations come from.
type Advice interface {
	Recommendations() []cluster.Recommendation
	// Judged is when the cluster was last judged, the zero time before the first.
	Judged() time.Time
}

// World gives the cluster as it was at a time.
type World interface {
	Snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error)
}

// Hypervisor acts on VMs and says how they stand.
type Hypervisor interface {
	// Look asks the hosts themselves about the action's VM. Hosts that give no answer are in Silent.
	Look(ctx context.Context, a cluster.Action, hosts []string) cluster.Sighting
	// Act does what the action says and returns when the attempt is over, or when ctx ends and the
	// attempt goes on by itself. Its word is not proof: Look is.
	Act(ctx context.Context, a cluster.Action, progress func(cluster.Progress)) error
	// Abort asks the host that the VM is on to give the migration or the copying of its disks up.
	Abort(ctx context.Context, a cluster.Action) error
	// Completed returns the account of the migration that ended last on the host, if there is one.
	Completed(ctx context.Context, vm, host string) (cluster.Progress, error)
}

// Journal keeps entries for good.
type Journal interface {
	// Append returns the entry with its number when it is safe on disk.
	Append(e cluster.Entry) (cluster.Entry, error)
	// Replay calls f for every entry, oldest first.
	Replay(f func(cluster.Entry) error) error
}

// Watch says what has become of the hosts, and what each said last of a VM.
type Watch interface {
	Hosts() []cluster.HostWatch
	Began() time.Time
	LastWords(vm string) []cluster.LastWord
}

// Fencer turns hosts off and says whether they are.
type Fencer interface {
	Off(ctx context.Context, host string) (cluster.PowerReport, error)
	Status(ctx context.Context, host string) cluster.PowerReport
	// Can tells whether the host has a way to be turned off.
	Can(host string) bool
}

// Definitions tell of which VMs a definition is kept.
type Definitions interface{ Kept(vm string) bool }

// Captures keep what a VM shows before it is reset or what is left of it destroyed.
type Captures interface {
	Keep(ctx context.Context, id string, a cluster.Action) error
}

// Recovery is what it takes to act on failures.
type Recovery struct {
	Watch       Watch
	Fencer      Fencer
	Definitions Definitions
	Captures    Captures
}

// Trace begins a step of a recommendation that is told of, as of a time where that is not zero; about are keys and values. What is
// returned ends it, with what went wrong.
type Trace func(ctx context.Context, what string, since time.Time, about ...string) (context.Context, func(error))

// Policy is what the operator decided about acting.
type Policy struct {
	Gate gate.Policy
	// Settle is how long after an action its effect is measured: the window that use is averaged
	// over, and some scrapes.
	Settle  time.Duration
	Standby StandbyPolicy
	// Timeout is after how long a migration is aborted that was begun before the server's start.
	Timeout time.Duration
	// Earned are the kinds of action whose level is to be earned, Trust what that takes.
	Earned []string
	Trust  trust.Policy
	// Hours are times with levels of their own.
	Hours []Hours
}

// Timing of the loop. They are not policy: nobody needs to change them.
const (
	tick = time.Second
	// lookTimeout bounds one look at the hosts of an action.
	lookTimeout = 15 * time.Second
	// lookAgain is the pause between looks while it is not clear where a VM is.
	lookAgain = 2 * time.Second
	// unknownAfter is how long to look for a VM before its outcome is recorded as unknown.
	unknownAfter = 3 * time.Minute
	// again is the pause between looks into a case whose outcome is unknown, or that the gates
	// did not let through without a person's word.
	again = 15 * time.Second
	// keepEnded is how long cases that ended without a trace in the journal stay listed.
	keepEnded = time.Hour
	// measureWithin is how late an effect may still be measured, after a restart for example.
	measureWithin = time.Hour
	// maxSnooze is how long a case may be put off.
	maxSnooze = 30 * 24 * time.Hour
)

// Errors that callers decide by.
var (
	// ErrNotFound means that there is no such recommendation.
	ErrNotFound = errors.New("no such recommendation")
	// ErrNotOpen means that the recommendation cannot be decided any more.
	ErrNotOpen = errors.New("it is not open")
	// ErrRefused means that a gate refused; the case holds all verdicts.
	ErrRefused = errors.New("refused")

	errNoJournal = errors.New("write the journal, without which nothing is done")
)

// Actuator is the loop and the inbox. It is safe for concurrent use.
type Actuator struct {
	advice     Advice
	world      World
	hypervisor Hypervisor
	journal    Journal
	log        *slog.Logger
	metrics    *metrics
	wake       chan struct{}
	recovery   Recovery
	standby    Standby

	// deciding is held while an entry is written, so that one decision follows the other. The disk
	// may be slow or hang: whoever only reads needs mu alone.
	deciding sync.Mutex

	mu     sync.Mutex
	policy Policy
	cases  map[string]*cluster.Case
	orders cluster.Orders
	// trusted are the last changes of trust, by kind of action; started is when this began to run.
	trusted map[string]cluster.TrustChange
	started time.Time
	// unwritten are losses of trust that the journal did not take yet.
	unwritten map[string]cluster.Entry
	trace     Trace
	// promises is what Promises returned last, nil when there may be more.
	promises []cluster.Promise

	// looked is when the loop last looked into a case that it looks into again and again. Only the
	// loop uses it.
	looked map[string]time.Time
}

// New returns an actuator that knows every case of the journal.
func New(advice Advice, world World, hv Hypervisor, j Journal, p Policy, log *slog.Logger, reg prometheus.Registerer) (*Actuator, error) {
	a := &Actuator{
		advice: advice, world: world, hypervisor: hv, journal: j, policy: p, log: log,
		wake: make(chan struct{}, 1), cases: map[string]*cluster.Case{}, looked: map[string]time.Time{},
		trusted: map[string]cluster.TrustChange{}, started: time.Now(), unwritten: map[string]cluster.Entry{},
		trace: func(ctx context.Context, _ string, _ time.Time, _ ...string) (context.Context, func(error)) {
			return ctx, func(error) {}
		},
	}
	err := j.Replay(func(e cluster.Entry) (err error) {
		if e.Kind == cluster.EntryTrust && e.Trust != nil {
			a.trusted[e.Trust.Policy] = *e.Trust
			return nil
		}
		if !e.AboutCase() {
			a.orders, err = a.orders.Apply(e)
			return err
		}
		c := a.cases[e.ID]
		if c == nil {
			c = &cluster.Case{}
			a.cases[e.ID] = c
		}
		return c.Apply(e)
	})
	if err != nil {
		return nil, fmt.Errorf("replay the journal: %w", err)
	}
	a.metrics = newMetrics(reg, a)
	return a, nil
}

// SetTrace has what is done told, before Run.
func (a *Actuator) SetTrace(t Trace) { a.trace = t }

// SetRecovery gives the actuator what it takes to act on failures, before Run. Without it the gates let none of that through.
func (a *Actuator) SetRecovery(r Recovery) { a.recovery = r }

// Nudge has the advice taken at once rather than with the next second.
func (a *Actuator) Nudge() {
	a.pull(time.Now())
	a.poke()
}

// World takes a snapshot, and brings it up to date with what was done and what is under way.
func (a *Actuator) World(ctx context.Context) (cluster.Snapshot, error) {
	s, err := a.snapshot(ctx, time.Now())
	if err == nil {
		a.overlay(&s, cluster.Recommendation{}, time.Now(), false)
	}
	return s, err
}

// SetPolicy replaces the policy: no action begins by the old one when it has returned.
func (a *Actuator) SetPolicy(p Policy) {
	a.deciding.Lock()
	defer a.deciding.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.policy = p
}

func (a *Actuator) currentPolicy() Policy {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.policy.inForce(time.Now())
}

// Run works until ctx ends. An action under way then is left to the hypervisor; the next start
// finds out what became of it.
func (a *Actuator) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for ctx.Err() == nil {
			a.pull(time.Now())
			pause(ctx, tick)
		}
	})
	for _, c := range a.List(underWay) {
		a.log.Warn("an action was under way when the server ended, looking what became of it", "id", c.Recommendation.ID, "action", c.Recommendation.Action.String())
		wg.Go(func() { a.resume(ctx, c) })
	}
	for ctx.Err() == nil {
		a.reconsider(ctx)
		a.earn(time.Now())
		a.attend(time.Now())
		a.proceed(ctx, func(c cluster.Case) { wg.Go(func() { a.carryOut(ctx, c) }) })
		a.measure(ctx)
		select {
		case <-ctx.Done():
		case <-a.wake:
		case <-time.After(tick):
		}
	}
	return nil
}

// pull brings the cases in line with the board: new advice opens a case, and open cases close when
// they expire or are advised no longer.
func (a *Actuator) pull(now time.Time) {
	advised, judged := a.advice.Recommendations(), a.advice.Judged()
	a.mu.Lock()
	defer a.mu.Unlock()
	on := map[string]bool{}
	for _, r := range advised {
		on[r.ID] = true
		if a.cases[r.ID] == nil {
			a.cases[r.ID] = &cluster.Case{Recommendation: r, Updated: now}
		}
		if c := a.cases[r.ID]; c.State == cluster.CaseWithdrawn {
			c.State, c.Updated = cluster.CaseOpen, now
		}
	}
	for id, c := range a.cases {
		switch {
		case c.State == cluster.CaseOpen && !now.Before(c.Recommendation.Expires):
			c.State, c.Updated = cluster.CaseExpired, now
		case c.State == cluster.CaseOpen && !on[id] && !c.Recommendation.Asked() && !judged.IsZero(): // who has not judged yet has withdrawn nothing
			c.State, c.Updated = cluster.CaseWithdrawn, now
		case (c.State == cluster.CaseExpired || c.State == cluster.CaseWithdrawn) && c.Approval == nil && !c.PutOff(now) && now.Sub(c.Updated) > keepEnded:
			delete(a.cases, id)
		}
	}
}

// List returns the cases that the filter wants, the oldest recommendation first, those of one pass in the order of
// their plan, and each after those that it depends on.
func (a *Actuator) List(want func(cluster.Case) bool) []cluster.Case { return inOrder(a.choose(want)) }

func (a *Actuator) choose(want func(cluster.Case) bool) []cluster.Case {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []*cluster.Case
	for _, c := range a.cases {
		if want(*c) {
			found = append(found, c)
		}
	}
	list := make([]cluster.Case, len(found)) // a case is large: each is copied once
	for i, c := range found {
		list[i] = *c
	}
	return list
}

// Counts tells how many cases are in each state.
func (a *Actuator) Counts() map[cluster.CaseState]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := map[cluster.CaseState]int{}
	for _, c := range a.cases {
		n[c.State]++
	}
	return n
}

// Case returns the case with that recommendation ID.
func (a *Actuator) Case(id string) (cluster.Case, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.cases[id]
	if c == nil {
		return cluster.Case{}, fmt.Errorf("%s: %w", id, ErrNotFound)
	}
	return *c, nil
}

// Approve takes a person's yes. The gates are asked at once; what they refuse is recorded and moves
// nothing, and the case stays open. What they let through waits for its turn and is asked again.
// The error is ErrNotFound, ErrNotOpen, ErrRefused or the journal's.
func (a *Actuator) Approve(ctx context.Context, id string, word cluster.Approval) (cluster.Case, error) {
	a.pull(word.At)
	c, err := a.Case(id)
	if err != nil {
		return c, err
	}
	if c.State != cluster.CaseOpen {
		return c, fmt.Errorf("%w: %s", ErrNotOpen, whyNotOpen(c))
	}
	q := a.question(ctx, c, &word, true)
	var verdicts []cluster.Verdict
	kind := cluster.EntryApproved
	c, err = a.recordAs(id, func(now cluster.Case) (cluster.Entry, error) {
		q.Seconds = now.Seconds // another person may have said yes meanwhile
		verdicts = gate.Ask(gate.All(), q)
		no := gate.Refusals(verdicts)
		switch {
		case len(no) == 1 && no[0].Reason == gate.OneYes && slices.ContainsFunc(now.Seconds, word.Same):
			return cluster.Entry{}, fmt.Errorf("%w: %s said yes already; it takes the yes of another person", ErrRefused, word.Who)
		case len(no) == 1 && no[0].Reason == gate.OneYes:
			kind = cluster.EntrySeconded
		case len(no) > 0:
			a.metrics.asked(verdicts)
			kind = cluster.EntryRefused
		}
		return cluster.Entry{At: word.At, Kind: kind, Approval: &word, Verdicts: verdicts}, nil
	}, cluster.CaseOpen)
	if err == nil && kind == cluster.EntryRefused {
		err = fmt.Errorf("%w: %s", ErrRefused, reasons(verdicts))
	}
	return c, err
}

// Reject takes a person's no, also to what was approved and waits for its turn. The error is
// ErrNotFound, ErrNotOpen or the journal's.
func (a *Actuator) Reject(id string, word cluster.Approval) (cluster.Case, error) {
	a.pull(word.At)
	return a.record(id, cluster.Entry{At: word.At, Kind: cluster.EntryRejected, Approval: &word}, cluster.CaseOpen, cluster.CaseApproved)
}

// Snooze puts an open case off until the time: until then nothing is done without a later yes. The error is
// ErrNotFound, ErrNotOpen, ErrRefused where the time makes no sense, or the journal's.
func (a *Actuator) Snooze(id string, word cluster.Approval, until time.Time) (cluster.Case, error) {
	a.pull(word.At)
	if !until.After(word.At) || until.Sub(word.At) > maxSnooze {
		c, err := a.Case(id)
		return c, errors.Join(err, fmt.Errorf("%w: it can be put off until a time within the next %s", ErrRefused, maxSnooze))
	}
	word.Until = until
	return a.record(id, cluster.Entry{At: word.At, Kind: cluster.EntrySnoozed, Approval: &word}, cluster.CaseOpen)
}

// Gates asks every gate about the case as if it were to be done now. Nothing comes of it.
func (a *Actuator) Gates(ctx context.Context, id string) ([]cluster.Verdict, error) {
	c, err := a.Case(id)
	if err != nil {
		return nil, err
	}
	return gate.Ask(gate.All(), a.question(ctx, c, c.Approval, false)), nil
}

// record writes an entry about a case that is in one of the states, and carries the case forward. Two
// decisions at once become one after the other, and the second finds the state that the first left.
func (a *Actuator) record(id string, e cluster.Entry, in ...cluster.CaseState) (cluster.Case, error) {
	return a.recordAs(id, func(cluster.Case) (cluster.Entry, error) { return e, nil }, in...)
}

// recordAs is record for an entry that depends on how the case stands, or is not to be written after all: while it is
// made, nobody else decides.
func (a *Actuator) recordAs(id string, entry func(now cluster.Case) (cluster.Entry, error), in ...cluster.CaseState) (cluster.Case, error) {
	a.deciding.Lock()
	defer a.deciding.Unlock()
	c, err := a.Case(id)
	if err != nil {
		return c, err
	}
	if !slices.Contains(in, c.State) {
		return c, fmt.Errorf("%w: %s", ErrNotOpen, whyNotOpen(c))
	}
	e, err := entry(c)
	if err != nil {
		return c, err
	}
	e.ID = id
	if e.Kind != cluster.EntryOutcome && e.Kind != cluster.EntryMeasured {
		e.Recommendation = &c.Recommendation
	}
	next := c
	if err := next.Apply(e); err != nil { // before it is written, for what is written must be readable
		return c, err
	}
	if e, err = a.journal.Append(e); err != nil {
		return c, errors.Join(errNoJournal, err)
	}
	c = next
	a.mu.Lock()
	a.cases[id] = &c
	if e.Kind == cluster.EntryOutcome || e.Kind == cluster.EntryMeasured {
		a.promises = nil
	}
	a.mu.Unlock()
	if word := e.Approval; word != nil && e.Kind != cluster.EntryIntent {
		a.metrics.decided(e)
		a.log.Info("decided", "id", id, "decision", e.Kind.String(), "who", word.Who, "via", word.Via, "action", c.Recommendation.Action.String())
	}
	a.poke()
	return c, nil
}

// due tells whether a case may be looked into once more, and notes that it is.
func (a *Actuator) due(id string) bool {
	if time.Since(a.looked[id]) < again {
		return false
	}
	a.looked[id] = time.Now()
	return true
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (a *Actuator) poke() {
	select {
	case a.wake <- struct{}{}:
	default: // it is awake already
	}
}

func whyNotOpen(c cluster.Case) string {
	switch {
	case c.State == cluster.CaseExpired:
		return "it expired at " + c.Recommendation.Expires.UTC().Format(time.RFC3339) + "; look for a newer recommendation"
	case c.State == cluster.CaseWithdrawn:
		return "it is not advised any longer; look for a newer recommendation"
	case c.State == cluster.CaseRejected && c.Approval != nil:
		return fmt.Sprintf("it was rejected by %s at %s", c.Approval.Who, c.Approval.At.UTC().Format(time.RFC3339))
	case c.Approval != nil:
		return fmt.Sprintf("it was approved by %s at %s and is %s", c.Approval.Who, c.Approval.At.UTC().Format(time.RFC3339), c.State)
	}
	return "it is " + c.State.String()
}

func reasons(verdicts []cluster.Verdict) string {
	text := ""
	for _, v := range gate.Refusals(verdicts) {
		if text != "" {
			text += "; "
		}
		text += v.Gate + ": " + v.Detail
	}
	return text
}

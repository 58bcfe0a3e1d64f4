// Package failover is the loop that looks after failures: whenever the hosts have been looked at, it brings up to date which VMs should run and
// do not, and puts what should be done about it among the advice. It touches nothing itself: what it advises goes through the gates like all advice.
package failover

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// Watch says what has become of the hosts and of their VMs.
type Watch interface {
	// Looked is closed at the end of the next look.
	Looked() <-chan struct{}
	Hosts() []cluster.HostWatch
	Rolls() []cluster.Roll
}

// Past gives the cluster as it was at a time.
type Past interface {
	Snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error)
}

// Guests gives the signs of life of the guests whose agents do not answer, and of the VMs asked for that have an agent.
type Guests interface {
	Guests(ctx context.Context, at time.Time, window time.Duration, vms []string) ([]cluster.GuestSigns, error)
}

// Inbox takes advice and knows what came of it.
type Inbox interface {
	List(want func(cluster.Case) bool) []cluster.Case
	Orders() cluster.Orders
	// World is the cluster now, with what was done and what is under way.
	World(ctx context.Context) (cluster.Snapshot, error)
	// Nudge has the advice taken at once.
	Nudge()
}

// Memory keeps what must not be forgotten when the server ends.
type Memory interface {
	Load() (recovery.Memory, error)
	Save(m recovery.Memory) error
}

// Fencer says which hosts have a way to be turned off.
type Fencer interface{ Can(host string) bool }

// Policy is what the operator decided.
type Policy struct {
	Recovery recovery.Policy
	// Definitions is the time from one reading of all definitions to the next.
	Definitions time.Duration
	// TakeAutostart has hosts not start by themselves the VMs that are looked after here.
	TakeAutostart bool
	// Detect is how long it should take until it is certain that a host whose power was cut is off; Cluster and Host are how many VMs may be starting
	// at once.
	Detect        time.Duration
	Cluster, Host int
}

// guestsTimeout bounds the question for the signs of guests, guestsCount is for how long an answer counts.
const guestsTimeout, guestsCount = 5 * time.Second, 15 * time.Second

// snapshotTimeout bounds the question for a snapshot.
const snapshotTimeout = 10 * time.Second

// Room is the loop and what it advises. It is safe for concurrent use.
type Room struct {
	watch   Watch
	past    Past
	guests  Guests
	fencer  Fencer
	keeping *keeping
	memory  Memory
	// saved is what was written last, wholly, and when; only turn touches them.
	saved recovery.Memory
	seen  func() cluster.Snapshot
	log   *slog.Logger
	inbox Inbox

	mu     sync.Mutex
	policy Policy
	track  *recovery.Tracker
	// remembered is the time of the newest snapshot that was taken note of; asked are the hosts whose past was asked for.
	remembered time.Time
	asked      map[string]bool
	wishes     []cluster.Recommendation
	waiting    []recovery.Waiting
	// signs are those of guests, of told, and heard are the VMs that were asked for by name then; awaited are the VMs whose agents are waited for.
	signs   map[string]cluster.GuestSigns
	told    time.Time
	heard   []string
	awaited []string
}

// New returns the room. Seen gives the snapshot that the analyzer judged last, which may be empty. Before Run it is given its inbox.
func New(w Watch, past Past, g Guests, f Fencer, host Source, store Store, memory Memory, seen func() cluster.Snapshot, p Policy, log *slog.Logger, reg prometheus.Registerer) (*Room, error) {
	k, err := newKeeping(host, store, log)
	if err != nil {
		return nil, err
	}
	r := &Room{watch: w, past: past, guests: g, fencer: f, keeping: k, memory: memory, seen: seen, log: log, policy: p, track: recovery.NewTracker(), asked: map[string]bool{}}
	reg.MustRegister(collector{r})
	if m, err := memory.Load(); err != nil {
		log.Error("what is known of VMs that should run and do not is lost", "err", err)
	} else if !m.At.IsZero() && !r.track.Recall(m, time.Now()) {
		log.Warn("the server was away for long: what stopped running meanwhile is left alone", "since", m.At)
	}
	return r, nil
}

// SetInbox says where the advice goes, before Run.
func (r *Room) SetInbox(i Inbox) { r.inbox = i }

// SetPolicy replaces the policy.
func (r *Room) SetPolicy(p Policy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.policy = p
}

// Kept tells whether a definition of the VM is kept.
func (r *Room) Kept(vm string) bool {
	_, kept := r.keeping.of(vm)
	return kept
}

// Recommendations is what should be done now.
func (r *Room) Recommendations() []cluster.Recommendation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.wishes)
}

// Waiting is what is not done now, and why.
func (r *Room) Waiting() []recovery.Waiting {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.waiting)
}

// usualStart is what starting a VM is taken to need where none was started yet.
const usualStart = 3 * time.Second

// Impact says what depends on a host, a pool or a network by the snapshot and, for a host, what would happen if it failed.
func (r *Room) Impact(s cluster.Snapshot, kind, name string) (recovery.Impact, error) {
	r.mu.Lock()
	p := r.policy
	r.mu.Unlock()
	return recovery.Assess(s, kind, name, p.Recovery, recovery.Timing{Detect: p.Detect, Start: r.startTime(), Cluster: p.Cluster, Host: p.Host})
}

// startTime is the median of what starting VMs took.
func (r *Room) startTime() time.Duration {
	var took []time.Duration
	for _, c := range r.inbox.List(func(c cluster.Case) bool {
		return c.Recommendation.Action.Kind == cluster.Start && c.State == cluster.CaseDone
	}) {
		took = append(took, c.Outcome.Finished.Sub(c.Outcome.Started))
	}
	if len(took) == 0 {
		return usualStart
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// Snapshot is a snapshot in which the VMs that should run and do not have the numbers that they had when they ran, and run nowhere.
func (r *Room) Snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error) {
	s, err := r.past.Snapshot(ctx, at)
	if err != nil {
		return s, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.track.Down(s), nil
}

// Run looks after failures until ctx ends.
func (r *Room) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { r.keep(ctx) })
	wg.Go(func() { r.atEachLook(ctx, r.lookAtGuests) }) // apart: restarts do not wait for it
	r.atEachLook(ctx, r.turn)
	return nil
}

func (r *Room) atEachLook(ctx context.Context, do func(context.Context)) {
	for {
		looked := r.watch.Looked()
		do(ctx)
		select {
		case <-ctx.Done():
			return
		case <-looked:
		}
	}
}

// lookAtGuests asks for the signs of guests.
func (r *Room) lookAtGuests(ctx context.Context) {
	r.mu.Lock()
	window, awaited := r.policy.Recovery.Guests.Window, r.awaited
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, guestsTimeout)
	defer cancel()
	at := time.Now()
	list, err := r.guests.Guests(ctx, at, window, awaited)
	if err != nil {
		r.log.Debug("nothing is known of guests that may hang", "err", err) // that Prometheus does not answer is told elsewhere
		return
	}
	signs := make(map[string]cluster.GuestSigns, len(list))
	for _, s := range list {
		signs[s.VM] = s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signs, r.told, r.heard = signs, at, awaited
}

// turn takes in what was seen and decides anew.
func (r *Room) turn(ctx context.Context) {
	hosts, rolls, orders, now := r.watch.Hosts(), r.watch.Rolls(), r.inbox.Orders(), time.Now()
	r.mu.Lock()
	if s := r.seen(); s.At.After(r.remembered) {
		r.track.Remember(s)
		r.remembered = s.At
	}
	r.track.See(rolls, hosts, orders, now)
	m := r.track.Memory(now)
	r.mu.Unlock()
	r.save(m)
	r.recall(ctx, hosts)
	tries := tried(r.inbox.List(func(c cluster.Case) bool { return c.Recommendation.AboutFailure() }))
	if !r.needed(hosts, tries) {
		r.settle(recovery.Decision{})
		return
	}
	snap, err := r.world(ctx)
	if err != nil {
		r.log.Warn("nothing can be decided about failures without a snapshot", "err", err)
		r.undecided(now)
		return
	}
	fenceable := map[string]bool{}
	for _, h := range hosts {
		fenceable[h.Host] = r.fencer.Can(h.Host)
	}
	r.mu.Lock()
	view := recovery.View{Now: now, Snapshot: snap, Hosts: hosts, Rolls: rolls, Orders: orders, Tries: tries, Fenceable: fenceable, Kept: r.Kept}
	if now.Sub(r.told) < guestsCount {
		view.Guests, view.GuestsAt, view.Asked = r.signs, r.told, r.heard
	}
	r.awaited = recovery.Awaited(r.track, view, r.policy.Recovery)
	d := recovery.Decide(r.track, view, r.policy.Recovery)
	r.mu.Unlock()
	if r.settle(d) {
		r.inbox.Nudge()
	}
}

// resave is how often what has not changed is written again, so that it is known how old it is.
const resave = time.Minute

// save writes what must not be forgotten, where that has changed.
func (r *Room) save(m recovery.Memory) {
	if m.At.Sub(r.saved.At) < resave && r.saved.Same(m) {
		return
	}
	if err := r.memory.Save(m); err != nil {
		r.log.Error("what runs where is not written down: were the server to end now, it would not know what fell", "err", err)
		return
	}
	r.saved = m
}

// undecided adds to what waits that nothing can be decided, for whoever asks would be told that nothing waits.
func (r *Room) undecided(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.waiting, func(w recovery.Waiting) bool { return w.Cause == noSnapshot }) {
		return
	}
	r.waiting = append(slices.Clip(r.waiting), recovery.Waiting{Subject: "cluster", Name: "the cluster", Cause: noSnapshot, Since: now, Stuck: true,
		Reason: "nothing can be decided about failures, for no snapshot can be taken; is Prometheus reachable?"})
}

// noSnapshot is why nothing is decided although there is something to decide.
const noSnapshot = "no-snapshot"

// needed tells whether there is anything to decide: a VM that is down, a host of which nothing is heard, a VM that was started
// elsewhere, or a guest that is silent.
func (r *Room) needed(hosts []cluster.HostWatch, tries []recovery.Try) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := func(t recovery.Try) bool { // a definition on the host that the VM was started away from
		return slices.ContainsFunc(r.watch.Rolls(), func(roll cluster.Roll) bool { return roll.Host == t.From && roll.Of(t.Action.VM).Name != "" })
	}
	silent := false
	for _, s := range r.signs {
		silent = silent || !s.Answers && time.Since(r.told) < guestsCount
	}
	return len(r.track.Troubles()) > 0 || silent || slices.ContainsFunc(tries, left) ||
		slices.ContainsFunc(hosts, func(h cluster.HostWatch) bool { return h.Libvirt != "yes" && len(r.track.On(h.Host)) > 0 })
}

func (r *Room) world(ctx context.Context) (cluster.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	return r.inbox.World(ctx)
}

// recall asks Prometheus for what is not remembered: what ran on a host that has been silent since the server began, and the sizes of VMs that
// came and went since the last pass.
func (r *Room) recall(ctx context.Context, hosts []cluster.HostWatch) {
	r.mu.Lock()
	ask := map[string]time.Time{}
	var unknown []string
	for host, at := range r.track.Incomplete() {
		if key := host + " " + at.String(); !r.asked[key] {
			r.asked[key] = true
			ask[key] = at
		}
	}
	for _, h := range r.track.Unknown(hosts) {
		at := slices.IndexFunc(hosts, func(w cluster.HostWatch) bool { return w.Host == h })
		if hosts[at].Libvirt == "no" && !r.asked[h] {
			r.asked[h] = true
			unknown = append(unknown, h)
		}
	}
	r.mu.Unlock()
	for key, at := range ask {
		if _, ok := r.learn(ctx, at, ""); !ok {
			r.askAgain(key)
		}
	}
	for _, h := range unknown {
		if !r.lastSeen(ctx, h) {
			r.askAgain(h)
		}
	}
}

// askAgain notes that a question was not answered.
func (r *Room) askAgain(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.asked, key)
}

// lastSeen looks for the last snapshot in which the host was seen, and tells whether Prometheus answered: what came to it shortly before it failed stands in no older one.
func (r *Room) lastSeen(ctx context.Context, host string) (answered bool) {
	now, unseen := time.Now(), time.Duration(0)
	for _, seen := range lookBack() {
		there, ok := r.learn(ctx, now.Add(-seen), host)
		if !ok {
			return false
		}
		if !there {
			unseen = seen
			continue
		}
		for seen-unseen > nearEnough {
			between := (seen + unseen) / 2
			if there, ok = r.learn(ctx, now.Add(-between), host); there {
				seen = between
			} else {
				unseen = between
			}
		}
		return ok
	}
	return true
}

// nearEnough is how near before the failure of a host a snapshot is taken: about as often as Prometheus scrapes.
const nearEnough = 15 * time.Second

// learn takes note of the snapshot of a time, and tells whether the host was seen in it; ok is false where Prometheus did not answer.
func (r *Room) learn(ctx context.Context, at time.Time, host string) (there, ok bool) {
	bounded, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	s, err := r.past.Snapshot(bounded, at)
	if err != nil {
		r.log.Warn("what ran on a host before it failed cannot be read", "at", at, "err", err)
		return false, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.track.Remember(s)
	r.track.Complete()
	h, known := s.Host(host)
	return known && h.State != cluster.HostUnknown && s.GapOf(cluster.HostSubject(host)) == "", true
}

// lookBack is how far back it is looked for what ran on a host that was silent already when the server began, the nearest first.
func lookBack() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 12 * time.Hour}
}

// tried turns cases into tries.
func tried(cases []cluster.Case) []recovery.Try {
	var tries []recovery.Try
	for _, c := range cases {
		t := recovery.Try{Action: c.Recommendation.Action, At: c.Updated, Pending: c.State == cluster.CaseApproved || c.State == cluster.CaseRunning}
		for _, f := range c.Recommendation.Because {
			if f.Detector == "ran_on" {
				t.From = f.Subject[len(cluster.HostSubject("")):]
			}
		}
		switch {
		case t.Pending:
		case c.Outcome == nil || c.Outcome.Result == cluster.ResultRefused:
			continue // it was not tried
		default:
			t.At, t.Result, t.Reason = c.Outcome.Finished, c.Outcome.Result, c.Outcome.Reason
		}
		tries = append(tries, t)
	}
	return tries
}

// settle takes a decision over. Advice that says the same as before stays as it was, so that a yes to it counts; it tells whether there is
// anything new.
func (r *Room) settle(d recovery.Decision) (fresh bool) {
	over := map[string]bool{}
	if len(d.Recommendations) > 0 {
		for _, c := range r.inbox.List(func(c cluster.Case) bool {
			return c.Recommendation.AboutFailure() && !c.State.Pending() && c.State != cluster.CaseWithdrawn && c.State != cluster.CaseRejected
		}) {
			over[c.Recommendation.ID] = true
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var wishes []cluster.Recommendation
	for _, rec := range d.Recommendations {
		at := slices.IndexFunc(r.wishes, func(old cluster.Recommendation) bool {
			return old.Action.Alike(rec.Action) && !over[old.ID] && now.Before(old.Expires) && (old.Action == rec.Action || now.Sub(old.Made) < stands)
		})
		if at >= 0 {
			wishes = append(wishes, r.wishes[at])
			continue
		}
		fresh = true
		r.log.Warn("a failure is to be dealt with", "id", rec.ID, "action", rec.Action.String(), "reason", rec.Reason)
		wishes = append(wishes, rec)
	}
	r.wishes, r.waiting = wishes, d.Waiting
	return fresh
}

// stands is for how long a host that was chosen is not changed for another one.
const stands = 30 * time.Second

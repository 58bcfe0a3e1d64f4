package actuator

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

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

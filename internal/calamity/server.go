package calamity

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/actuator/verdict"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// The limits are those of the configuration's defaults.
const (
	interval        = 2 * time.Second
	scrapeInterval  = 2 * time.Second
	scrapeTimeout   = 2 * time.Second
	maxScrapeAge    = 2*scrapeInterval + scrapeTimeout
	maxHeartbeatAge = 6 * time.Second
	maxDataAge      = time.Minute
	powerCounts     = 20 * time.Second
	powerAgain      = 3 * time.Second
	unknownAfter    = 3 * time.Minute
)

// server is evenkeel: what it remembers, and what it has in hand.
type server struct {
	w        *world
	began    time.Time
	tracker  *recovery.Tracker
	watched  []*watched
	list     []cluster.HostWatch
	tries    []*try
	orders   cluster.Orders
	waiting  []recovery.Waiting
	wishes   int
	recalled bool
	// past are snapshots of the last minutes, as Prometheus would give them again.
	past     []cluster.Snapshot
	taken    time.Time
	judged   time.Time
	recovery recovery.Policy
	gates    gate.Policy
	verdicts verdict.Policy
	latest   time.Time // when a verdict changed last
}

func newServer(w *world) *server {
	limits := cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}
	s := &server{w: w, verdicts: verdict.Policy{MaxSilent: 0.5, Confirm: 4 * time.Second},
		recovery: recovery.Policy{Plan: plan.Policy{Threshold: 3, MaxMoves: 8, Limits: limits, Lifetime: 15 * time.Minute, Horizon: time.Hour, StartsAtOnce: 5}, Dependencies: map[string][]string{},
			Tries: 5, BackOff: 10 * time.Second, FenceAfter: 5 * time.Second, QuarantineFailures: 3, QuarantineWindow: 24 * time.Hour},
		gates: gate.Policy{Level: cluster.LevelFull, MaxDataAge: maxDataAge, FailureCoolDown: 15 * time.Minute, Limits: limits, ActionsPerHour: 60, HostActionsPerHour: 20,
			Parallel: gate.Parallel{Cluster: 4, Host: 1, Link: 1}, Recovery: gate.Parallel{Cluster: 20, Host: 5}, RecoveryBackOff: 10 * time.Second, Grace: 30 * time.Second,
			Domains: map[string]string{}, MinHealthy: 0.5, StormFailures: 3, StormWindow: time.Hour, ForeignMoves: 5, Server: "one"}}
	if w.rng.IntN(2) == 0 {
		s.recovery.Ready = time.Duration(w.rng.IntN(60)) * time.Second
	}
	for _, h := range w.hosts {
		s.gates.Domains[h.id] = h.domain
	}
	for _, v := range w.vms {
		if len(v.needs) > 0 {
			s.recovery.Dependencies[v.name] = v.needs
		}
	}
	s.restart()
	return s
}

// restart forgets all that stands in no journal, no store and not in what the tracker keeps.
func (s *server) restart() {
	memory := recovery.Memory{}
	if s.tracker != nil {
		memory = s.tracker.Memory(s.w.now)
	}
	s.began, s.tracker, s.recalled, s.judged = s.w.now, recovery.NewTracker(), false, time.Time{}
	s.tracker.Recall(memory, s.w.now)
	s.watched = s.watched[:0]
	for range s.w.hosts {
		s.watched = append(s.watched, &watched{heard: s.w.now, since: s.w.now, active: map[string]time.Time{}, busy: map[string]time.Time{}, left: map[string]bool{}})
	}
}

// turn is one look and all that follows from it.
func (s *server) turn() {
	s.look()
	s.conclude()
	s.remember()
	var rolls []cluster.Roll
	for _, k := range s.watched {
		if !k.roll.At.IsZero() {
			rolls = append(rolls, k.roll)
		}
	}
	s.tracker.See(rolls, s.list, s.orders, s.w.now)
	s.wishes, s.waiting = 0, nil
	if !s.needed() && len(s.tries) == 0 {
		return
	}
	var snap cluster.Snapshot
	if s.needed() { // for what is to be cleaned up the rolls suffice, and a snapshot takes long
		var ok bool
		if snap, ok = s.seen(); !ok {
			return
		}
	}
	view := recovery.View{Now: s.w.now, Snapshot: snap, Hosts: s.list, Rolls: rolls, Orders: s.orders, Fenceable: map[string]bool{}, Kept: func(id string) bool {
		i := s.w.find(id)
		return i >= 0 && s.w.vms[i].kept
	}}
	for _, t := range s.tries {
		view.Tries = append(view.Tries, t.Try)
	}
	for _, h := range s.w.hosts {
		view.Fenceable[h.id] = true
	}
	d := recovery.Decide(s.tracker, view, s.recovery)
	s.wishes, s.waiting = len(d.Recommendations), d.Waiting
	for _, rec := range d.Recommendations {
		if s.act(rec, snap) {
			snap, _ = s.seen()
		}
	}
}

func (s *server) needed() bool {
	return len(s.tracker.Troubles()) > 0 ||
		slices.ContainsFunc(s.list, func(h cluster.HostWatch) bool { return h.Libvirt != "yes" && len(s.tracker.On(h.Host)) > 0 })
}

func (w *world) host(id string) int {
	return slices.IndexFunc(w.hosts, func(h *host) bool { return h.id == id })
}

func (w *world) find(id string) int {
	return slices.IndexFunc(w.vms, func(v *vm) bool { return v.id == id })
}

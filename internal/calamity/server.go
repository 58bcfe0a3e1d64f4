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
	scrapeInterval  = 15 * time.Second
	scrapeTimeout   = 10 * time.Second
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

// watched is what package watch remembers of a host.
type watched struct {
	heard, since, asked, answered time.Time
	known, awaited                bool
	state                         cluster.PowerState
	finding                       verdict.Finding
	evidence                      verdict.Evidence
	roll                          cluster.Roll
	active                        map[string]time.Time
	left                          map[string]bool
}

// try is an action that was begun.
type try struct {
	recovery.Try
	began, ends time.Time
	vm, host    int
	fails       bool
}

func newServer(w *world) *server {
	limits := cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}
	s := &server{w: w, verdicts: verdict.Policy{MaxSilent: 0.5, Confirm: 4 * time.Second},
		recovery: recovery.Policy{Plan: plan.Policy{Threshold: 3, MaxMoves: 8, Limits: limits, Lifetime: 15 * time.Minute, Horizon: time.Hour}, Dependencies: map[string][]string{},
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

// restart forgets all that stands in no journal and no store.
func (s *server) restart() {
	s.began, s.tracker, s.recalled, s.judged = s.w.now, recovery.NewTracker(), false, time.Time{}
	s.watched = s.watched[:0]
	for range s.w.hosts {
		s.watched = append(s.watched, &watched{heard: s.w.now, since: s.w.now, active: map[string]time.Time{}, left: map[string]bool{}})
	}
}

// look is what package watch does every other second.
func (s *server) look() {
	w := s.w
	s.scrape()
	evidence := make([]verdict.Evidence, len(w.hosts))
	for i, h := range w.hosts {
		k := s.watched[i]
		e, sign := verdict.Evidence{Host: h.id, Libvirt: verdict.No}, w.now
		switch {
		case h.answers():
			e.Libvirt = verdict.Yes
		case h.refuses():
			e.Libvirt = verdict.Refused
		}
		if w.prometheus {
			e.Exporter = verdict.No
			if h.sample != nil && w.now.Sub(h.sample.at) <= maxScrapeAge {
				e.Exporter = verdict.Yes
			}
			if h.sample != nil && e.Libvirt == verdict.No {
				sign = h.sample.at
			}
			if age, known := s.heartbeat(i); known {
				e.Heartbeat = verdict.No
				if age <= maxHeartbeatAge {
					e.Heartbeat = verdict.Yes
				}
			}
		}
		if e.Exporter == verdict.No && w.now.Sub(s.began) < maxScrapeAge {
			e.Exporter = verdict.Unknown
		}
		if !e.Silent() {
			k.known = true
			if sign.After(k.heard) {
				k.heard = sign
			}
		} else {
			if w.now.Sub(k.answered) < powerCounts && k.asked.After(k.heard) {
				e.Power = map[cluster.PowerState]verdict.Sign{cluster.PowerOn: verdict.Yes, cluster.PowerOff: verdict.No}[k.state]
			}
			s.askPower(h, k)
		}
		e.Since = w.now.Sub(k.heard)
		k.evidence, evidence[i] = e, e
	}
	for i, f := range verdict.Judge(evidence, s.verdicts) {
		k := s.watched[i]
		if f.Verdict != k.finding.Verdict {
			w.log("%s is %s (%s), was %s", f.Host, f.Verdict, f.Reason, k.finding.Verdict)
			k.since, s.latest = w.now, w.now
		}
		k.finding = f
	}
	s.callRolls()
	s.list = s.list[:0]
	for i, h := range w.hosts {
		k := s.watched[i]
		e := k.evidence
		one := cluster.HostWatch{Host: h.id, Verdict: string(k.finding.Verdict), Reason: k.finding.Reason, Since: k.since, LookedAt: w.now,
			Exporter: e.Exporter.String(), Libvirt: e.Libvirt.String(), Heartbeat: e.Heartbeat.String(), Neighbours: e.Neighbours.String(), Power: e.Power.String()}
		if k.known {
			one.HeardAt = k.heard
		}
		s.list = append(s.list, one)
	}
}

func (s *server) callRolls() {
	for i, h := range s.w.hosts {
		k := s.watched[i]
		if k.evidence.Libvirt != verdict.Yes {
			continue
		}
		k.roll = cluster.Roll{Host: h.id, At: s.w.now, VMs: s.w.says(h)}
		for _, v := range k.roll.VMs {
			if v.State.Active() {
				k.active[v.VM] = s.w.now
				delete(k.left, v.VM)
			}
		}
		for vm, at := range k.active {
			if v := k.roll.Of(vm); at.Before(s.w.now) && (v.Name == "" || v.Reason == "migrated") {
				k.left[vm] = true
			}
		}
		for _, v := range s.w.vms {
			if v.unheard == i {
				v.unheard = -1
			}
		}
	}
}

// askPower asks the BMC of a silent host, whose answer comes when it comes.
func (s *server) askPower(h *host, k *watched) {
	if k.awaited || s.w.now.Sub(k.answered) < powerAgain {
		return
	}
	asked := s.w.now
	k.awaited = true
	s.w.after(h.slow, func() {
		k.awaited = false
		state := cluster.PowerUnknown
		if h.bmc && h.power {
			state = cluster.PowerOn
		} else if h.bmc {
			state = cluster.PowerOff
		}
		k.asked, k.answered, k.state = asked, s.w.now, state
	})
}

// scrape is what Prometheus does meanwhile.
func (s *server) scrape() {
	w := s.w
	for _, h := range w.hosts {
		if !h.fails.IsZero() && !w.now.Before(h.fails) {
			h.sample, h.fails = nil, time.Time{}
		}
		if w.now.Sub(h.scraped) < scrapeInterval {
			continue
		}
		h.scraped = w.now.Add(-(w.now.Sub(h.scraped) % scrapeInterval))
		switch {
		case !w.prometheus:
		case h.readable():
			h.fails = time.Time{}
			one := &sample{at: w.now, libvirt: h.libvirtd, ages: make([]time.Duration, len(w.hosts))}
			if h.libvirtd {
				one.vms = w.says(h)
			}
			for i, other := range w.hosts {
				one.ages[i] = w.now.Sub(other.stamped)
			}
			h.sample = one
		case h.runs() && h.net: // refused, which is noticed at once
			h.sample = nil
		case h.sample != nil && h.fails.IsZero():
			h.fails = w.now.Add(scrapeTimeout)
		}
	}
}

// heartbeat is how old the newest stamp of the host is, as the others saw it last.
func (s *server) heartbeat(of int) (age time.Duration, known bool) {
	for i, h := range s.w.hosts {
		if i != of && h.sample != nil && (!known || h.sample.ages[of] < age) {
			age, known = h.sample.ages[of], true
		}
	}
	return age, known
}

// snapshot is the cluster as Prometheus shows it.
func (s *server) snapshot() (snap cluster.Snapshot, ok bool) {
	w := s.w
	snap = cluster.Snapshot{Cluster: "calamity", At: w.now, Servers: []string{"one"}}
	if !w.prometheus {
		return snap, false
	}
	type sight struct {
		host  string
		state cluster.VMState
	}
	at := map[string][]sight{}
	for _, h := range w.hosts {
		one := cluster.Host{ID: h.id, State: cluster.HostUp, CPUCores: h.cores, MemoryBytes: h.memory, Storage: []string{"shared"}, FailureDomain: h.domain}
		if h.sample == nil || !h.sample.libvirt || w.now.Sub(h.sample.at) > maxDataAge {
			one.State = cluster.HostUnknown
			snap.Gaps = append(snap.Gaps, cluster.Gap{Subject: cluster.HostSubject(h.id), Reason: "Prometheus holds no present data of it"})
		} else {
			for _, v := range h.sample.vms {
				at[v.VM] = append(at[v.VM], sight{h.id, v.State})
			}
		}
		snap.Hosts = append(snap.Hosts, one)
	}
	rank := func(x cluster.VMState) int {
		return map[bool]int{true: 1, false: 2}[x.Active()] - map[bool]int{true: 1}[x == cluster.VMRunning]
	}
	for _, v := range w.vms {
		places := at[v.id]
		one := v.size
		if len(places) == 0 {
			continue
		}
		slices.SortStableFunc(places, func(a, b sight) int { return rank(a.state) - rank(b.state) })
		one.Host, one.State = places[0].host, places[0].state
		snap.VMs = append(snap.VMs, one)
		for _, other := range places[1:] {
			if other.state.Active() {
				snap.VMs[len(snap.VMs)-1].MigratingTo = other.host
				snap.Gaps = append(snap.Gaps, cluster.Gap{Subject: cluster.VMSubject(v.id), Reason: other.host + " has it too"})
				break
			}
		}
	}
	snap.Sort()
	return snap, true
}

// seen is the snapshot in which everybody finds what was done and what is under way.
func (s *server) seen() (cluster.Snapshot, bool) {
	snap, ok := s.snapshot()
	snap = s.tracker.Down(snap)
	for _, t := range s.tries {
		uncertain := t.Pending || t.Result == cluster.ResultUnknown
		if t.Action.Kind != cluster.Start || !uncertain && (t.Result != cluster.ResultDone || s.w.now.Sub(t.At) >= maxDataAge) {
			continue
		}
		for i := range snap.VMs {
			if v := &snap.VMs[i]; v.ID == t.Action.VM && !v.State.Active() {
				v.Host, v.State = t.Action.To, cluster.VMRunning
			}
		}
	}
	return snap, ok
}

// remember takes note of a snapshot as the analyzer does at each pass, and of the past after a start.
func (s *server) remember() {
	now := s.w.now
	if now.Sub(s.taken) >= 30*time.Second {
		if snap, ok := s.snapshot(); ok {
			s.past = append(s.past, snap)
			s.taken = now
			for i := 1; i < len(s.past)-120; i++ { // what is older is looked at by and by
				if s.past[i+1].At.Sub(s.past[i-1].At) < 4*time.Minute {
					s.past = slices.Delete(s.past, i, i+1)
				}
			}
		}
	}
	if n := len(s.past); n > 0 && s.past[n-1].At.After(s.judged) && !s.past[n-1].At.Before(s.began) {
		s.judged = s.past[n-1].At
		s.tracker.Remember(s.past[n-1])
	}
	if s.recalled || !s.w.prometheus {
		return
	}
	for _, h := range s.tracker.Unknown(s.list) {
		for _, k := range s.list {
			if k.Host == h && k.Libvirt == "no" {
				s.recalled = true
			}
		}
	}
	if s.recalled {
		for _, snap := range slices.Backward(s.past) {
			s.tracker.Remember(snap)
		}
		s.tracker.Complete()
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

func (s *server) inFlight() []cluster.Action {
	var list []cluster.Action
	for _, t := range s.tries {
		if t.Pending || t.Result == cluster.ResultUnknown {
			list = append(list, t.Action)
		}
	}
	return list
}

// act puts the question to every gate, and does what passes.
func (s *server) act(rec cluster.Recommendation, snap cluster.Snapshot) (begun bool) {
	w, flying := s.w, s.inFlight()
	if gate.Crowded(s.gates, flying, rec.Action) != "" {
		return false
	}
	if snap.At.IsZero() {
		snap, _ = s.seen()
	}
	q := gate.Question{Now: w.now, Snapshot: snap, Policy: s.gates, Rec: rec, Orders: s.orders, InFlight: flying, Watch: s.list, WatchBegan: s.began, Fenceable: true}
	if !w.prometheus {
		q.SnapshotError = "Prometheus does not answer"
	}
	v := -1
	if rec.Action.VM != "" {
		v = w.find(rec.Action.VM)
		q.Kept, q.Sighting = w.vms[v].kept, s.sight(rec.Action, v)
		for i, k := range s.watched {
			if !k.roll.At.IsZero() {
				q.LastWords = append(q.LastWords, cluster.LastWord{Host: w.hosts[i].id, At: k.roll.At, ActiveAt: k.active[rec.Action.VM], Left: k.left[rec.Action.VM], VMSeen: k.roll.Of(rec.Action.VM)})
			}
		}
	}
	for _, t := range s.tries {
		if w.now.Sub(t.began) < time.Hour {
			q.Begun = append(q.Begun, gate.Begun{At: t.began, Action: t.Action})
		}
		if t.Action.Kind == cluster.Start && t.Action.VM == rec.Action.VM && t.Result != cluster.ResultFailed {
			q.Started = append(q.Started, gate.Begun{At: t.At, Action: t.Action})
		}
		if t.Action.Alike(rec.Action) && !t.Pending {
			switch t.Result {
			case cluster.ResultDone:
				q.Failures = nil
			case cluster.ResultFailed:
				q.Failures = append(q.Failures, t.At)
			default:
			}
		}
	}
	if !gate.Open(gate.Ask(gate.All(), q)) {
		return false
	}
	s.begin(rec, v)
	return true
}

// sight asks the hosts themselves for the VM.
func (s *server) sight(a cluster.Action, v int) cluster.Sighting {
	one := cluster.Sighting{VM: a.VM}
	for i, h := range s.w.hosts {
		if !slices.Contains(a.Hosts(), h.id) && s.watched[i].evidence.Libvirt == verdict.No {
			continue
		}
		if !h.answers() {
			one.Silent = append(one.Silent, cluster.Gap{Subject: cluster.HostSubject(h.id), Reason: "no answer"})
			continue
		}
		c := s.w.vms[v].copies[i]
		said := cluster.SightingHost{Host: h.id, State: cluster.VMShutoff, Defined: c.defined}
		if c.process || c.state == cluster.VMCrashed {
			said.State = c.state
		}
		if c.process || c.defined {
			said.Name = s.w.vms[v].name
		}
		one.Hosts = append(one.Hosts, said)
	}
	return one
}

// begin carries out what passed the gates.
func (s *server) begin(rec cluster.Recommendation, v int) {
	w, a := s.w, rec.Action
	w.changed = w.now
	t := &try{Try: recovery.Try{Action: a, At: w.now, Pending: true}, began: w.now, ends: w.now.Add(time.Duration(1+w.rng.IntN(8)) * time.Second), vm: v, host: w.host(a.At())}
	for _, f := range rec.Because {
		if f.Detector == "ran_on" {
			t.From = f.Subject[len(cluster.HostSubject("")):]
		}
	}
	s.tries = append(s.tries, t)
	h := w.hosts[t.host]
	w.report.Actions[a.Kind.String()]++
	w.log("does: %s", a)
	switch a.Kind {
	case cluster.Start:
		s.start(t, h, w.vms[v])
	case cluster.Fence:
		s.fence(t, h)
	case cluster.Resume:
		one := w.vms[v]
		if one.suspended || !one.wanted {
			w.broken("%s was resumed, which a person had suspended", one.name)
		}
		if c := one.copies[h.at]; c.process && h.storage {
			c.state, c.reason = cluster.VMRunning, "unpaused"
			w.put(one, h.at, c)
			one.downSince = time.Time{}
		}
	case cluster.Forget:
		if c := w.vms[v].copies[h.at]; !c.process {
			w.put(w.vms[v], h.at, copyOf{})
		} else {
			t.fails = true
		}
	default:
		w.broken("%s was done, which is no business of recovery", a)
	}
}

func (s *server) start(t *try, h *host, v *vm) {
	w := s.w
	v.starts++
	switch {
	case v.priority == cluster.RestartDisabled:
		w.broken("%s was started, which is not to be", v.name)
	case !v.wanted || v.suspended:
		if !v.unknowable {
			w.broken("%s was started, which a person had stopped", v.name)
		}
		w.report.Unknowable++
	}
	c := v.copies[h.at]
	t.fails = v.failures < 3 && w.rng.IntN(7) == 0 || !h.storage || v.local && !c.defined
	if c.process && c.state == cluster.VMCrashed { // what is left of a guest that panicked is ended first
		w.end(v, h.at, "crashed")
	}
	elsewhere, ok := w.launch(v, h.at, cluster.VMPaused, "starting-up")
	switch {
	case elsewhere > 0 && ok:
		w.report.DoubleStarts++
		w.broken("%s was started on %s while it lives on %v too", v.name, h.id, v.places())
	case elsewhere > 0:
		w.report.LockStops++
		w.broken("%s was to be started on %s while it lives on %v, and only its lock stopped that", v.name, h.id, v.places())
		t.fails = true
	case t.fails:
		v.failures++
	}
	boots := h.booting
	w.after(t.ends.Sub(w.now), func() {
		c := v.copies[h.at]
		switch {
		case h.booting != boots || !c.process:
		case t.fails:
			w.end(v, h.at, "failed")
		default: // a frozen host goes on with it when it thaws; that it lives is what counts
			c.state, c.reason = cluster.VMRunning, "booted"
			w.put(v, h.at, c)
			v.suspended = false
			w.report.down(w.now, v)
		}
	})
}

func (s *server) fence(t *try, h *host) {
	w := s.w
	if h.answers() || h.readable() && s.watched[h.at].evidence.Exporter == verdict.Yes {
		w.broken("%s is turned off, which lives and answers", h.id)
	}
	t.ends = t.ends.Add(h.slow)
	t.fails = !h.bmc || h.unfenceable || w.rng.IntN(10) == 0
	w.after(t.ends.Sub(w.now), func() {
		if !t.fails && h.bmc && h.power {
			w.off(h)
		}
	})
}

// conclude says how what was begun has ended, by what can be seen.
func (s *server) conclude() {
	w := s.w
	for _, t := range s.tries {
		if !t.Pending && t.Result != cluster.ResultUnknown || w.now.Before(t.ends) {
			continue
		}
		h := w.hosts[t.host]
		result := cluster.ResultFailed
		_, off := gate.Off(s.list, s.orders, h.id, w.now)
		switch {
		case t.Action.Kind == cluster.Fence:
			if h.bmc && !h.power {
				result = cluster.ResultDone
			}
		case t.Action.Kind == cluster.Forget || t.Action.Kind == cluster.Resume:
			if !t.fails {
				result = cluster.ResultDone
			}
		case h.answers() && w.vms[t.vm].copies[t.host].state == cluster.VMRunning && w.vms[t.vm].copies[t.host].process:
			result = cluster.ResultDone
		case h.answers() || off:
		case w.now.Sub(t.began) > unknownAfter:
			result = cluster.ResultUnknown
		default:
			continue
		}
		t.Pending, t.Result, t.At, t.Reason = false, result, w.now, "as it was seen"
		w.log("ended: %s, %s", t.Action, result)
		if result != cluster.ResultUnknown {
			w.changed = w.now
		}
	}
}

func (w *world) host(id string) int {
	return slices.IndexFunc(w.hosts, func(h *host) bool { return h.id == id })
}

func (w *world) find(id string) int {
	return slices.IndexFunc(w.vms, func(v *vm) bool { return v.id == id })
}

package calamity

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/actuator/verdict"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// try is an action that was begun.
type try struct {
	recovery.Try
	began, ends time.Time
	vm, host    int
	fails       bool
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
				q.LastWords = append(q.LastWords, cluster.LastWord{Host: w.hosts[i].id, At: k.roll.At, ActiveAt: k.active[rec.Action.VM], Left: k.left[rec.Action.VM], ReadAt: k.read, LivedAt: later(k.lived, k.heard), BusyAt: k.busy[rec.Action.VM], VMSeen: k.roll.Of(rec.Action.VM)})
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

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
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

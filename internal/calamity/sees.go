package calamity

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/actuator/verdict"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// watched is what package watch remembers of a host.
type watched struct {
	heard, since, asked, answered time.Time
	read, lived                   time.Time
	known, awaited                bool
	state                         cluster.PowerState
	finding                       verdict.Finding
	evidence                      verdict.Evidence
	roll                          cluster.Roll
	active, busy                  map[string]time.Time
	left                          map[string]bool
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
			if h.sample != nil {
				for _, vm := range h.sample.busy {
					k.busy[vm] = h.sample.at
				}
				k.read = h.sample.at
			}
			if at, known := s.lived(i); known && at.After(k.lived) {
				k.lived = at
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
				one.vms, one.busy = w.says(h), w.moving(h)
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

// lived is when the others last saw a stamp of the host, by their own account.
func (s *server) lived(of int) (at time.Time, known bool) {
	for i, h := range s.w.hosts {
		if i != of && h.sample != nil {
			if stamped := h.sample.at.Add(-h.sample.ages[of]); stamped.After(at) {
				at, known = stamped, true
			}
		}
	}
	return at, known
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

// Package watch looks after the hosts every other second: it asks the witnesses, has them judged and says what has become of each.
// It looks and tells; it turns nothing off and starts nothing.
package watch

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/actuator/verdict"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// Prometheus says what it holds about whether hosts live.
type Prometheus interface {
	Signs(ctx context.Context, at time.Time) ([]cluster.HostSigns, error)
}

// Hypervisor asks a host how its VMs stand; refused is a machine that answers that nothing listens there.
type Hypervisor interface {
	Roll(ctx context.Context, host string) (roll cluster.Roll, refused bool, err error)
}

// Power says whether a host has power.
type Power interface {
	Status(ctx context.Context, host string) cluster.PowerReport
}

// Policy is what the operator decided about watching.
type Policy struct {
	Hosts []string
	// Interval is the time from one look to the next; each witness has as long to answer.
	Interval time.Duration
	// MaxScrapeAge is how old the newest reading of an exporter may be, MaxHeartbeatAge how old a stamp, MaxNeighbourAge how old an answer to
	// another host.
	MaxScrapeAge, MaxHeartbeatAge, MaxNeighbourAge time.Duration
	Verdict                                        verdict.Policy
}

const (
	// powerTimeout is how long a question about a host's power may take with all the ways to ask it, each of which has a shorter time of
	// its own; powerAgain is the pause between questions about one host.
	powerTimeout, powerAgain = 5 * time.Minute, 3 * time.Second
	// powerCounts is for how long an answer counts.
	powerCounts = 20 * time.Second
	// restAgain and restCounts are the same for hosts that are off on purpose: hundreds of them may sleep for days.
	restAgain, restCounts = time.Minute, 150 * time.Second
)

// Watch is the loop and what it last saw. It is safe for concurrent use.
type Watch struct {
	prometheus Prometheus
	hypervisor Hypervisor
	power      Power
	log        *slog.Logger
	// rests tells of a host whether it is off on purpose; nil for none.
	rests func(host string) bool
	// calls are the questions that were not answered yet at the last look, silent the hosts that did not answer at it; only
	// Run touches them.
	calls  map[string]*call
	silent map[string]bool

	mu     sync.Mutex
	policy Policy
	hosts  map[string]*host
	began  time.Time
	looked time.Time
	// rung are closed at the end of each look.
	rung chan struct{}
}

// host is what is remembered of one.
type host struct {
	heard time.Time
	// roll is what its libvirt said last of its VMs; it stays when the host falls silent.
	roll     cluster.Roll
	active   map[string]time.Time // when each VM was active there last
	left     map[string]bool      // those that were active there, and went to another host or were taken away
	evidence verdict.Evidence
	finding  verdict.Finding
	since    time.Time
	// lived is when others last saw it live, read is when its exporter was read last, busy when that said last of a VM there that a job was under way for it.
	lived, read time.Time
	busy        map[string]time.Time
	// known tells that it was heard since the watch began.
	known bool
	// state is what the BMC said at answered, having been asked at asked; asking tells that an answer is awaited.
	state           cluster.PowerState
	asked, answered time.Time
	asking          bool
}

// New returns a watch that has not looked yet.
func New(prom Prometheus, hv Hypervisor, power Power, p Policy, log *slog.Logger, reg prometheus.Registerer) *Watch {
	w := &Watch{prometheus: prom, hypervisor: hv, power: power, log: log, policy: p, hosts: map[string]*host{}, rung: make(chan struct{})}
	reg.MustRegister(collector{w})
	return w
}

// SetRests says which hosts are off on purpose, before Run: their BMCs are asked less often. It is asked with no lock held.
func (w *Watch) SetRests(rests func(host string) bool) { w.rests = rests }

// bounds are the pause between questions about a host's power, and for how long an answer counts.
func (w *Watch) bounds(host string) (again, counts time.Duration) {
	if w.rests != nil && w.rests(host) {
		return restAgain, restCounts
	}
	return powerAgain, powerCounts
}

// SetPolicy replaces the policy from the next look on.
func (w *Watch) SetPolicy(p Policy) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.policy = p
}

// Run looks until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	w.mu.Lock()
	w.began = time.Now()
	w.mu.Unlock()
	for {
		begun := time.Now()
		w.look(ctx)
		pause := w.pause() - time.Since(begun)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(pause, 0)):
		}
	}
}

// hurry is by how much looks come sooner while it is open what has become of a host that fell silent no longer than
// unclear ago: VMs wait for the verdict.
const (
	hurry   = 4
	unclear = 30 * time.Second
)

// pause is the time from one look to the next.
func (w *Watch) pause() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		if h.evidence.Silent() && h.evidence.Since < unclear && h.finding.Verdict != verdict.Dead {
			return w.policy.Interval / hurry
		}
	}
	return w.policy.Interval
}

// look asks all witnesses once, each with a deadline, and judges.
func (w *Watch) look(ctx context.Context) {
	w.mu.Lock()
	p := w.policy
	w.mu.Unlock()
	libvirt, rolls := w.callRolls(ctx, p)
	// Prometheus after them: who waits for a silent host would judge by what was so before.
	bounded, cancel := context.WithTimeout(ctx, p.Interval)
	signs, unread := w.prometheus.Signs(bounded, time.Now())
	cancel()
	if ctx.Err() != nil {
		return // what fell silent because we end proves nothing
	}
	if unread != nil {
		w.log.Warn("Prometheus cannot be asked about the hosts", "err", unread)
	}
	for _, silent := range w.judge(p, signs, unread == nil, libvirt, time.Now()) {
		go w.askPower(ctx, silent)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, roll := range rolls {
		if libvirt[i] == verdict.Yes && w.hosts[p.Hosts[i]] != nil {
			w.hosts[p.Hosts[i]].take(roll)
		}
	}
	w.looked = time.Now()
	close(w.rung)
	w.rung = make(chan struct{})
}

// Looked is closed when the hosts have been looked at once more.
func (w *Watch) Looked() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rung
}

// Began is when the watch began, zero before.
func (w *Watch) Began() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.began
}

// judge takes what the witnesses said, and returns the hosts whose BMC should be asked.
func (w *Watch) judge(p Policy, signs []cluster.HostSigns, read bool, libvirt []verdict.Sign, now time.Time) (ask []string) {
	counting := make([]time.Duration, len(p.Hosts))
	for i, name := range p.Hosts { // before the lock: who tells may ask the watch in turn
		_, counting[i] = w.bounds(name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	evidence := make([]verdict.Evidence, len(p.Hosts))
	for i, name := range p.Hosts {
		h := w.hosts[name]
		if h == nil {
			h = &host{heard: now, since: now} // a grace for a host, and a server, that is new
			w.hosts[name] = h
		}
		e, sign := verdict.Evidence{Host: name, Libvirt: libvirt[i]}, now
		if at := slices.IndexFunc(signs, func(s cluster.HostSigns) bool { return s.Host == name }); read && at >= 0 {
			e.Exporter = young(now.Sub(signs[at].SeenAt).Seconds(), p.MaxScrapeAge)
			h.note(signs[at])
			if libvirt[i] == verdict.No {
				sign = signs[at].SeenAt // which is when it lived, and not now
			}
			if age := signs[at].HeartbeatAgeSeconds; age.Known {
				e.Heartbeat = young(age.Value, p.MaxHeartbeatAge)
			}
			if age := signs[at].NeighbourAgeSeconds; age.Known {
				e.Neighbours = young(age.Value, p.MaxNeighbourAge)
			}
		} else if read {
			e.Exporter = verdict.No
		}
		if e.Exporter == verdict.No && now.Sub(w.began) < p.MaxScrapeAge {
			e.Exporter = verdict.Unknown // Prometheus may not have had its first look yet
		}
		if !e.Silent() {
			h.known = true
			if sign.After(h.heard) {
				h.heard = sign
			}
			if libvirt[i] == verdict.No && now.Sub(h.answered) > counting[i] {
				ask = append(ask, name) // the exporter's last reading still counts; when it does not, the answer is there
			}
		} else if ask = append(ask, name); now.Sub(h.answered) < counting[i] && h.asked.After(h.heard) {
			e.Power = powerSign(h.state)
		}
		e.Since = now.Sub(h.heard)
		h.evidence, evidence[i] = e, e
	}
	for i, f := range verdict.Judge(evidence, p.Verdict) {
		h := w.hosts[p.Hosts[i]]
		if f.Verdict != h.finding.Verdict {
			if h.finding.Verdict != "" || f.Verdict != verdict.Alive {
				w.log.Warn("a host's verdict changed", "host", f.Host, "from", string(h.finding.Verdict), "to", string(f.Verdict), "reason", f.Reason)
			}
			h.since = now
		}
		h.finding = f
	}
	for name := range w.hosts {
		if !slices.Contains(p.Hosts, name) {
			delete(w.hosts, name)
		}
	}
	return ask
}

// note remembers for which VMs a job is under way: one that is being migrated away may be gone when the host falls silent.
func (h *host) note(s cluster.HostSigns) {
	h.lived = later(h.lived, s.LivedAt)
	if !s.SeenAt.After(h.read) {
		return
	}
	h.read = s.SeenAt
	maps.DeleteFunc(h.busy, func(_ string, at time.Time) bool { return s.SeenAt.Sub(at) > activeCounts })
	for _, vm := range s.Busy {
		if h.busy == nil {
			h.busy = map[string]time.Time{}
		}
		h.busy[vm] = s.SeenAt
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// young takes seconds, since an exporter can tell of more than a Duration holds.
func young(seconds float64, limit time.Duration) verdict.Sign {
	if seconds <= limit.Seconds() {
		return verdict.Yes
	}
	return verdict.No
}

func powerSign(s cluster.PowerState) verdict.Sign {
	switch s {
	case cluster.PowerOn:
		return verdict.Yes
	case cluster.PowerOff:
		return verdict.No
	case cluster.PowerUnknown:
	}
	return verdict.Unknown
}

// askPower asks a silent host's BMC, one question at a time.
func (w *Watch) askPower(ctx context.Context, name string) {
	again, _ := w.bounds(name)
	w.mu.Lock()
	h := w.hosts[name]
	if h == nil || h.asking || time.Since(h.answered) < again {
		w.mu.Unlock()
		return
	}
	asked := time.Now()
	h.asking = true
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, powerTimeout)
	defer cancel()
	report := w.power.Status(ctx, name)
	w.mu.Lock()
	defer w.mu.Unlock()
	h.asking, h.asked, h.answered, h.state = false, asked, time.Now(), report.State
}

// Hosts says what has become of each, by name.
func (w *Watch) Hosts() []cluster.HostWatch {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]cluster.HostWatch, 0, len(w.hosts))
	for name, h := range w.hosts {
		e := h.evidence
		one := cluster.HostWatch{Host: name, Verdict: string(h.finding.Verdict), Reason: h.finding.Reason, Since: h.since, LookedAt: w.looked,
			Exporter: e.Exporter.String(), Libvirt: e.Libvirt.String(), Heartbeat: e.Heartbeat.String(), Neighbours: e.Neighbours.String(), Power: e.Power.String()}
		if h.known {
			one.HeardAt = h.heard
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b cluster.HostWatch) int { return strings.Compare(a.Host, b.Host) })
	return list
}

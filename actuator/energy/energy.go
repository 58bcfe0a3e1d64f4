// Package energy looks after what hosts draw: it asks their BMCs, takes what a curve says where they do not tell, and keeps a
// ledger of what hosts saved by sleeping. What was saved is what they would have drawn awake and idle, less what they drew: the
// work of their VMs is drawn on other hosts instead.
package energy

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// Meter says what hosts draw.
type Meter interface {
	// Measures tells whether it may know of the host.
	Measures(host string) bool
	Watts(ctx context.Context, host string) (watts float64, source string, err error)
}

// Store keeps the ledger for the next start.
type Store interface {
	Load() (Ledger, error)
	Save(l Ledger) error
}

// View is what the room may know of the cluster.
type View struct {
	// Use is the share of its cores that each host that is on has in use, 0 to 1; who is not in it is not seen. Empty are those
	// of them on which no VM is.
	Use   map[string]float64
	Empty map[string]bool
	// Rests are the hosts that sleep, or are on their way to.
	Rests  map[string]cluster.Rest
	Proofs []cluster.WakeProof
}

// Host is what is known of a host from the configuration.
type Host struct {
	Name string
	// Curve is empty where nobody knows it.
	Curve       cluster.PowerCurve
	AsleepWatts float64
}

// Policy is what the operator said.
type Policy struct {
	Hosts []Host
	// CycleWh is what falling asleep and waking takes.
	CycleWh float64
	// PricePerKWh and CarbonPerKWh (in grams) are 0 where nobody said.
	PricePerKWh, CarbonPerKWh float64
	Currency                  string
	Advises                   bool
}

const (
	// tick is the time from one entry in the ledger to the next, saveEvery from one writing of it to the next.
	tick      = 5 * time.Second
	saveEvery = time.Minute
	// measureEvery is the pause between two questions to the same BMC, which are slow machines. A reading counts for counts.
	measureEvery = 30 * time.Second
	counts       = 2 * time.Minute
	// atOnce is how many BMCs are asked at once, measureTimeout for how long one is at most.
	atOnce         = 8
	measureTimeout = time.Minute
)

// reading is what a BMC said, or why it did not.
type reading struct {
	watts   float64
	source  string
	at      time.Time
	problem string
	asked   time.Time
	asking  bool
	// begun is when the question was asked that was answered last.
	begun time.Time
}

// Room keeps the ledger. It is safe for concurrent use.
type Room struct {
	meter Meter
	view  func() View
	store Store
	log   *slog.Logger
	turns chan struct{}

	mu       sync.Mutex
	policy   Policy
	ledger   Ledger
	readings map[string]*reading
	// emptied is since when hosts that are on have no VM.
	emptied map[string]time.Time
	saved   time.Time // when the ledger was written last
}

// New returns a room with the ledger that is kept.
func New(meter Meter, view func() View, store Store, p Policy, log *slog.Logger, reg prometheus.Registerer) (*Room, error) {
	r := &Room{meter: meter, view: view, store: store, log: log, policy: p, readings: map[string]*reading{}, emptied: map[string]time.Time{}, turns: make(chan struct{}, atOnce)}
	var err error
	if r.ledger, err = store.Load(); err != nil {
		return nil, err
	}
	reg.MustRegister(collector{r})
	return r, nil
}

// SetPolicy replaces the policy.
func (r *Room) SetPolicy(p Policy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.policy = p
}

// Run measures and keeps the ledger until ctx ends.
func (r *Room) Run(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		r.measure(ctx)
		r.keep(time.Now())
		select {
		case <-ctx.Done():
			r.save(time.Now(), 0)
			return nil
		case <-ticker.C:
		}
	}
}

// measure asks the BMCs whose turn it is, and at once those of hosts that have become empty, which may not last and is the only time at which they
// tell what they draw idle, or have fallen asleep. It waits for none: one that hangs holds up nobody.
func (r *Room) measure(ctx context.Context) {
	now, view := time.Now(), r.view()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.policy.Hosts {
		if !view.Empty[h.Name] {
			delete(r.emptied, h.Name)
		} else if r.emptied[h.Name].IsZero() {
			r.emptied[h.Name] = now
		}
		if !r.meter.Measures(h.Name) {
			delete(r.readings, h.Name)
			continue
		}
		one := r.readings[h.Name]
		if one == nil {
			one = &reading{}
			r.readings[h.Name] = one
		}
		if one.asking || now.Sub(one.asked) < measureEvery && !one.asked.Before(r.emptied[h.Name]) && !one.asked.Before(view.Rests[h.Name].Asleep) {
			continue
		}
		one.asking, one.asked = true, now
		go r.ask(ctx, h.Name, one)
	}
}

func (r *Room) ask(ctx context.Context, host string, one *reading) {
	r.turns <- struct{}{}
	bounded, cancel := context.WithTimeout(ctx, measureTimeout)
	watts, source, err := r.meter.Watts(bounded, host)
	cancel()
	<-r.turns
	r.mu.Lock()
	defer r.mu.Unlock()
	one.asking = false
	if err != nil {
		if one.problem == "" {
			r.log.Warn("a BMC does not say what its host draws", "host", host, "err", err)
		}
		one.problem = err.Error()
		return
	}
	one.watts, one.source, one.begun, one.at, one.problem = watts, source, one.asked, time.Now(), ""
}

// keep brings the ledger up to now.
func (r *Room) keep(now time.Time) {
	view := r.view()
	r.mu.Lock()
	var sleepers []Sleeper
	for _, h := range r.policy.Hosts {
		if one, since := r.readings[h.Name], r.emptied[h.Name]; one != nil && !since.IsZero() && !one.begun.Before(since) && one.young(now) {
			if r.ledger.Idle == nil {
				r.ledger.Idle = map[string]float64{}
			}
			if r.ledger.Idle[h.Name] == 0 {
				r.saved = time.Time{} // it may be long until that can be learnt again
			}
			r.ledger.Idle[h.Name] = one.watts
		}
		rest, known := view.Rests[h.Name]
		if !known || rest.Asleep.IsZero() {
			continue
		}
		watts, _ := r.watts(h, view, now)
		idle, _ := r.idle(h)
		s := Sleeper{Host: h.Name, Since: rest.Asleep.In(now.Location())}
		if idle.Known && watts.Known {
			s.SavedWatts = max(0, idle.Value-watts.Value)
		}
		sleepers = append(sleepers, s)
	}
	var wakes []Wake
	for _, p := range view.Proofs {
		wakes = append(wakes, Wake{Host: p.Host, At: p.At.In(now.Location()), Wh: r.policy.CycleWh})
	}
	r.ledger.keep(now, sleepers, wakes)
	r.mu.Unlock()
	r.save(now, saveEvery)
}

// save writes the ledger when it was not for so long. That it cannot be written is said, and tried again.
func (r *Room) save(now time.Time, after time.Duration) {
	r.mu.Lock()
	if now.Sub(r.saved) < after {
		r.mu.Unlock()
		return
	}
	r.saved = now
	l := r.ledger
	l.Idle, l.Woken, l.Total, l.Days = maps.Clone(l.Idle), maps.Clone(l.Woken), maps.Clone(l.Total), maps.Clone(l.Days)
	for day := range l.Days {
		l.Days[day] = maps.Clone(l.Days[day])
	}
	r.mu.Unlock()
	if err := r.store.Save(l); err != nil {
		r.log.Error("what sleeping hosts saved is not written down", "err", err)
	}
}

func (one *reading) young(now time.Time) bool { return !one.at.IsZero() && now.Sub(one.at) < counts }

// watts is what the host draws, and who says so.
func (r *Room) watts(h Host, view View, now time.Time) (cluster.Number, string) {
	asleep := view.Rests[h.Name].Asleep
	if one := r.readings[h.Name]; one != nil && one.young(now) && !one.at.Before(asleep) { // before, it was awake
		return cluster.Known(one.watts), one.source
	}
	if !asleep.IsZero() {
		return cluster.Known(h.AsleepWatts), "curve"
	}
	if use, seen := view.Use[h.Name]; seen && len(h.Curve) > 0 {
		return cluster.Known(h.Curve.Watts(use)), "curve"
	}
	return cluster.Number{}, ""
}

// idle is what the host draws with nothing to do: as it was measured, or else as its curve says.
func (r *Room) idle(h Host) (cluster.Number, string) {
	if watts, known := r.ledger.Idle[h.Name]; known {
		return cluster.Known(watts), "measured"
	}
	if len(h.Curve) > 0 {
		return cluster.Known(h.Curve[0]), "curve"
	}
	return cluster.Number{}, ""
}

// Status is what is drawn and what was saved.
func (r *Room) Status() cluster.PowerStatus {
	view, now := r.view(), time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := cluster.PowerStatus{Hosts: []cluster.HostPower{}, Periods: r.ledger.periods(now), Currency: r.policy.Currency, Advises: r.policy.Advises}
	for _, h := range r.policy.Hosts {
		one := cluster.HostPower{Host: h.Name, Today: r.ledger.Days[now.Format(dayFormat)][h.Name]}
		one.Watts, one.Source = r.watts(h, view, now)
		one.IdleWatts, one.IdleSource = r.idle(h)
		if rest, known := view.Rests[h.Name]; known {
			one.Rest = &rest
		}
		for _, p := range view.Proofs {
			if p.Host == h.Name {
				one.Proof = &p
			}
		}
		if last := r.readings[h.Name]; last != nil {
			one.Problem = last.problem
		}
		s.Hosts = append(s.Hosts, one)
	}
	for i := range s.Periods {
		p := &s.Periods[i]
		kWh := p.Saving.NetWh() / 1000
		if r.policy.PricePerKWh > 0 {
			p.Cost = cluster.Known(kWh * r.policy.PricePerKWh)
		}
		if r.policy.CarbonPerKWh > 0 {
			p.CarbonGrams = cluster.Known(kWh * r.policy.CarbonPerKWh)
		}
	}
	return s
}

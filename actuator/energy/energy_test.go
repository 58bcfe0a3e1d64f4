package energy

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// house is all that stands around the room.
type house struct {
	mu    sync.Mutex
	view  View
	watts map[string]float64
	err   error
	kept  Ledger
	saves int
	full  error
}

func (h *house) Measures(host string) bool { return host != "h1" }

func (h *house) Watts(ctx context.Context, host string) (float64, string, error) {
	h.mu.Lock()
	watts, err := h.watts[host], h.err
	h.mu.Unlock()
	if watts < 0 { // a BMC that hangs
		<-ctx.Done()
		return 0, "", ctx.Err()
	}
	return watts, "dcmi", err
}

func (h *house) see() View {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.view
}

func (h *house) Load() (Ledger, error) { return h.kept, h.full }

func (h *house) Save(l Ledger) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept = l
	h.saves++
	return h.full
}

func (h *house) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// open returns a room over the house: h1 has a curve and no BMC, h2 and h3 have BMCs, h3 is empty.
func open(t *testing.T, h *house) (*Room, *prometheus.Registry) {
	t.Helper()
	if h.watts == nil {
		h.watts = map[string]float64{"h2": 210, "h3": 110}
	}
	h.view = View{Use: map[string]float64{"h1": 0.5, "h2": 0.6, "h3": 0}, Empty: map[string]bool{"h3": true}, Rests: map[string]cluster.Rest{}}
	reg := prometheus.NewPedanticRegistry()
	r, err := New(h, h.see, h, Policy{CycleWh: 20, PricePerKWh: 0.5, Currency: "EUR", CarbonPerKWh: 400, Hosts: []Host{
		{Name: "h1", Curve: cluster.PowerCurve{100, 200, 240}, AsleepWatts: 5}, {Name: "h2", AsleepWatts: 5}, {Name: "h3", AsleepWatts: 5}}}, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	return r, reg
}

// during runs the room while f has its way.
func during(t *testing.T, r *Room, f func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	synctest.Wait()
	f()
	cancel()
	<-done
}

func TestAHostThatSleepsSavesWhatItDrewIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{}
		r, reg := open(t, h)
		during(t, r, func() {
			time.Sleep(time.Minute)
			if s := r.Status().Hosts; s[0].Watts.Value != 200 || s[0].Source != "curve" || s[1].Watts.Value != 210 || s[1].Source != "dcmi" || s[1].IdleWatts.Known || s[2].IdleWatts.Value != 110 || s[2].IdleSource != "measured" {
				t.Fatalf("awake: %+v", s)
			}
			asleep := time.Now()
			h.set(func() {
				h.view.Rests["h3"] = cluster.Rest{Down: asleep, Asleep: asleep}
				delete(h.view.Use, "h3")
				delete(h.view.Empty, "h3")
				h.watts["h3"] = 10
			})
			time.Sleep(2 * time.Hour)
			s := r.Status()
			if got := s.Hosts[2]; got.Watts.Value != 10 || got.Today.SleptSeconds < 7180 || got.Today.SavedWh < 198 || got.Today.SavedWh > 201 || got.Rest == nil {
				t.Errorf("asleep: %+v", got)
			}
			h.set(func() {
				delete(h.view.Rests, "h3")
				h.view.Proofs = []cluster.WakeProof{{Host: "h3", At: time.Now(), Woke: true, Seconds: 90}}
			})
			time.Sleep(time.Minute)
			s = r.Status()
			if p := s.Periods[0]; p.Saving.Wakes != 1 || p.Saving.SpentWh != 20 || p.Cost.Value < 0.089 || p.Cost.Value > 0.091 || p.CarbonGrams.Value < 71 || p.CarbonGrams.Value > 73 {
				t.Errorf("%+v", p)
			}
			if s.Hosts[2].Proof == nil || s.Currency != "EUR" {
				t.Errorf("%+v", s)
			}
			want := `# HELP evenkeel_host_power_spent_joules_total What falling asleep and waking took, by the configuration's cycle_wh.
# TYPE evenkeel_host_power_spent_joules_total counter
evenkeel_host_power_spent_joules_total{host="h1"} 0
evenkeel_host_power_spent_joules_total{host="h2"} 0
evenkeel_host_power_spent_joules_total{host="h3"} 72000
`
			if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "evenkeel_host_power_spent_joules_total"); err != nil {
				t.Error(err)
			}
		})
		if h.kept.Total["h3"].Wakes != 1 {
			t.Errorf("it is not kept: %+v", h.kept)
		}
		again, _ := open(t, h)
		if got := again.Status().Periods[4].Saving; got.Wakes != 1 || got.SavedWh < 198 {
			t.Errorf("after the next start: %+v", got)
		}
	})
}

// A host is asked at once when it has become empty; what it drew before that is not what it draws idle.
func TestAHostThatBecomesEmptyIsAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{}
		r, _ := open(t, h)
		during(t, r, func() {
			time.Sleep(time.Minute + time.Second)
			h.set(func() { h.view.Empty["h2"] = true })
			synctest.Wait()
			if got := r.Status().Hosts[1]; got.IdleWatts.Known {
				t.Errorf("that was under load: %+v", got)
			}
			h.set(func() { h.watts["h2"] = 95 })
			time.Sleep(2 * tick)
			if got := r.Status().Hosts[1]; got.IdleWatts != cluster.Known(95) || got.IdleSource != "measured" {
				t.Errorf("%+v", got)
			}
		})
	})
}

// What nobody measures is not claimed: with no idle watts a sleep saves nothing that could be told.
func TestWhatNobodyKnowsIsNotSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{err: errors.New("no such command")}
		r, _ := open(t, h)
		h.view.Rests["h2"] = cluster.Rest{Asleep: time.Now()}
		during(t, r, func() {
			time.Sleep(time.Hour)
			s := r.Status().Hosts[1]
			if s.Today.SavedWh != 0 || s.Today.SleptSeconds < 3580 || s.Watts.Value != 5 || s.Problem != "no such command" {
				t.Errorf("%+v", s)
			}
		})
	})
}

// A BMC that hangs holds up neither the others nor the ledger, and what it said before grows old.
func TestABMCThatHangsHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{}
		r, _ := open(t, h)
		during(t, r, func() {
			time.Sleep(time.Minute)
			h.set(func() { h.watts["h2"] = -1; h.watts["h3"] = 120 })
			time.Sleep(45 * time.Second)
			if got := r.Status().Hosts[2].Watts.Value; got != 120 {
				t.Errorf("h3 waits for h2: %g", got)
			}
			time.Sleep(5 * time.Minute)
			s := r.Status().Hosts
			if s[1].Watts.Known || !strings.Contains(s[1].Problem, "deadline") || s[2].Watts.Value != 120 {
				t.Errorf("%+v", s)
			}
		})
	})
}

func TestALedgerThatCannotBeKept(t *testing.T) {
	full := &house{full: errors.New("no space left")}
	if _, err := New(full, full.see, full, Policy{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err == nil {
		t.Error("it begins with a ledger that it could not read")
	}
	synctest.Test(t, func(t *testing.T) {
		h := &house{}
		r, _ := open(t, h)
		h.full = errors.New("no space left")
		during(t, r, func() {
			time.Sleep(10 * time.Minute)
			h.set(func() {
				if h.saves < 9 {
					t.Errorf("it was tried %d times", h.saves)
				}
			})
		})
	})
}

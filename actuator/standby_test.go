package actuator

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// dormitory is a stage on which h3, which is empty, can be put into standby.
type dormitory struct {
	*stage
	on     bool // whether h3 has power
	up     bool // whether its libvirt and exporter answer
	deaf   bool // it does not shut down
	broken bool // it does not come up
	mute   bool // its BMC does not answer
	vms    []string
	needed string
	starts string // the VM that a person starts as soon as the host is judged
	told   []string
	began  time.Time
	end    func()
}

func (d *dormitory) Ready(string) string { return "" }

func (d *dormitory) Status(context.Context, string) cluster.PowerReport {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.mute:
		return cluster.PowerReport{Reason: "no route to the BMC"}
	case d.on:
		return cluster.PowerReport{State: cluster.PowerOn, Method: "bmc"}
	}
	return cluster.PowerReport{State: cluster.PowerOff, Method: "bmc"}
}

func (d *dormitory) Shutdown(ctx context.Context, host string) error {
	d.with(func() { d.told = append(d.told, "shut down "+host) })
	if pause(ctx, 20*time.Second); ctx.Err() != nil {
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.deaf {
		return errors.New("it is still on")
	}
	d.on, d.up = false, false
	return nil
}

func (d *dormitory) Wake(ctx context.Context, host string) error {
	d.with(func() { d.told, d.on = append(d.told, "wake "+host), true })
	if pause(ctx, 30*time.Second); ctx.Err() != nil {
		return ctx.Err()
	}
	d.with(func() { d.up = !d.broken })
	return nil
}

func (d *dormitory) Roll(context.Context, string) (roll cluster.Roll, refused bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.up {
		return roll, false, errors.New("no route to h3")
	}
	for _, name := range d.vms {
		roll.VMs = append(roll.VMs, cluster.VMSeen{Name: name, State: cluster.VMRunning})
	}
	return roll, false, nil
}

func (d *dormitory) Hosts() []cluster.HostWatch {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := cluster.HostWatch{Host: "h3", Verdict: "dead", Libvirt: "no", Exporter: "no", Power: "no"}
	if d.up {
		w = cluster.HostWatch{Host: "h3", Verdict: "alive", Libvirt: "yes", Exporter: "yes", HeardAt: time.Now()}
	}
	return []cluster.HostWatch{w}
}

func (d *dormitory) Began() time.Time                    { return d.began }
func (d *dormitory) LastWords(string) []cluster.LastWord { return nil }
func (d *dormitory) Kept(string) bool                    { return false }
func (d *dormitory) Can(string) bool                     { return true }

func (d *dormitory) Off(context.Context, string) (cluster.PowerReport, error) {
	return cluster.PowerReport{}, errors.New("nobody is fenced here")
}

// serve starts a server; d.end ends it as a crash does.
func (d *dormitory) serve(t *testing.T) *Actuator {
	t.Helper()
	p := policy(cluster.LevelManual)
	p.Standby = StandbyPolicy{Empty: 5 * time.Minute, Wake: 5 * time.Minute}
	a, err := New(d.stage, d.stage, d.stage, d.stage, p, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	a.SetRecovery(Recovery{Watch: d, Fencer: d, Definitions: d})
	a.SetStandby(Standby{Power: d, Roll: d, Judge: func(cluster.Snapshot, string) (string, string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.starts != "" {
			d.vms = append(d.vms, d.starts)
		}
		return "", d.needed
	}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	ended := false
	d.end = func() {
		if !ended {
			ended = true
			cancel()
			<-done
		}
	}
	t.Cleanup(d.end)
	return a
}

func newDormitory() *dormitory {
	return &dormitory{stage: newStage(), on: true, up: true, began: time.Now()}
}

// glance is how h3 is, and what it was told.
type glance struct {
	on, up bool
	told   []string
}

func (d *dormitory) is() glance {
	d.mu.Lock()
	defer d.mu.Unlock()
	return glance{d.on, d.up, slices.Clone(d.told)}
}

// ask asks for what is done to h3.
func (d *dormitory) ask(t *testing.T, a *Actuator, act cluster.Action) string {
	t.Helper()
	act.From = "h3"
	r := cluster.Recommendation{Policy: act.Kind.Policy(), Priority: 2, Action: act, Made: time.Now(), Expires: time.Now().Add(time.Hour)}.Identified()
	if _, err := a.Request(context.Background(), r, said("bob")); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// proven has h3 tested, after which it may be put into standby.
func (d *dormitory) proven(t *testing.T) *Actuator {
	t.Helper()
	a := d.serve(t)
	d.ask(t, a, cluster.Action{Kind: cluster.Standby, Test: true})
	time.Sleep(3 * time.Minute)
	if p := a.Proofs(); len(p) != 1 || !p[0].Woke || p[0].Seconds < 30 || len(a.Orders()) > 0 || !d.is().on {
		t.Fatalf("tested: %+v, orders %+v, told %v", p, a.Orders(), d.is().told)
	}
	d.with(func() { d.told = nil })
	return a
}

func TestAHostIsTestedSleepsAndIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDormitory()
		a := d.serve(t)
		r := cluster.Recommendation{Policy: "standby", Priority: 2, Action: cluster.Action{Kind: cluster.Standby, From: "h3"}, Made: time.Now(), Expires: time.Now().Add(time.Hour)}.Identified()
		if _, err := a.Request(context.Background(), r, said("bob")); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "evenkeel standby test h3") {
			t.Fatalf("unproven: %v", err)
		}
		d.end()
		a = d.proven(t)
		id := d.ask(t, a, cluster.Action{Kind: cluster.Standby, Until: time.Now().Add(8 * time.Hour)})
		time.Sleep(2 * time.Minute)
		o := a.Orders().Standby("h3", time.Now())
		if state(t, a, id) != cluster.CaseDone || d.is().on || o == nil || o.Rest.Asleep.IsZero() || o.Word.Who != "bob" {
			t.Fatalf("%s, on %t, %+v", state(t, a, id), d.is().on, o)
		}
		d.end()
		a = d.serve(t) // a restart while it sleeps changes nothing
		time.Sleep(7 * time.Hour)
		if d.is().on || len(d.is().told) != 1 {
			t.Fatalf("before its time: %v", d.is().told)
		}
		time.Sleep(time.Hour)
		if !d.is().up || len(a.Orders()) > 0 || !slices.Equal(d.is().told, []string{"shut down h3", "wake h3"}) {
			t.Errorf("at its time: up %t, %v, orders %+v", d.is().up, d.is().told, a.Orders())
		}
	})
}

func TestWhatKeepsAHostAwake(t *testing.T) {
	for name, c := range map[string]struct {
		befalls func(*dormitory)
		told    []string
		reason  string
	}{
		"a VM does not leave":   {func(d *dormitory) { d.vms = []string{"web1"} }, nil, "on it are web1"},
		"it is needed by now":   {func(d *dormitory) { d.needed = "h2 could fail" }, nil, "h2 could fail"},
		"it does not shut down": {func(d *dormitory) { d.deaf = true }, []string{"shut down h3", "wake h3"}, "it was brought back"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDormitory()
				a := d.proven(t)
				d.with(func() { d.vms = []string{"moving"} })
				id := d.ask(t, a, cluster.Action{Kind: cluster.Standby})
				time.Sleep(10 * time.Second)
				d.with(func() { d.vms = nil; c.befalls(d) })
				time.Sleep(15 * time.Minute)
				k, err := a.Case(id)
				if err != nil || k.State != cluster.CaseFailed || !strings.Contains(k.Outcome.Reason, c.reason) {
					t.Errorf("%s: %+v", k.State, k.Outcome)
				}
				if !d.is().on || !d.is().up || len(a.Orders()) > 0 || !slices.Equal(d.is().told, c.told) {
					t.Errorf("on %t, up %t, orders %+v, told %v", d.is().on, d.is().up, a.Orders(), d.is().told)
				}
			})
		})
	}
}

// A person may start a VM at any time: the last look is after the order has been written that the host is to go down.
func TestAVMThatIsStartedAtTheLastMomentKeepsTheHostOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDormitory()
		a := d.proven(t)
		d.with(func() { d.vms = []string{"moving"} })
		id := d.ask(t, a, cluster.Action{Kind: cluster.Standby})
		time.Sleep(10 * time.Second)
		d.with(func() { d.vms, d.starts = nil, "byhand" }) // while it is looked whether the empty host is needed
		time.Sleep(time.Minute)
		if k, _ := a.Case(id); k.State != cluster.CaseFailed || !strings.Contains(k.Outcome.Reason, "byhand") || !d.is().on || len(d.is().told) > 0 || len(a.Orders()) > 0 {
			t.Errorf("%s %+v, told %v, orders %+v", k.State, k.Outcome, d.is().told, a.Orders())
		}
	})
}

func TestAServerThatIsKilledOnTheWayLeavesNoHostBehind(t *testing.T) {
	for name, c := range map[string]struct {
		at     time.Duration // after the request
		vms    []string      // until then
		asleep bool
	}{
		"while it is emptied":              {30 * time.Second, []string{"web1"}, false},
		"while it shuts down":              {10 * time.Second, nil, true},
		"between power-off and the status": {25 * time.Second, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDormitory()
				a := d.proven(t)
				d.with(func() { d.vms = c.vms })
				id := d.ask(t, a, cluster.Action{Kind: cluster.Standby})
				time.Sleep(15 * time.Second)
				d.with(func() { d.mute = !d.on || c.asleep })
				time.Sleep(c.at - 15*time.Second)
				d.end()
				d.with(func() { d.mute = false })
				time.Sleep(time.Minute)
				a = d.serve(t)
				time.Sleep(2 * time.Minute)
				o := a.Orders().Standby("h3", time.Now())
				if asleep := o != nil && !o.Rest.Asleep.IsZero(); asleep != c.asleep || d.is().on == c.asleep || (o != nil) != c.asleep {
					t.Errorf("%s: on %t, order %+v, told %v", state(t, a, id), d.is().on, o, d.is().told)
				}
			})
		})
	}
}

func TestAHostThatDoesNotWakeIsNotPutIntoStandbyAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDormitory()
		a := d.proven(t)
		d.ask(t, a, cluster.Action{Kind: cluster.Standby})
		time.Sleep(2 * time.Minute)
		d.with(func() { d.broken = true })
		id, asked := d.ask(t, a, cluster.Action{Kind: cluster.Wake}), time.Now()
		time.Sleep(2 * time.Minute)
		if since, is := a.Waking()["h3"]; !is || since.Sub(asked) > time.Minute || asked.Sub(since) > time.Minute {
			t.Errorf("it is being woken since %s (%t), asked at %s", since, is, asked)
		}
		time.Sleep(8 * time.Minute)
		if len(a.Waking()) > 0 {
			t.Errorf("it is still being woken: %v", a.Waking())
		}
		if k, _ := a.Case(id); k.State != cluster.CaseFailed || !strings.Contains(k.Outcome.Reason, "was not back in the cluster within 5m0s") {
			t.Fatalf("%s %+v", k.State, k.Outcome)
		}
		if p := a.Proofs(); len(p) != 1 || p[0].Woke || a.Orders().Standby("h3", time.Now()) == nil {
			t.Fatalf("%+v %+v", p, a.Orders())
		}
		d.with(func() { d.broken, d.up = false, true }) // a person mends it
		time.Sleep(2 * time.Minute)
		if len(a.Orders()) > 0 {
			t.Fatalf("it is on, and still kept as one that is off: %+v", a.Orders())
		}
		r := cluster.Recommendation{Policy: "standby", Priority: 2, Action: cluster.Action{Kind: cluster.Standby, From: "h3"}, Made: time.Now(), Expires: time.Now().Add(time.Hour)}.Identified()
		if _, err := a.Request(context.Background(), r, said("bob")); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "could not be woken") {
			t.Errorf("put into standby again: %v", err)
		}
	})
}

func TestWhatSomebodyElseTurnedOffStaysOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDormitory()
		a := d.proven(t)
		d.with(func() { d.on, d.up = false, false })
		r := cluster.Recommendation{Policy: "wake", Priority: 2, Action: cluster.Action{Kind: cluster.Wake, From: "h3"}, Made: time.Now(), Expires: time.Now().Add(time.Hour)}.Identified()
		if _, err := a.Request(context.Background(), r, said("bob")); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "evenkeel did not turn h3 off") {
			t.Errorf("%v", err)
		}
		time.Sleep(24 * time.Hour)
		if len(d.is().told) > 0 {
			t.Errorf("told %v", d.is().told)
		}
	})
}

// from are windows of an hour that begin then.
func from(begins time.Time) []cluster.Awake {
	return []cluster.Awake{{Name: "office hours", Window: cluster.Window{Begins: once(begins), Lasts: time.Hour}}}
}

// once is a time that comes once.
type once time.Time

func (o once) Next(t time.Time) time.Time {
	if t.Before(time.Time(o)) {
		return time.Time(o)
	}
	return time.Time{}
}

func TestAWindowThatBeginsWhileAHostIsEmptiedKeepsItOn(t *testing.T) {
	for name, needed := range map[string]string{"while it is emptied": "", "while it is looked whether it is needed": "h2 could fail"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDormitory()
				a := d.proven(t)
				p := a.currentPolicy()
				p.Gate.Awake = from(time.Now().Add(20 * time.Second))
				a.SetPolicy(p)
				d.with(func() { d.vms = []string{"web1"} })
				id := d.ask(t, a, cluster.Action{Kind: cluster.Standby})
				time.Sleep(10 * time.Second)
				if needed != "" {
					d.with(func() { d.vms, d.needed = nil, needed })
				}
				time.Sleep(15 * time.Second)
				d.with(func() { d.vms, d.needed = nil, "" })
				time.Sleep(time.Minute)
				k, err := a.Case(id)
				if err != nil || k.State != cluster.CaseFailed || !strings.Contains(k.Outcome.Reason, "schedule office hours keeps h3 awake until") {
					t.Errorf("%s: %+v", k.State, k.Outcome)
				}
				if !d.is().on || len(d.is().told) > 0 || len(a.Orders()) > 0 {
					t.Errorf("on %t, told %v, orders %+v", d.is().on, d.is().told, a.Orders())
				}
			})
		})
	}
}

func TestAHostThatAScheduleCallsIsWokenAtLevelManual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDormitory()
		a := d.proven(t)
		word := func() cluster.Approval {
			return cluster.Approval{Who: "schedule office hours", Via: cluster.ViaSchedule, At: time.Now(), Reason: "schedule office hours keeps it awake"}
		}
		if err := a.Call("h3", word()); !errors.Is(err, ErrNotFound) {
			t.Errorf("it is on: %v", err)
		}
		d.ask(t, a, cluster.Action{Kind: cluster.Standby})
		time.Sleep(2 * time.Minute)
		if d.is().on {
			t.Fatal("it is not asleep")
		}
		if err := a.Call("h3", word()); err != nil {
			t.Fatal(err)
		}
		d.end()
		a = d.serve(t) // what was said outlives a restart
		time.Sleep(2 * time.Minute)
		if !d.is().up || len(a.Orders()) > 0 {
			t.Errorf("up %t, orders %+v", d.is().up, a.Orders())
		}
		woken := a.List(func(c cluster.Case) bool { return c.Recommendation.Action.Kind == cluster.Wake })
		if last := woken[len(woken)-1]; last.Recommendation.Reason != "schedule office hours keeps it awake" {
			t.Errorf("%+v", last.Recommendation)
		}
	})
}

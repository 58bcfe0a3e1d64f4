package watch

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/actuator/verdict"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// lab is three hosts, whose witnesses say what a test has them say.
type lab struct {
	mu        sync.Mutex
	libvirt   map[string]string // "" answers, "silent" hangs, "refused" is refused
	exporter  map[string]bool   // gone
	heartbeat map[string]float64
	neighbour map[string]float64
	power     map[string]cluster.PowerState
	slow      time.Duration // how long a BMC takes
	blind     error
	last      time.Time // when the exporter of h2 was read last, where that is to be said
	asked     int
	looks     int
	rests     string // the host that is off on purpose
	at        string // the host that has the VM "vm"
	moves     bool   // a job is under way for it
}

func newLab() *lab {
	return &lab{libvirt: map[string]string{}, exporter: map[string]bool{}, heartbeat: map[string]float64{}, neighbour: map[string]float64{}, power: map[string]cluster.PowerState{}}
}

func (l *lab) with(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

func (l *lab) Signs(_ context.Context, at time.Time) ([]cluster.HostSigns, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looks++
	var signs []cluster.HostSigns
	for _, h := range []string{"h1", "h2", "h3"} {
		one := cluster.HostSigns{Host: h}
		if !l.exporter[h] {
			one.SeenAt = at.Add(-time.Second)
		}
		if h == "h2" && !l.last.IsZero() {
			one.SeenAt = l.last
		}
		if age, ok := l.heartbeat[h]; ok {
			one.HeartbeatAgeSeconds = cluster.Known(age)
		}
		if age, ok := l.neighbour[h]; ok {
			one.NeighbourAgeSeconds = cluster.Known(age)
		}
		if l.moves && l.at == h {
			one.Busy = []string{"vm"}
		}
		signs = append(signs, one)
	}
	return signs, l.blind
}

func (l *lab) Roll(ctx context.Context, host string) (cluster.Roll, bool, error) {
	l.mu.Lock()
	how := l.libvirt[host]
	l.mu.Unlock()
	if how == "silent" {
		<-ctx.Done()
	}
	if how != "" {
		return cluster.Roll{}, how == "refused", errors.New(how)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	roll := cluster.Roll{Host: host, At: time.Now()}
	if l.at == host {
		roll.VMs = []cluster.VMSeen{{VM: "vm", Name: "web1", State: cluster.VMRunning}}
	}
	return roll, false, nil
}

func (l *lab) Status(ctx context.Context, host string) cluster.PowerReport {
	l.mu.Lock()
	slow := l.slow
	l.asked++
	l.mu.Unlock()
	select {
	case <-ctx.Done():
		return cluster.PowerReport{}
	case <-time.After(slow):
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return cluster.PowerReport{State: l.power[host]}
}

func (l *lab) silence(host string) {
	l.with(func() { l.libvirt[host], l.exporter[host] = "silent", true })
}

func watching(t *testing.T, l *lab) (*Watch, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	w := New(l, l, l, Policy{Hosts: []string{"h1", "h2", "h3"}, Interval: 2 * time.Second, MaxScrapeAge: 10 * time.Second, MaxHeartbeatAge: 15 * time.Second, MaxNeighbourAge: 8 * time.Second,
		Verdict: verdict.Policy{MaxSilent: 0.5, Confirm: 4 * time.Second}}, slog.New(slog.DiscardHandler), reg)
	w.SetRests(func(host string) bool {
		w.Began() // who tells looks at the watch while it holds a lock of its own
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.rests == host
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Minute) // questions to BMCs end by themselves
	})
	time.Sleep(3 * time.Second)
	return w, reg
}

func of(w *Watch, host string) string {
	for _, h := range w.Hosts() {
		if h.Host == host {
			return h.Verdict
		}
	}
	return "not watched"
}

func TestAHostThatFallsSilentIsJudgedByItsWitnesses(t *testing.T) {
	for name, c := range map[string]struct {
		befalls func(*lab)
		want    string
	}{
		"nothing":           {func(*lab) {}, "alive"},
		"the exporter dies": {func(l *lab) { l.with(func() { l.exporter["h2"] = true }) }, "exporter-lost"},
		"libvirtd dies":     {func(l *lab) { l.with(func() { l.libvirt["h2"] = "refused" }) }, "libvirt-lost"},
		"libvirtd hangs":    {func(l *lab) { l.with(func() { l.libvirt["h2"] = "silent" }) }, "libvirt-lost"},
		"its power is cut":  {func(l *lab) { l.silence("h2"); l.with(func() { l.power["h2"] = cluster.PowerOff }) }, "dead"},
		"it hangs": {func(l *lab) {
			l.silence("h2")
			l.with(func() { l.power["h2"], l.heartbeat["h2"] = cluster.PowerOn, 60 })
		}, "hung"},
		"its network is cut": {func(l *lab) {
			l.silence("h2")
			l.with(func() { l.power["h2"], l.heartbeat["h2"] = cluster.PowerOn, 1 })
		}, "isolated"},
		"its network is cut, and its neighbours reach it": {func(l *lab) {
			l.silence("h2")
			l.with(func() { l.power["h2"], l.neighbour["h2"] = cluster.PowerOn, 1 })
		}, "isolated"},
		"its power is cut, and its neighbours have not reached it lately": {func(l *lab) {
			l.silence("h2")
			l.with(func() { l.power["h2"], l.neighbour["h2"] = cluster.PowerOff, 9 })
		}, "dead"},
		"its power is cut, and its neighbours say what cannot be": {func(l *lab) {
			l.silence("h2")
			l.with(func() { l.power["h2"], l.neighbour["h2"] = cluster.PowerOff, 1e30 })
		}, "dead"},
		"its BMC is dark as well": {func(l *lab) { l.silence("h2"); l.with(func() { l.heartbeat["h2"] = 60 }) }, "unproven"},
		"most fall silent":        {func(l *lab) { l.silence("h2"); l.silence("h3") }, "blind"},
		"Prometheus dies":         {func(l *lab) { l.with(func() { l.blind = errors.New("no route") }) }, "alive"},
		"only its heartbeat ends": {func(l *lab) { l.with(func() { l.heartbeat["h2"] = 60 }) }, "alive"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab()
				w, reg := watching(t, l)
				if got := of(w, "h2"); got != "alive" {
					t.Fatalf("before it is %s", got)
				}
				c.befalls(l)
				time.Sleep(20 * time.Second)
				if got := of(w, "h2"); got != c.want {
					t.Errorf("it is %s, want %s: %+v", got, c.want, w.Hosts())
				}
				if got := of(w, "h1"); got != "alive" {
					t.Errorf("another host is %s", got)
				}
				want := "# HELP evenkeel_host_verdict What has become of the host (1 for the verdict that it has, 0 for the others).\n# TYPE evenkeel_host_verdict gauge\n"
				if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "evenkeel_host_verdict"); err == nil || !strings.Contains(err.Error(), `evenkeel_host_verdict{host="h2",verdict="`+c.want+`"} 1`) {
					t.Errorf("the metric says otherwise: %v", err)
				}
			})
		})
	}
}

func TestTheNeighboursSayYesOrNoOrNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.with(func() { l.neighbour["h1"], l.neighbour["h2"] = 8, 8.1 })
		w, _ := watching(t, l)
		for i, want := range []string{"yes", "no", "unknown"} {
			if h := w.Hosts()[i]; h.Neighbours != want || h.Heartbeat != "unknown" || h.Verdict != "alive" {
				t.Errorf("of %s they say %s, want %s: %+v", h.Host, h.Neighbours, want, h)
			}
		}
		l.with(func() { l.blind = errors.New("no route") })
		time.Sleep(3 * time.Second)
		if h := w.Hosts()[0]; h.Neighbours != "unknown" {
			t.Errorf("without Prometheus they say %s", h.Neighbours)
		}
	})
}

func TestAPowerCutIsCertainWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.slow = time.Second
		w, _ := watching(t, l)
		l.silence("h2")
		l.with(func() { l.power["h2"] = cluster.PowerOff })
		begun := time.Now()
		for of(w, "h2") != "dead" {
			if time.Since(begun) > 10*time.Second {
				t.Fatalf("after %s it is %s", time.Since(begun), of(w, "h2"))
			}
			time.Sleep(100 * time.Millisecond)
		}
		l.with(func() { l.libvirt["h2"], l.exporter["h2"], l.power["h2"] = "", false, cluster.PowerOn })
		time.Sleep(3 * time.Second)
		if got := of(w, "h2"); got != "alive" {
			t.Errorf("back again it is %s", got)
		}
	})
}

// The exporter's last reading counts for a while after the power was cut. What the BMC says is there when it does no longer.
func TestTheBMCIsAskedBeforeTheLastReadingIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.slow = 3 * time.Second
		w, _ := watching(t, l)
		l.with(func() { l.libvirt["h2"], l.power["h2"] = "silent", cluster.PowerOff })
		last := time.Now()
		l.with(func() { l.last = last })
		for of(w, "h2") != "dead" {
			if since := time.Since(last); since > 13*time.Second { // a reading counts for ten
				t.Fatalf("%s after the last reading it is %s", since, of(w, "h2"))
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// While it is open what has become of a host, the next look does not wait for its turn, nor for the host.
func TestWhileAVerdictIsOpenTheLooksComeSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		w, _ := watching(t, l)
		l.silence("h2")
		l.with(func() { l.power["h2"], l.heartbeat["h2"] = cluster.PowerOff, 5 })
		time.Sleep(5 * time.Second)
		before := 0
		l.with(func() { before = l.looks })
		time.Sleep(10 * time.Second)
		if got := of(w, "h2"); got != "isolated" {
			t.Fatalf("its heartbeat goes on, and it is %s", got)
		}
		l.with(func() {
			if got := l.looks - before; got < 9 { // a look takes half a second at most, and the pause after it as much
				t.Errorf("in ten seconds there were %d looks", got)
			}
			l.heartbeat["h2"] = 16
		})
		time.Sleep(1100 * time.Millisecond)
		if got := of(w, "h2"); got != "dead" {
			t.Errorf("its heartbeat has ended, and it is %s", got)
		}
	})
}

// Hundreds of hosts may sleep for days: their BMCs are asked once a minute, and they stay what they are in between.
func TestTheBMCOfAHostThatIsOffOnPurposeIsAskedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		w, _ := watching(t, l)
		l.silence("h2")
		l.with(func() { l.power["h2"] = cluster.PowerOff })
		time.Sleep(20 * time.Second)
		l.with(func() { l.rests, l.asked = "h2", 0 })
		for range 100 {
			time.Sleep(6 * time.Second)
			if got := of(w, "h2"); got != "dead" {
				t.Fatalf("it is %s", got)
			}
		}
		l.with(func() {
			if l.asked < 8 || l.asked > 12 {
				t.Errorf("it was asked %d times in ten minutes", l.asked)
			}
		})
	})
}

// A libvirtd that hangs is no reason to bother the BMC all the time.
func TestTheBMCOfAHostWhoseExporterAnswersIsAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		watching(t, l)
		l.with(func() { l.libvirt["h2"], l.power["h2"] = "silent", cluster.PowerOn })
		time.Sleep(61 * time.Second)
		l.with(func() {
			if l.asked < 1 || l.asked > 3 {
				t.Errorf("it was asked %d times in a minute", l.asked)
			}
		})
	})
}

func TestAHangingBMCHoldsUpNobodyAndIsAskedOneQuestionAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.slow = time.Hour
		w, _ := watching(t, l)
		l.silence("h2")
		time.Sleep(40 * time.Second)
		l.with(func() {
			if l.asked != 1 {
				t.Errorf("it was asked %d times in 40 s", l.asked)
			}
		})
		l.with(func() { l.exporter["h1"] = true })
		time.Sleep(5 * time.Second)
		if got := of(w, "h1"); got != "exporter-lost" {
			t.Errorf("meanwhile another host is %s", got)
		}
	})
}

// What a BMC said of a host before it was heard for the last time is about another life.
func TestAnOldWordOfTheBMCDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		w, _ := watching(t, l)
		l.silence("h2")
		l.with(func() { l.power["h2"] = cluster.PowerOff })
		time.Sleep(10 * time.Second)
		l.with(func() { l.libvirt["h2"], l.exporter["h2"], l.slow = "", false, time.Hour })
		time.Sleep(4 * time.Second)
		l.silence("h2")
		time.Sleep(8 * time.Second)
		if got := of(w, "h2"); got != "unproven" {
			t.Errorf("it is %s by the word of before", got)
		}
	})
}

func TestAServerThatHasJustStartedWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.silence("h2")
		w, _ := watching(t, l)
		if got := of(w, "h2"); got != "alive" {
			t.Errorf("after 3 s it is %s", got)
		}
		if h := w.Hosts()[1]; !h.HeardAt.IsZero() {
			t.Errorf("it was heard at %s", h.HeardAt)
		}
		time.Sleep(5 * time.Second)
		if got := of(w, "h2"); got != "unproven" {
			t.Errorf("then it is %s", got)
		}
		w.SetPolicy(Policy{Hosts: []string{"h1"}, Interval: time.Second, MaxScrapeAge: time.Minute})
		time.Sleep(5 * time.Second)
		if got := of(w, "h2"); got != "not watched" {
			t.Errorf("taken out of the configuration it is %s", got)
		}
	})
}

// What a host said last of its VMs stays when it falls silent; who was there and has gone elsewhere has left.
func TestTheLastWordsOnAVM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		w, _ := watching(t, l)
		word := func(host string) cluster.LastWord {
			for _, word := range w.LastWords("vm") {
				if word.Host == host {
					return word
				}
			}
			t.Fatalf("%s said nothing", host)
			return cluster.LastWord{}
		}
		l.with(func() { l.at = "h2" })
		time.Sleep(3 * time.Second)
		if got := word("h2"); got.State != cluster.VMRunning || got.ActiveAt.IsZero() || got.Left {
			t.Errorf("it runs there: %+v", got)
		}
		if got := word("h2"); !got.BusyAt.IsZero() || time.Since(got.ReadAt) > 4*time.Second {
			t.Errorf("no job is under way: %+v", got)
		}
		l.with(func() { l.moves = true })
		time.Sleep(3 * time.Second)
		if got := word("h2"); got.BusyAt.IsZero() || time.Since(got.BusyAt) > 4*time.Second {
			t.Errorf("it is being moved: %+v", got)
		}
		l.with(func() { l.at, l.moves = "h1", false })
		time.Sleep(3 * time.Second)
		if got := word("h2"); got.State != cluster.VMShutoff || !got.Left || got.ActiveAt.IsZero() {
			t.Errorf("it has left: %+v", got)
		}
		l.silence("h1")
		time.Sleep(time.Minute)
		if got := word("h1"); got.State != cluster.VMRunning || time.Since(got.At) < 50*time.Second || got.Left {
			t.Errorf("the word of a silent host: %+v", got)
		}
		l.with(func() { l.at = "h2" })
		time.Sleep(6 * time.Second) // a look takes as long as the silent host is waited for
		if got := word("h2"); got.Left {
			t.Errorf("it is back: %+v", got)
		}
	})
}

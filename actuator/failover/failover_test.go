package failover

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

const gib = 1 << 30

// stage is two hosts and all that surrounds the room, as a test wants it. Everything happens in the room's own goroutine.
type stage struct {
	room    *Room
	watched []cluster.HostWatch
	rolls   []cluster.Roll
	past    func(at time.Time) (cluster.Snapshot, error)
	cases   []cluster.Case
	nudges  int
	took    []string
	stored  []cluster.Definition
	defined map[string][]cluster.Definition
	reads   []string
	broken  error
	guests  []cluster.GuestSigns
	awaited []string
	memory  *drawer
	// stopped tells that web1 is off on h1, which does not say why.
	stopped bool
}

// drawer keeps what the room must not forget.
type drawer struct {
	kept   recovery.Memory
	writes int
	broken error
}

func (d *drawer) Load() (recovery.Memory, error) { return d.kept, d.broken }

func (d *drawer) Save(m recovery.Memory) error {
	if d.broken == nil {
		d.kept, d.writes = m, d.writes+1
	}
	return d.broken
}

func (s *stage) Looked() <-chan struct{}    { return make(chan struct{}) }
func (s *stage) Hosts() []cluster.HostWatch { return s.watched }
func (s *stage) Rolls() []cluster.Roll      { return s.rolls }
func (s *stage) Can(string) bool            { return true }
func (s *stage) Orders() cluster.Orders     { return nil }
func (s *stage) Nudge()                     { s.nudges++ }
func (s *stage) Snapshot(_ context.Context, at time.Time) (cluster.Snapshot, error) {
	return s.past(at)
}
func (s *stage) World(ctx context.Context) (cluster.Snapshot, error) {
	return s.room.Snapshot(ctx, time.Now())
}

func (s *stage) Guests(_ context.Context, _ time.Time, _ time.Duration, vms []string) ([]cluster.GuestSigns, error) {
	s.awaited = vms
	return s.guests, s.broken
}

func (s *stage) List(want func(cluster.Case) bool) []cluster.Case {
	return slices.DeleteFunc(slices.Clone(s.cases), func(c cluster.Case) bool { return !want(c) })
}

func (s *stage) Definitions(_ context.Context, host string) ([]cluster.Definition, error) {
	s.reads = append(s.reads, host)
	return s.defined[host], s.broken
}

func (s *stage) TakeAutostart(_ context.Context, host, vm string) error {
	s.took = append(s.took, host+" "+vm)
	return s.broken
}

func (s *stage) Put(all ...cluster.Definition) (int, error) {
	s.stored = append(s.stored, all...)
	return len(all), s.broken
}

// shelf is the store's other face.
type shelf struct{ *stage }

func (s shelf) List() ([]cluster.Definition, error) {
	return []cluster.Definition{{VM: "v1", Name: "web1", Host: "h1"}}, nil
}

// snapshot is the cluster with web1 on h1; a host that is not seen has its gap.
func snapshot(at time.Time, unseen ...string) cluster.Snapshot {
	s := cluster.Snapshot{Cluster: "c", At: at}
	for _, id := range []string{"h1", "h2"} {
		h := cluster.Host{ID: id, State: cluster.HostUp, CPUCores: 8, MemoryBytes: 32 * gib}
		if slices.Contains(unseen, id) {
			h.State = cluster.HostUnknown
			s.Gaps = append(s.Gaps, cluster.Gap{Subject: cluster.HostSubject(id), Reason: "no data"}, cluster.Gap{Subject: cluster.VMSubject("v1"), Reason: "its host gives no data"})
		}
		s.Hosts = append(s.Hosts, h)
	}
	vm := cluster.VM{ID: "v1", Name: "web1", Host: "h1", State: cluster.VMRunning, VCPUs: 1, MemoryBytes: gib, CPUDemandCores: 0.5, Movable: true}
	if slices.Contains(unseen, "h1") {
		vm = cluster.VM{ID: "v1", Name: "web1", Host: "h1"}
	}
	s.VMs = []cluster.VM{vm}
	return s
}

func set(t *testing.T) *stage {
	t.Helper()
	return (&stage{memory: &drawer{}}).again(t)
}

// again is a new room on the same stage.
func (s *stage) again(t *testing.T) *stage {
	t.Helper()
	s.defined = map[string][]cluster.Definition{}
	s.past = func(at time.Time) (cluster.Snapshot, error) { return snapshot(at), nil }
	p := Policy{Definitions: time.Minute, Detect: 8 * time.Second, Recovery: recovery.Policy{Tries: 3, BackOff: time.Second,
		Plan: plan.Policy{Lifetime: time.Minute, Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.9}}}}
	room, err := New(s, s, s, s, s, shelf{s}, s.memory, func() cluster.Snapshot { return snapshot(time.Now()) }, p, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	room.SetInbox(s)
	s.room = room
	return s
}

// looks is one look of the watch: the hosts' verdicts, and the rolls of those that answer, on which h1 has web1.
func (s *stage) looks(verdicts map[string]string) {
	now := time.Now()
	s.watched = nil
	for _, id := range []string{"h1", "h2"} {
		w := cluster.HostWatch{Host: id, Verdict: verdicts[id], Libvirt: "no", Heartbeat: "no", LookedAt: now, Since: now.Add(-time.Minute), HeardAt: now.Add(-time.Minute)}
		if verdicts[id] == "alive" {
			w.Libvirt, w.HeardAt = "yes", now
			roll := cluster.Roll{Host: id, At: now}
			if id == "h1" {
				roll.VMs = []cluster.VMSeen{{VM: "v1", Name: "web1", State: cluster.VMRunning}}
				if s.stopped {
					roll.VMs[0].State = cluster.VMShutoff
				}
			}
			s.rolls = append(slices.DeleteFunc(s.rolls, func(r cluster.Roll) bool { return r.Host == id }), roll)
		}
		s.watched = append(s.watched, w)
	}
	s.room.turn(context.Background())
}

func (s *stage) wishes() string {
	var list []string
	for _, r := range s.room.Recommendations() {
		list = append(list, r.Action.String())
	}
	return strings.Join(list, "; ")
}

func TestWhatIsAdvisedStandsUntilItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t)
		s.looks(map[string]string{"h1": "alive", "h2": "alive"})
		if got := s.wishes(); got != "" || s.nudges != 0 {
			t.Errorf("all is well, and it wants %q", got)
		}
		time.Sleep(2 * time.Second)
		s.looks(map[string]string{"h1": "dead", "h2": "alive"})
		if got := s.wishes(); got != "start web1 on h2" || s.nudges != 1 {
			t.Fatalf("it wants %q and nudged %d times", got, s.nudges)
		}
		first := s.room.Recommendations()[0]
		time.Sleep(2 * time.Second)
		s.looks(map[string]string{"h1": "dead", "h2": "alive"})
		if again := s.room.Recommendations()[0]; again.ID != first.ID || s.nudges != 1 {
			t.Error("the same advice was given under another ID: a yes to it would be lost")
		}
		s.cases = []cluster.Case{{Recommendation: first, State: cluster.CaseFailed, Outcome: &cluster.Outcome{Result: cluster.ResultFailed, Reason: "no bridge", Started: time.Now(), Finished: time.Now()}}}
		time.Sleep(2 * time.Second)
		s.looks(map[string]string{"h1": "dead", "h2": "alive"})
		if next := s.room.Recommendations(); len(next) != 1 || next[0].ID == first.ID {
			t.Errorf("what failed is over, and it wants %v", next)
		}
		time.Sleep(2 * time.Second)
		s.looks(map[string]string{"h1": "alive", "h2": "alive"})
		if got := s.wishes(); got != "" {
			t.Errorf("the VM runs, and it wants %q", got)
		}
	})
}

// What fell while nothing could be decided is dealt with by the next server: once its host is back, a VM that fell looks like one that was
// never to run.
func TestTheNextServerKnowsWhatFell(t *testing.T) {
	for away, want := range map[time.Duration]string{time.Minute: "start web1 on h1", time.Hour: ""} {
		synctest.Test(t, func(t *testing.T) {
			s := set(t)
			s.looks(map[string]string{"h1": "alive", "h2": "alive"})
			s.past = func(time.Time) (cluster.Snapshot, error) { return cluster.Snapshot{}, errors.New("no route") }
			time.Sleep(2 * time.Second)
			s.looks(map[string]string{"h1": "dead", "h2": "alive"})
			time.Sleep(away)
			next := set(t)
			next.memory.kept = s.memory.kept
			next = next.again(t)
			next.stopped, next.room.seen = true, func() cluster.Snapshot { return snapshot(time.Now(), "h1") }
			next.looks(map[string]string{"h1": "alive", "h2": "alive"})
			if got := next.wishes(); got != want {
				t.Errorf("after %s it wants %q and not %q", away, got, want)
			}
		})
	}
}

// It is written when it changes, and now and then so that it is known how old it is.
func TestWhatMustNotBeForgottenIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t)
		for range 20 {
			s.looks(map[string]string{"h1": "alive", "h2": "alive"})
			time.Sleep(2 * time.Second)
		}
		if s.memory.writes != 1 || s.memory.kept.Homes["v1"].Host != "h1" {
			t.Errorf("in 40 s in which nothing changed it was written %d times: %+v", s.memory.writes, s.memory.kept)
		}
		time.Sleep(time.Minute)
		s.looks(map[string]string{"h1": "alive", "h2": "alive"})
		if s.memory.writes != 2 {
			t.Errorf("a minute later it was written %d times", s.memory.writes)
		}
		s.memory.broken = errors.New("disk full")
		time.Sleep(2 * time.Second)
		s.looks(map[string]string{"h1": "dead", "h2": "alive"})
		if got := s.wishes(); got != "start web1 on h2" {
			t.Errorf("with a full disk it wants %q", got)
		}
		s.memory.broken = nil
		time.Sleep(2 * time.Second)
		s.looks(map[string]string{"h1": "dead", "h2": "alive"})
		if len(s.memory.kept.Troubles) != 1 {
			t.Errorf("when there is room again: %+v", s.memory.kept)
		}
	})
}

// Prometheus was dead as well when the server began: it is asked once more when it is back.
func TestWhatPrometheusDidNotAnswerIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t)
		died := time.Now()
		time.Sleep(20 * time.Minute)
		s.room.seen = func() cluster.Snapshot { return cluster.Snapshot{} }
		s.past = func(time.Time) (cluster.Snapshot, error) { return cluster.Snapshot{}, errors.New("no route") }
		for range 2 {
			s.looks(map[string]string{"h1": "dead", "h2": "alive"})
			time.Sleep(2 * time.Second)
		}
		s.past = func(at time.Time) (cluster.Snapshot, error) {
			if at.After(died) {
				return snapshot(at, "h1"), nil
			}
			return snapshot(at), nil
		}
		for range 2 {
			s.looks(map[string]string{"h1": "dead", "h2": "alive"})
			time.Sleep(2 * time.Second)
		}
		if got := s.wishes(); got != "start web1 on h2" {
			t.Errorf("it wants %q, waiting: %+v", got, s.room.Waiting())
		}
	})
}

// A server that starts after the failure asks Prometheus what ran on a host that it never heard.
func TestAServerThatStartsAfterTheFailureLooksBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t)
		died := time.Now()
		time.Sleep(20 * time.Minute)
		s.past = func(at time.Time) (cluster.Snapshot, error) {
			if at.After(died) {
				return snapshot(at, "h1"), nil
			}
			return snapshot(at), nil
		}
		s.room.seen = func() cluster.Snapshot { return snapshot(time.Now(), "h1") }
		s.looks(map[string]string{"h1": "dead", "h2": "alive"})
		time.Sleep(2 * time.Second)
		s.looks(map[string]string{"h1": "dead", "h2": "alive"})
		if got := s.wishes(); got != "start web1 on h2" {
			t.Errorf("it wants %q, waiting: %+v", got, s.room.Waiting())
		}
		seen, err := s.room.Snapshot(context.Background(), time.Now())
		if vm, _ := seen.VM("v1"); err != nil || vm.MemoryBytes != gib || vm.Host != "" || vm.State != cluster.VMShutoff || seen.GapOf(cluster.VMSubject("v1")) != "" {
			t.Errorf("the gates see %+v %v", vm, err)
		}
	})
}

func TestWithoutASnapshotNothingIsDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t)
		s.looks(map[string]string{"h1": "alive", "h2": "alive"})
		s.past = func(time.Time) (cluster.Snapshot, error) { return cluster.Snapshot{}, errors.New("no route") }
		time.Sleep(2 * time.Second)
		began := time.Now()
		for range 2 {
			s.looks(map[string]string{"h1": "dead", "h2": "alive"})
			time.Sleep(time.Second)
		}
		if got := s.wishes(); got != "" {
			t.Errorf("it wants %q", got)
		}
		if w := s.room.Waiting(); len(w) != 1 || w[0].Subject != "cluster" || !w[0].Stuck || !w[0].Since.Equal(began) || !strings.Contains(w[0].Reason, "is Prometheus reachable") {
			t.Errorf("what waits is %+v", w)
		}
		s.past = func(at time.Time) (cluster.Snapshot, error) { return snapshot(at, "h1"), nil }
		s.looks(map[string]string{"h1": "dead", "h2": "alive"})
		if got, w := s.wishes(), s.room.Waiting(); got != "start web1 on h2" || len(w) != 0 {
			t.Errorf("with a snapshot it wants %q, and what waits is %+v", got, w)
		}
	})
}

// The definition of a VM is taken from where it runs. What another host has of it is left over, and must not take its place.
func TestDefinitionsAreTakenFromWhereTheVMRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t)
		s.looks(map[string]string{"h1": "alive", "h2": "alive"})
		s.defined["h1"] = []cluster.Definition{{VM: "v1", Name: "web1", Host: "h1", XML: "new"}}
		s.defined["h2"] = []cluster.Definition{{VM: "v1", Name: "web1", Host: "h2", XML: "old"}, {VM: "v2", Name: "off", Host: "h2", XML: "x"}}
		for _, roll := range s.rolls {
			if s.room.keeping.due(roll, time.Minute) {
				s.room.keeping.take(context.Background(), roll.Host, s.rolls, nil)
			}
		}
		var kept []string
		for _, d := range s.stored {
			kept = append(kept, d.Name+" of "+d.Host)
		}
		if got := strings.Join(kept, ", "); got != "web1 of h1, off of h2" {
			t.Errorf("kept: %s", got)
		}
		if !s.room.Kept("v2") || s.room.Kept("v3") {
			t.Error("what is kept is not known")
		}
		if s.room.keeping.due(s.rolls[0], time.Minute) {
			t.Error("it is read again at once")
		}
		s.rolls[0].VMs = append(slices.Clone(s.rolls[0].VMs), cluster.VMSeen{VM: "v9", Name: "young", State: cluster.VMRunning})
		time.Sleep(readAgain)
		if !s.room.keeping.due(s.rolls[0], time.Minute) {
			t.Error("a new VM waits for the next round")
		}
	})
}

// What is started here again must not be started by its host as well; what is not looked after here is the host's to start.
func TestHostsDoNotStartByThemselvesWhatIsStartedHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t)
		s.looks(map[string]string{"h1": "alive", "h2": "alive"})
		s.defined["h1"] = []cluster.Definition{{VM: "v1", Name: "web1", Host: "h1", Autostart: true}, {VM: "v7", Name: "strange", Host: "h1", Autostart: true}}
		for _, c := range []struct {
			take     bool
			priority string
			want     string
		}{{false, "", ""}, {true, cluster.RestartDisabled, ""}, {true, "", "h1 v1"}} {
			s.took = nil
			s.room.policy.TakeAutostart, s.room.policy.Recovery.Priorities = c.take, map[string]string{"web1": c.priority}
			s.room.keeping.take(context.Background(), "h1", s.rolls, s.room.autostarters())
			if got := strings.Join(s.took, ", "); got != c.want {
				t.Errorf("%+v: %q", c, got)
			}
		}
	})
}

func TestASilentGuestIsDecidedAboutWhileItsSignsAreFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := set(t)
		s.room.policy.Recovery.Guests = recovery.Guests{Default: recovery.Sensitivities()["high"], Window: 2 * time.Minute}
		well := map[string]string{"h1": "alive", "h2": "alive"}
		s.looks(well)
		time.Sleep(time.Hour)
		s.looks(well)
		s.guests = []cluster.GuestSigns{{VM: "v1", Connected: true, SilentSeconds: cluster.Known(40), DiskRequests: cluster.Known(0), PacketsSent: cluster.Known(0), VCPUs: []float64{0}}}
		s.room.lookAtGuests(t.Context())
		s.looks(well)
		if got := s.wishes(); got != "reset web1 on h1" {
			t.Errorf("advised: %q", got)
		}
		s.broken = errors.New("Prometheus is gone")
		time.Sleep(10 * time.Second)
		s.room.lookAtGuests(t.Context())
		s.looks(well)
		if got := s.wishes(); got != "reset web1 on h1" {
			t.Errorf("one question was not answered: %q", got)
		}
		time.Sleep(10 * time.Second)
		s.looks(well)
		if got := s.wishes(); got != "" {
			t.Errorf("advised by signs that are 20 s old: %q", got)
		}
	})
}

package actuator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"
)

// stage is a small world: two VMs on h1, an empty h2, and hypervisors that do what they are told.
type stage struct {
	mu       sync.Mutex
	recs     []cluster.Recommendation
	at       map[string]string // where each VM runs
	job      map[string]bool
	silent   map[string]bool
	lost     string // the VM that no host says anything about
	blind    error
	blinded  time.Time     // since when
	slow     time.Duration // how long a look takes
	migrated []string
	aborted  []string
	gaps     []cluster.Gap
	hang     chan struct{} // what appending waits for
	demand   map[string]float64
	states   map[string]cluster.VMState // of VMs that do not run
	// migrate is what a migration does; by default it takes 5 s and succeeds.
	migrate func(ctx context.Context, a cluster.Action) error
	entries [][]byte
	full    error // what appending fails with
	fullAt  cluster.EntryKind
}

func newStage() *stage {
	s := &stage{at: map[string]string{"v1": "h1", "v2": "h1"}, job: map[string]bool{}, silent: map[string]bool{}, states: map[string]cluster.VMState{}}
	s.migrate = func(ctx context.Context, a cluster.Action) error {
		if pause(ctx, 5*time.Second); ctx.Err() != nil {
			return ctx.Err()
		}
		s.set(a.VM, a.To)
		return nil
	}
	return s
}

// with changes the stage while actors are on it.
func (s *stage) with(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// state is how the VM stands. The caller holds mu.
func (s *stage) state(vm string) cluster.VMState {
	if st, ok := s.states[vm]; ok {
		return st
	}
	return cluster.VMRunning
}

// moves lists the VMs whose migrations were begun, in order.
func (s *stage) moves() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.migrated)
}

func (s *stage) where(vm string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at[vm]
}

func (s *stage) set(vm, host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[vm] = host
}

func (s *stage) Recommendations() []cluster.Recommendation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.recs)
}

func (s *stage) Judged() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blind != nil {
		return s.blinded
	}
	return time.Now()
}

func (s *stage) advise(vm string, life time.Duration, after ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := cluster.Recommendation{Policy: "balance", Priority: 2, Made: time.Now(), Expires: time.Now().Add(life), DependsOn: after,
		Action:  cluster.Action{Kind: cluster.Migrate, VM: vm, Name: "name-" + vm, From: "h1", To: "h2"},
		Effects: []cluster.Effect{{Host: "h2", Name: cluster.CPUUtilisation, Before: 0, After: 0.25}}}.Identified()
	s.recs = append(s.recs, r)
	return r.ID
}

// notForGain has all that is advised be for another reason than gain, so that one may be approved while another is
// under way, and returns the IDs.
func (s *stage) notForGain() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for i := range s.recs {
		s.recs[i].Policy = "quarantine"
		s.recs[i] = s.recs[i].Identified()
		ids = append(ids, s.recs[i].ID)
	}
	return ids
}

func (s *stage) Snapshot(_ context.Context, at time.Time) (cluster.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := cluster.Snapshot{Cluster: "c", At: at, Gaps: slices.Clone(s.gaps)}
	for _, h := range []string{"h1", "h2", "h3"} {
		snap.Hosts = append(snap.Hosts, cluster.Host{ID: h, State: cluster.HostUp, CPUCores: 4, MemoryBytes: 16 << 30})
	}
	for _, v := range []string{"v1", "v2"} {
		snap.VMs = append(snap.VMs, cluster.VM{ID: v, Name: "name-" + v, Host: s.at[v], State: s.state(v), VCPUs: 1, CPUDemandCores: max(1, s.demand[v]), MemoryBytes: 1 << 30, Movable: true})
	}
	return snap, s.blind
}

func (s *stage) Look(ctx context.Context, a cluster.Action, hosts []string) cluster.Sighting {
	vm := a.VM
	pause(ctx, s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := cluster.Sighting{VM: vm}
	for _, h := range hosts {
		switch {
		case s.silent[h] || s.lost == vm:
			seen.Silent = append(seen.Silent, cluster.Gap{Subject: cluster.HostSubject(h), Reason: "no route"})
		case s.at[vm] == h:
			seen.Hosts = append(seen.Hosts, cluster.SightingHost{Host: h, State: s.state(vm), Defined: true, Job: s.job[vm], Name: "name-" + vm})
		default:
			seen.Hosts = append(seen.Hosts, cluster.SightingHost{Host: h, State: cluster.VMShutoff})
		}
	}
	return seen
}

func (s *stage) Act(ctx context.Context, a cluster.Action, progress func(cluster.Progress)) error {
	s.mu.Lock()
	s.migrated = append(s.migrated, a.VM)
	if !s.intended(a.VM) {
		panic("a migration begins without an intent in the journal")
	}
	migrate := s.migrate
	if a.Kind != cluster.Migrate {
		migrate = func(context.Context, cluster.Action) error {
			s.with(func() { s.states[a.VM] = a.Leaves() })
			return nil
		}
	}
	s.mu.Unlock()
	progress(cluster.Progress{TotalBytes: 100, RemainingBytes: 60})
	return migrate(ctx, a)
}

// intended tells whether the journal holds an intent to move the VM that has no outcome yet.
func (s *stage) intended(vm string) bool {
	open := map[string]bool{}
	_ = s.Replay(func(e cluster.Entry) error {
		if e.Recommendation == nil || e.Recommendation.Action.VM == vm {
			open[e.ID] = e.Kind == cluster.EntryIntent
		}
		return nil
	})
	return slices.Contains(slices.Collect(maps.Values(open)), true)
}

func (s *stage) Abort(_ context.Context, a cluster.Action) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aborted = append(s.aborted, a.VM)
	s.job[a.VM] = false
	return nil
}

func (s *stage) Completed(context.Context, string, string) (cluster.Progress, error) {
	return cluster.Progress{TransferredBytes: 100, DowntimeSeconds: 0.05}, nil
}

func (s *stage) Append(e cluster.Entry) (cluster.Entry, error) {
	s.mu.Lock()
	hang := s.hang
	s.mu.Unlock()
	if hang != nil {
		<-hang
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full != nil && (s.fullAt == cluster.EntryNone || s.fullAt == e.Kind) {
		return cluster.Entry{}, s.full
	}
	e.Seq = uint64(len(s.entries) + 1)
	b, err := json.Marshal(e)
	if err == nil {
		s.entries = append(s.entries, b)
	}
	return e, err
}

func (s *stage) Replay(f func(cluster.Entry) error) error {
	for _, b := range s.entries {
		var e cluster.Entry
		if err := json.Unmarshal(b, &e); err != nil {
			return err
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) kinds() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kinds []string
	_ = s.Replay(func(e cluster.Entry) error { kinds = append(kinds, e.Kind.String()); return nil })
	return kinds
}

func policy(level cluster.Level) Policy {
	return Policy{Settle: 20 * time.Second, Timeout: 10 * time.Minute, Gate: gate.Policy{Level: level, MaxDataAge: time.Minute, FailureCoolDown: 15 * time.Minute, RejectionCoolDown: 24 * time.Hour,
		Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}, Parallel: gate.Parallel{Host: 1}}}
}

// running starts an actuator on the stage and returns it with what ends it, as a crash does:
// without a word.
func running(t *testing.T, s *stage, level cluster.Level) (*Actuator, *prometheus.Registry, func()) {
	t.Helper()
	reg := prometheus.NewRegistry()
	a, err := New(s, s, s, s, policy(level), slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	synctest.Wait()
	return a, reg, stop
}

func approve(a *Actuator, id string) error {
	_, err := a.Approve(context.Background(), id, cluster.Approval{Who: "alice", Via: "test", At: time.Now()})
	return err
}

func state(t *testing.T, a *Actuator, id string) cluster.CaseState {
	t.Helper()
	c, err := a.Case(id)
	if err != nil {
		t.Fatal(err)
	}
	return c.State
}

func TestFromAdviceToMeasurement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		id := s.advise("v1", time.Hour)
		a, reg, _ := running(t, s, cluster.LevelManual)
		time.Sleep(10 * time.Second)
		if len(s.moves()) > 0 || state(t, a, id) != cluster.CaseOpen {
			t.Fatal("it acts before anybody approved")
		}
		if err := approve(a, id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if c, _ := a.Case(id); c.State != cluster.CaseRunning || c.Progress.Ratio() != 0.4 {
			t.Errorf("in the middle it is %s, %v copied", c.State, c.Progress.Ratio())
		}
		time.Sleep(time.Minute)
		c, _ := a.Case(id)
		if c.State != cluster.CaseDone || c.Outcome.RunsOn != "h2" || c.Outcome.Job.TransferredBytes != 100 {
			t.Errorf("it ended as %+v", c)
		}
		if c.Measured == nil || c.Measured.Effects[0] != (cluster.Effect{Host: "h2", Name: cluster.CPUUtilisation, Before: 0.25, After: 0.25}) {
			t.Errorf("measured %+v", c.Measured)
		}
		if got := strings.Join(s.kinds(), " "); got != "approved intent outcome measured" {
			t.Errorf("the journal says %s", got)
		}
		want := `# HELP evenkeel_actions_total Actions that ended, by kind and result. Those of unknown outcome are not among them: see evenkeel_recommendations{state="unknown"}.
# TYPE evenkeel_actions_total counter
`
		for _, kind := range cluster.Kinds() {
			for _, result := range []string{"done", "failed", "refused"} {
				n := 0
				if kind == "migrate" && result == "done" {
					n = 1
				}
				want += fmt.Sprintf("evenkeel_actions_total{kind=%q,result=%q} %d\n", kind, result, n)
			}
		}
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "evenkeel_actions_total"); err != nil {
			t.Error(err)
		}
	})
}

func TestNoJournalNoAct(t *testing.T) {
	for _, at := range []cluster.EntryKind{cluster.EntryApproved, cluster.EntryIntent} {
		t.Run(at.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				s.full, s.fullAt = errors.New("no space left on device"), at
				id := s.advise("v1", time.Hour)
				a, _, _ := running(t, s, cluster.LevelManual)
				err := approve(a, id)
				if at == cluster.EntryApproved && (err == nil || !strings.Contains(err.Error(), "no space left")) {
					t.Errorf("the approval gives %v", err)
				}
				time.Sleep(time.Minute)
				if len(s.moves()) > 0 {
					t.Error("it acted without a journal")
				}
			})
		})
	}
}

func TestAnOutcomeThatCannotBeWrittenIsKeptUntilItCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		id := s.advise("v1", time.Hour)
		a, _, _ := running(t, s, cluster.LevelManual)
		s.with(func() { s.full, s.fullAt = errors.New("no space left on device"), cluster.EntryOutcome })
		if err := approve(a, id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := state(t, a, id); got != cluster.CaseRunning {
			t.Errorf("without a journal it is %s", got)
		}
		s.with(func() { s.full = nil })
		time.Sleep(time.Minute)
		if got := state(t, a, id); got != cluster.CaseDone || len(s.moves()) != 1 {
			t.Errorf("it is %s after %d migrations", got, len(s.moves()))
		}
	})
}

func TestTheGatesAreAskedAgainJustBeforeActing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.advise("v1", time.Hour)
		s.advise("v2", time.Hour)
		ids := s.notForGain()
		a, _, _ := running(t, s, cluster.LevelManual)
		for _, id := range ids {
			if err := approve(a, id); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second) // the first is under way, one at a time
		moved := s.moves()[0]
		other := map[string]string{"v1": "v2", "v2": "v1"}[moved]
		s.set(other, "h2") // somebody moves the other by hand
		time.Sleep(time.Minute)
		if len(s.moves()) != 1 {
			t.Errorf("migrated %v", s.moves())
		}
		refused := a.List(func(c cluster.Case) bool { return c.State == cluster.CaseRefused })
		if len(refused) != 1 || refused[0].Outcome.Result != cluster.ResultRefused || !strings.Contains(refused[0].Outcome.Reason, "somebody moved it") {
			t.Errorf("refused: %+v", refused)
		}
	})
}

func TestARefusalAtTheClickLeavesTheCaseOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		id := s.advise("v1", time.Hour)
		a, reg, _ := running(t, s, cluster.LevelManual)
		s.with(func() { s.blind = errors.New("connection refused") })
		if err := approve(a, id); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("the approval gives %v", err)
		}
		c, _ := a.Case(id)
		if c.State != cluster.CaseOpen || c.Approval != nil || len(c.Verdicts) != len(gate.All()) {
			t.Errorf("the case is %+v", c)
		}
		if n := testutil.ToFloat64(a.metrics.refusals.WithLabelValues("freshness")); n != 1 {
			t.Errorf("the freshness gate counts %v refusals", n)
		}
		_ = reg
		s.with(func() { s.blind = nil })
		if err := approve(a, id); err != nil {
			t.Errorf("when Prometheus is back: %v", err)
		}
		time.Sleep(time.Minute)
		if got := state(t, a, id); got != cluster.CaseDone {
			t.Errorf("it is %s", got)
		}
	})
}

func TestWhatCannotBeDecidedAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		expired := s.advise("v1", time.Minute)
		rejected := s.advise("v2", time.Hour)
		a, _, _ := running(t, s, cluster.LevelManual)
		if _, err := a.Reject(rejected, cluster.Approval{Who: "bob", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		withdrawn := s.advise("v1", time.Hour)
		time.Sleep(2 * time.Second)
		s.with(func() { s.recs = nil })
		for id, want := range map[string]string{expired: "it expired at", rejected: "rejected by bob", withdrawn: "not advised any longer", "nonsense": "no such recommendation"} {
			if err := approve(a, id); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("approving %s gives %v, want %q", id, err, want)
			}
		}
		time.Sleep(time.Minute)
		if len(s.moves()) > 0 {
			t.Errorf("migrated %v", s.moves())
		}
		s.advise("v1", time.Hour)
		time.Sleep(3 * time.Hour)
		if _, err := a.Case(withdrawn); !errors.Is(err, ErrNotFound) {
			t.Errorf("what came to nothing is kept for ever: %v", err)
		}
		if _, err := a.Case(rejected); err != nil {
			t.Errorf("a decision is forgotten: %v", err)
		}
	})
}

func TestManyApprovalsAtOnceActOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.slow = time.Second // all of them find the case open
		id := s.advise("v1", time.Hour)
		a, _, _ := running(t, s, cluster.LevelManual)
		yes := make(chan error, 20)
		for range cap(yes) {
			go func() { yes <- approve(a, id) }()
		}
		accepted := 0
		for range cap(yes) {
			if <-yes == nil {
				accepted++
			}
		}
		time.Sleep(time.Minute)
		if accepted != 1 || len(s.moves()) != 1 {
			t.Errorf("%d approvals taken, %d migrations", accepted, len(s.moves()))
		}
	})
}

func TestWhatDependsOnAnotherWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		first := s.advise("v1", time.Hour)
		second := s.advise("v2", time.Hour, first)
		s.with(func() { // mandatory, so that nobody asks what both on one host are good for
			s.recs[1].Policy, s.recs[1].Priority = "evacuate", 1
			s.recs[1] = s.recs[1].Identified()
			second = s.recs[1].ID
		})
		a, _, _ := running(t, s, cluster.LevelManual)
		if err := approve(a, second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if len(s.moves()) > 0 {
			t.Fatal("it did not wait")
		}
		if err := approve(a, first); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if !slices.Equal(s.moves(), []string{"v1", "v2"}) {
			t.Errorf("migrated %v", s.moves())
		}
	})
}

func TestAtLevelFullItActsByItselfAndRepeatsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.migrate = func(context.Context, cluster.Action) error { return errors.New("host is full") }
		s.advise("v1", time.Minute)
		a, _, _ := running(t, s, cluster.LevelFull)
		time.Sleep(2 * time.Minute)
		s.advise("v1", time.Hour) // the same advice, made anew
		time.Sleep(10 * time.Minute)
		if len(s.moves()) != 1 {
			t.Fatalf("%d attempts within the cool-down", len(s.moves()))
		}
		time.Sleep(20 * time.Minute)
		if len(s.moves()) != 2 {
			t.Errorf("%d attempts after it", len(s.moves()))
		}
		failed := a.List(func(c cluster.Case) bool { return c.State == cluster.CaseFailed })
		if len(failed) != 2 || failed[0].Outcome.Reason != "host is full; it still runs on h1" {
			t.Errorf("failed: %+v", failed)
		}
	})
}

// The server dies in the middle of a migration. Whatever the hosts made of it, the next one finds
// out, records it, and does not begin it again.
func TestAfterARestart(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*stage)
		later     func(*stage)
		state     cluster.CaseState
		runsOn    string
		reason    string
	}{
		"it was finished": {func(s *stage) { s.at["v1"] = "h2" }, nil, cluster.CaseDone, "h2", "although: the server ended"},
		"it had failed":   {func(*stage) {}, nil, cluster.CaseFailed, "h1", "it still runs on h1"},
		"it goes on for longer than anybody waits": {func(s *stage) { s.job["v1"] = true }, func(s *stage) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.job["v1"], s.at["v1"] = false, "h2"
		}, cluster.CaseDone, "h2", ""},
		"the hosts are silent for long": {func(s *stage) { s.silent["h1"], s.silent["h2"] = true, true }, func(s *stage) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.silent, s.at["v1"] = map[string]bool{}, "h2"
		}, cluster.CaseDone, "h2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				id := s.advise("v1", time.Hour)
				a, _, stop := running(t, s, cluster.LevelManual)
				if err := approve(a, id); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				stop()
				s.with(func() { c.meanwhile(s) })
				a, _, _ = running(t, s, cluster.LevelManual)
				if c.later != nil {
					time.Sleep(4 * time.Minute)
					c.later(s)
				}
				time.Sleep(time.Minute)
				got, err := a.Case(id)
				if err != nil || got.State != c.state || got.Outcome.RunsOn != c.runsOn || !strings.Contains(got.Outcome.Reason, c.reason) {
					t.Errorf("%v: %s %+v", err, got.State, got.Outcome)
				}
				if len(s.moves()) != 1 {
					t.Errorf("%d migrations", len(s.moves()))
				}
			})
		})
	}
}

// While a migration is seen under way nothing else begins, however long it takes; when it is over
// its time it is aborted, also after a restart.
func TestAMigrationThatGoesOnAfterARestartIsWaitedForAndAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.advise("v1", time.Hour)
		s.advise("v2", time.Hour)
		ids := s.notForGain()
		a, _, stop := running(t, s, cluster.LevelManual)
		for _, id := range ids {
			if err := approve(a, id); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		stop()
		begun := s.moves()[0]
		s.with(func() { s.job[begun] = true })
		a, _, _ = running(t, s, cluster.LevelManual)
		time.Sleep(9 * time.Minute)
		if got := s.moves(); len(got) != 1 {
			t.Fatalf("migrations begun while one is under way: %v", got)
		}
		time.Sleep(3 * time.Minute)
		failed := a.List(func(c cluster.Case) bool { return c.State == cluster.CaseFailed })
		if len(s.aborted) == 0 || len(failed) != 1 || !strings.Contains(failed[0].Outcome.Reason, "aborted after the time limit of 10m") {
			t.Errorf("aborted %v, failed %+v", s.aborted, failed)
		}
		if got := s.moves(); len(got) != 2 {
			t.Errorf("afterwards %v", got)
		}
	})
}

func TestAVMThatRunsOnNeitherHostIsAFailureInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.migrate = func(_ context.Context, a cluster.Action) error { s.set(a.VM, ""); return errors.New("guest shut down") }
		id := s.advise("v1", time.Hour)
		a, _, _ := running(t, s, cluster.LevelManual)
		if err := approve(a, id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if c, _ := a.Case(id); c.State != cluster.CaseFailed || !strings.Contains(c.Outcome.Reason, "it runs on neither host") {
			t.Errorf("%s %+v", c.State, c.Outcome)
		}
	})
}

func TestANoBeatsWhatIsAboutToHappen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.slow = 5 * time.Second
		id := s.advise("v1", time.Minute)
		a, _, _ := running(t, s, cluster.LevelFull)
		time.Sleep(3 * time.Second) // the gates are being asked
		if _, err := a.Reject(id, cluster.Approval{Who: "bob", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		s.advise("v1", 48*time.Hour) // the same move under another ID
		time.Sleep(10 * time.Hour)
		if got := s.moves(); len(got) > 0 || state(t, a, id) != cluster.CaseRejected {
			t.Fatalf("bob said no, and yet: %v", got)
		}
		time.Sleep(15 * time.Hour)
		if got := s.moves(); len(got) != 1 {
			t.Errorf("a day later: %v", got)
		}
	})
}

func TestWhatWaitsForItsTurnCanBeTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.advise("v1", time.Hour)
		s.advise("v2", time.Hour)
		ids := s.notForGain()
		a, _, _ := running(t, s, cluster.LevelManual)
		for _, id := range ids {
			if err := approve(a, id); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		waiting := a.List(func(c cluster.Case) bool { return c.State == cluster.CaseApproved })
		if len(waiting) != 1 {
			t.Fatalf("%d wait", len(waiting))
		}
		if _, err := a.Reject(waiting[0].Recommendation.ID, cluster.Approval{Who: "bob", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := s.moves(); len(got) != 1 {
			t.Errorf("migrated %v", got)
		}
	})
}

// The second step has no room on its target before the first has made some.
func TestAStepThatNeedsAnotherCanBeApprovedWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.at["v2"] = "h2"
		s.demand = map[string]float64{"v1": 2.6, "v2": 2.4}
		first := s.advise("v2", time.Hour)
		s.with(func() {
			s.recs[0].Action.From, s.recs[0].Action.To, s.recs[0].Priority = "h2", "h3", 2
			s.recs[0].Policy = "quarantine"
			s.recs[0] = s.recs[0].Identified()
			first = s.recs[0].ID
		})
		second := s.advise("v1", time.Hour, first)
		s.with(func() {
			s.recs[1].Policy = "quarantine" // which is not for gain
			s.recs[1] = s.recs[1].Identified()
			second = s.recs[1].ID
		})
		a, _, _ := running(t, s, cluster.LevelManual)
		if err := approve(a, second); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "h2 would need 5.00 cores") {
			t.Errorf("alone: %v", err)
		}
		for _, id := range []string{first, second} {
			if err := approve(a, id); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if got := s.moves(); !slices.Equal(got, []string{"v2", "v1"}) || state(t, a, second) != cluster.CaseDone {
			t.Errorf("migrated %v, the second is %s", got, state(t, a, second))
		}
	})
}

// A VM that may be on its way to a host takes room there as long as nobody knows.
func TestAnActionOfUnknownOutcomeTakesRoomOnItsTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.demand = map[string]float64{"v1": 2.6, "v2": 2.4}
		s.migrate = func(_ context.Context, a cluster.Action) error {
			s.with(func() { s.lost = a.VM })
			return errors.New("connection lost")
		}
		first := s.advise("v1", time.Hour)
		second := s.advise("v2", time.Hour)
		a, _, _ := running(t, s, cluster.LevelManual)
		if err := approve(a, first); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if got := state(t, a, first); got != cluster.CaseUnknown {
			t.Fatalf("the first is %s", got)
		}
		if err := approve(a, second); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "h2 would need 5.00 cores") {
			t.Errorf("%v", err)
		}
	})
}

func TestAMoveThatNoLongerHelpsIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		id := s.advise("v1", time.Hour)
		a, _, _ := running(t, s, cluster.LevelManual)
		s.set("v2", "h2") // one VM on each host: moving the other there would crowd it
		if err := approve(a, id); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "it would no longer help") {
			t.Errorf("%v", err)
		}
	})
}

func TestAnEffectIsNotMeasuredThroughAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		id := s.advise("v1", time.Hour)
		a, _, _ := running(t, s, cluster.LevelManual)
		if err := approve(a, id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		s.with(func() { s.gaps = []cluster.Gap{{Subject: "host/h2", Reason: "exporter down"}} })
		time.Sleep(5 * time.Minute)
		if c, _ := a.Case(id); c.State != cluster.CaseDone || c.Measured != nil {
			t.Errorf("%s, measured %+v", c.State, c.Measured)
		}
		s.with(func() { s.gaps = nil })
		time.Sleep(time.Minute)
		if c, _ := a.Case(id); c.Measured == nil {
			t.Error("it is never measured")
		}
	})
}

func TestAHungDiskHoldsUpNobodyWhoOnlyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		id := s.advise("v1", time.Hour)
		a, reg, _ := running(t, s, cluster.LevelManual)
		s.with(func() { s.hang = make(chan struct{}) })
		done := make(chan error)
		go func() { done <- approve(a, id) }()
		time.Sleep(10 * time.Second)
		if len(a.List(func(cluster.Case) bool { return true })) != 1 {
			t.Error("no case is listed")
		}
		if _, err := reg.Gather(); err != nil {
			t.Error(err)
		}
		close(s.hang)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// The law: a server that starts knows of every case that anybody decided or that was begun exactly
// what the one before it knew.
func TestLawReplayIsLife(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		deeds := rapid.SliceOfN(rapid.SampledFrom([]string{"approve v1", "approve v2", "reject v1", "reject v2", "blind", "see", "fail", "wait"}), 1, 12).Draw(rt, "deeds")
		var problem string
		synctest.Test(t, func(t *testing.T) { problem = compareLives(t, deeds) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

func compareLives(t *testing.T, deeds []string) string {
	s := newStage()
	ids := map[string]string{"v1": s.advise("v1", time.Hour), "v2": s.advise("v2", time.Hour)}
	a, _, stop := running(t, s, cluster.LevelManual)
	for _, deed := range deeds {
		word, vm, _ := strings.Cut(deed, " ")
		switch word {
		case "approve":
			_ = approve(a, ids[vm])
		case "reject":
			_, _ = a.Reject(ids[vm], cluster.Approval{Who: "bob", At: time.Now()})
		case "blind":
			s.with(func() { s.blind = errors.New("no Prometheus") })
		case "see":
			s.with(func() { s.blind = nil })
		case "fail":
			s.with(func() { s.migrate = func(context.Context, cluster.Action) error { return errors.New("no room") } })
		case "wait":
			time.Sleep(time.Minute)
		}
	}
	time.Sleep(time.Minute)
	known := func(a *Actuator) string {
		text := ""
		for _, c := range a.List(func(c cluster.Case) bool { return c.Outcome != nil || c.Approval != nil || len(c.Verdicts) > 0 }) {
			c.Progress = cluster.Progress{} // what is seen on the way is not kept
			b, err := json.Marshal(c)
			if err != nil {
				return err.Error()
			}
			text += string(b) + "\n"
		}
		return text
	}
	before := known(a)
	stop()
	b, err := New(s, s, s, s, policy(cluster.LevelManual), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return err.Error()
	}
	if after := known(b); after != before {
		return fmt.Sprintf("before:\n%s\nafter:\n%s", before, after)
	}
	return ""
}

// The law: whatever is approved and wherever the server is killed, no action is begun twice, and
// every one that was begun has an outcome in the end.
func TestLawARestartRepeatsNothingAndForgetsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lives := rapid.SliceOfN(rapid.IntRange(0, 15), 1, 5).Draw(rt, "lives")
		takes := rapid.IntRange(0, 9).Draw(rt, "takes")
		goesOn := rapid.Bool().Draw(rt, "goes on without the server")
		fails := rapid.Bool().Draw(rt, "fails")
		var problem string
		synctest.Test(t, func(t *testing.T) { problem = liveThrough(t, lives, takes, goesOn, fails) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

func liveThrough(t *testing.T, lives []int, takes int, goesOn, fails bool) string {
	s := newStage()
	s.migrate = func(ctx context.Context, a cluster.Action) error {
		over := make(chan struct{})
		s.mu.Lock()
		s.job[a.VM] = true
		s.mu.Unlock()
		host := ctx
		if goesOn {
			host = context.Background()
		}
		go func() { // the hosts, whom the server's death does not concern, or does
			defer close(over)
			pause(host, time.Duration(takes)*time.Second)
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.job[a.VM] = false; !fails && host.Err() == nil {
				s.at[a.VM] = a.To
			}
		}()
		select {
		case <-over:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ids := []string{s.advise("v1", time.Hour), s.advise("v2", time.Hour)}
	s.with(func() { // elsewhere, so that it helps whatever became of the first
		s.recs[1].Action.To = "h3"
		s.recs[1] = s.recs[1].Identified()
		ids[1] = s.recs[1].ID
	})
	for _, seconds := range lives {
		a, _, kill := running(t, s, cluster.LevelManual)
		for _, id := range ids {
			_ = approve(a, id) // refused in later lives
		}
		time.Sleep(time.Duration(seconds) * time.Second)
		kill()
	}
	a, _, kill := running(t, s, cluster.LevelManual)
	time.Sleep(10 * time.Minute)
	defer kill()
	for _, vm := range []string{"v1", "v2"} {
		begun := 0
		for _, m := range s.moves() {
			if m == vm {
				begun++
			}
		}
		if begun > 1 {
			return fmt.Sprintf("moving %s was begun %d times", vm, begun)
		}
	}
	for _, id := range ids {
		c, err := a.Case(id)
		if err != nil {
			return err.Error()
		}
		if c.State.Pending() || c.State == cluster.CaseUnknown {
			return fmt.Sprintf("%s is %s in the end", c.Recommendation.Action, c.State)
		}
		if c.State == cluster.CaseDone && s.where(c.Recommendation.Action.VM) != c.Recommendation.Action.To {
			return "it is recorded as done and is not"
		}
	}
	return ""
}

package runbook_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/actuator/runbook"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
)

const secret = "0123456789abcdef0123"

// stage is two hosts, three VMs that run nowhere, and hypervisors that do what they are told; between them and what is tested
// stand the actuator and the journal as they are.
type stage struct {
	t     *testing.T
	level cluster.Level
	file  *journal.Journal

	mu      sync.Mutex
	vms     map[string]*cluster.VM
	acted   []string // what the hypervisors were told, in order
	broken  bool     // they do nothing
	blind   error
	holds   map[string]bool // by query
	asked   []string
	told    []string
	full    error // what the journal answers
	left    int   // appends until it dies, -1 for never
	dead    bool
	entries []cluster.Entry

	desk *actuator.Actuator
	room *runbook.Room
	reg  *prometheus.Registry
	stop func()
}

func newStage(t *testing.T, level cluster.Level, books ...runbook.Runbook) *stage {
	t.Helper()
	file, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	s := &stage{t: t, level: level, file: file, vms: map[string]*cluster.VM{}, holds: map[string]bool{}, left: -1}
	for i := range 9 {
		id := fmt.Sprintf("v%d", i+1)
		s.vms[id] = &cluster.VM{ID: id, Name: "name-" + id, Host: "h1", State: cluster.VMShutoff, VCPUs: 1, MemoryBytes: 1 << 20, Movable: true}
	}
	s.start(books...)
	return s
}

// start starts what is tested, as a start of the server does.
func (s *stage) start(books ...runbook.Runbook) {
	s.t.Helper()
	log := slog.New(slog.DiscardHandler)
	p := actuator.Policy{Settle: time.Hour, Timeout: time.Minute, Gate: gate.Policy{Level: s.level, MaxDataAge: time.Minute, Limits: cluster.Limits{MaxCPUUtilisation: 1, MaxMemoryUtilisation: 1}}}
	a, err := actuator.New(nobody{}, s, s, s, p, log, prometheus.NewRegistry())
	if err != nil {
		s.t.Fatal(err)
	}
	s.reg = prometheus.NewRegistry()
	room, err := runbook.New(runbook.House{Desk: a, World: s, Advisor: s, Prometheus: s, Journal: s, Crier: s}, log, s.reg)
	if err == nil {
		err = room.Configure(books, secret)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.desk, s.room = a, room
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	wg.Go(func() { _ = room.Run(ctx) })
	s.stop = func() { cancel(); wg.Wait() }
}

// restart kills the server and starts it again.
func (s *stage) restart(books ...runbook.Runbook) {
	s.t.Helper()
	s.stop()
	s.with(func() { s.dead, s.left, s.full = false, -1, nil })
	s.start(books...)
}

func (s *stage) with(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// nobody advises nothing.
type nobody struct{}

func (nobody) Recommendations() []cluster.Recommendation { return nil }
func (nobody) Judged() time.Time                         { return time.Now() }

func (s *stage) Snapshot(_ context.Context, at time.Time) (cluster.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := cluster.Snapshot{Cluster: "c", At: at}
	for _, h := range []string{"h1", "h2"} {
		snap.Hosts = append(snap.Hosts, cluster.Host{ID: h, State: cluster.HostUp, CPUCores: 4, MemoryBytes: 16 << 30})
	}
	for _, vm := range s.vms {
		snap.VMs = append(snap.VMs, *vm)
	}
	snap.Sort()
	return snap, s.blind
}

func (s *stage) Advise(snap cluster.Snapshot, want cluster.Action, why string, at time.Time) (cluster.Recommendation, error) {
	return plan.Ask(snap, want, why, plan.Policy{Lifetime: 15 * time.Minute}, at)
}

func (s *stage) Holds(ctx context.Context, query string, _ time.Time) (bool, error) {
	s.mu.Lock()
	s.asked = append(s.asked, query)
	holds, known := s.holds[query]
	s.mu.Unlock()
	if !known { // it hangs
		<-ctx.Done()
		return false, ctx.Err()
	}
	return holds, nil
}

func (s *stage) Tell(text string) { s.with(func() { s.told = append(s.told, text) }) }

func (s *stage) Look(_ context.Context, a cluster.Action, hosts []string) cluster.Sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := cluster.Sighting{VM: a.VM}
	for _, h := range []string{"h1", "h2"} {
		one := cluster.SightingHost{Host: h, State: cluster.VMShutoff}
		if vm := s.vms[a.VM]; vm != nil && vm.Host == h {
			one.State, one.Defined, one.Name = vm.State, true, vm.Name
		}
		seen.Hosts = append(seen.Hosts, one)
	}
	return seen
}

func (s *stage) Act(_ context.Context, a cluster.Action, _ func(cluster.Progress)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return errors.New("killed")
	}
	if s.broken {
		return errors.New("it does not start")
	}
	s.acted = append(s.acted, a.Kind.String()+" "+a.VM)
	if vm := s.vms[a.VM]; vm != nil {
		vm.State = a.Leaves()
	}
	return nil
}

func (s *stage) Abort(context.Context, cluster.Action) error { return nil }
func (s *stage) Completed(context.Context, string, string) (cluster.Progress, error) {
	return cluster.Progress{}, nil
}

// Append writes, until it is to die: what was written before that counts.
func (s *stage) Append(e cluster.Entry) (cluster.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full != nil || s.dead {
		return e, errors.Join(s.full, errors.New("no journal"))
	}
	e, err := s.file.Append(e)
	if err == nil {
		s.entries = append(s.entries, e)
	}
	if s.left--; s.left == 0 {
		s.dead = true
	}
	return e, err
}

func (s *stage) Replay(f func(cluster.Entry) error) error { return s.file.Replay(f) }

// alert is one as Alertmanager sends it.
func alert(status, name, vm string, since time.Time, more ...string) string {
	text := fmt.Sprintf(`"alertname": %q`, name)
	if vm != "" {
		text += fmt.Sprintf(`, "vm": %q`, vm)
	}
	for i := 0; i+1 < len(more); i += 2 {
		text += fmt.Sprintf(", %q: %q", more[i], more[i+1])
	}
	return fmt.Sprintf(`{"status": %q, "labels": {%s}, "annotations": {"summary": "x"}, "startsAt": %q, "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "aa"}`, status, text, since.Format(time.RFC3339Nano))
}

// send posts a notification, and returns the status.
func (s *stage) send(truncated int, alerts ...string) int {
	s.t.Helper()
	body := fmt.Sprintf(`{"version": "4", "groupKey": "{}:{alertname=\"x\"}", "truncatedAlerts": %d, "status": "firing", "receiver": "evenkeel", "alerts": [%s]}`, truncated, strings.Join(alerts, ","))
	return s.post(body, secret)
}

func (s *stage) post(body, token string) int {
	r := httptest.NewRequest(http.MethodPost, "/alertmanager/webhook", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.room.Handler().ServeHTTP(w, r)
	return w.Code
}

// accepted sends what has to be accepted.
func (s *stage) accepted(alerts ...string) {
	s.t.Helper()
	if status := s.send(0, alerts...); status != http.StatusOK {
		s.t.Fatalf("the webhook answers %d", status)
	}
}

// done lists what the hypervisors were told.
func (s *stage) done() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.acted, ", ")
}

func (s *stage) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.told, "\n")
}

// states lists how the runs stand, the oldest first.
func (s *stage) states() string {
	var list []string
	for _, run := range s.room.Runs() {
		list = append(list, run.State.String())
	}
	slices.Reverse(list)
	return strings.Join(list, " ")
}

// only is the only run.
func (s *stage) only() cluster.Run {
	s.t.Helper()
	runs := s.room.Runs()
	if len(runs) != 1 {
		s.t.Fatalf("there are %d runs: %+v", len(runs), runs)
	}
	return runs[0]
}

// open is the only case that waits for a word, or nothing.
func (s *stage) open() string {
	for _, c := range s.desk.List(func(c cluster.Case) bool { return c.State == cluster.CaseOpen }) {
		return c.Recommendation.ID
	}
	return ""
}

func (s *stage) approve() {
	s.t.Helper()
	if _, err := s.desk.Approve(context.Background(), s.open(), cluster.Approval{Who: "alice", Via: "test", At: time.Now()}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) metric(want string) {
	s.t.Helper()
	if err := testutil.GatherAndCompare(s.reg, strings.NewReader(want), strings.Fields(want)[2]); err != nil {
		s.t.Error(err)
	}
}

// the runbook of most tests.
func down(steps ...runbook.Step) runbook.Runbook {
	if len(steps) == 0 {
		steps = []runbook.Step{{Kind: runbook.Restart}, {Kind: runbook.Wait, Text: `up{vm="{{.vm}}"}`, For: 5 * time.Second, Timeout: time.Minute}, {Kind: runbook.Notify, Text: "{{.name}} ({{.vm}}) runs on {{.host}} again"}}
	}
	return runbook.Runbook{Name: "down", Match: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "alertname", "VMDown")}, AtOnce: 1, PerHour: 5, Alerts: 3,
		VMLabel: "vm", HostLabel: "host", NameLabel: "name", Steps: steps}
}

// scene runs a test on a clock of its own.
func scene(t *testing.T, level cluster.Level, book runbook.Runbook, play func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, level, book)
		defer func() { s.stop() }()
		play(s)
	})
}

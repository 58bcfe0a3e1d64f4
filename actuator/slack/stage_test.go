package slack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/actuator/memory"
	"github.com/evenkeel/evenkeel/actuator/slack"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/test/slackfake"
	"github.com/prometheus/client_golang/prometheus"
)

// The people.
const (
	alice   = "UALICE"
	bob     = "UBOB"
	mallory = "UMALLORY"
)

// world is a small cluster: VMs on h1, room on h2, and hypervisors that do what they are told.
type world struct {
	mu      sync.Mutex
	recs    []cluster.Recommendation
	at      map[string]string
	entries []cluster.Entry
	slow    chan struct{} // what a migration waits for
	fails   error
}

func (w *world) with(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) where(vm string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at[vm]
}

func (w *world) Recommendations() []cluster.Recommendation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.recs)
}

func (w *world) Judged() time.Time { return time.Now() }

// advise makes one plan that moves the VMs from h1 to h2, and returns the recommendations' IDs.
func (w *world) advise(life time.Duration, vms ...string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	made := time.Now()
	var ids []string
	for i, vm := range vms {
		r := recommendation(vm, made, life)
		r.Before.Score, r.After.Score = 70+float64(i), 71+float64(i)
		r = r.Identified()
		w.recs, ids = append(w.recs, r), append(ids, r.ID)
	}
	return ids
}

func recommendation(vm string, made time.Time, life time.Duration) cluster.Recommendation {
	return cluster.Recommendation{
		Cluster: "prod", Policy: "quarantine", Priority: 2, Reason: "h1 is <hot> & busy", Made: made, Expires: made.Add(life),
		Because: []cluster.Finding{{Detector: "imbalance", Subject: "host/h1", Reason: "h1 is used more than the rest",
			Evidence: []cluster.Evidence{{Name: "cpu_utilisation", Value: 0.92, Limit: cluster.Known(0.8), Query: `sum(evenkeel_vm_cpu) by (host) > 0`}}}},
		Action: cluster.Action{Kind: cluster.Migrate, VM: vm, Name: "name-" + vm, From: "h1", To: "h2"},
		Effects: []cluster.Effect{{Host: "h1", Name: cluster.CPUUtilisation, Before: 0.92, After: 0.71},
			{Host: "h1", Name: cluster.MemoryUtilisation, Before: 0.5, After: 0.4}, {Host: "h2", Name: cluster.CPUUtilisation, Before: 0, After: 0.25}},
		Candidates:       []cluster.Candidate{{Host: "h3", Reason: "it would be less even", Gain: cluster.Known(1.5)}, {Host: "h4", Constraint: "storage", Reason: "it lacks nfs1"}},
		PredictedSeconds: 12, PredictedDowntimeSeconds: 0.1, Gain: 3.2,
	}
}

func (w *world) Snapshot(_ context.Context, at time.Time) (cluster.Snapshot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	snap := cluster.Snapshot{Cluster: "prod", At: at}
	for _, h := range []string{"h1", "h2", "h3"} {
		snap.Hosts = append(snap.Hosts, cluster.Host{ID: h, State: cluster.HostUp, CPUCores: 64, MemoryBytes: 256 << 30})
	}
	for _, vm := range slices.Sorted(func(yield func(string) bool) {
		for vm := range w.at {
			if !yield(vm) {
				return
			}
		}
	}) {
		snap.VMs = append(snap.VMs, cluster.VM{ID: vm, Name: "name-" + vm, Host: w.at[vm], State: cluster.VMRunning, VCPUs: 1, CPUDemandCores: 1, MemoryBytes: 1 << 30, Movable: true})
	}
	return snap, nil
}

func (w *world) Look(_ context.Context, a cluster.Action, hosts []string) cluster.Sighting {
	vm := a.VM
	seen := cluster.Sighting{VM: vm}
	for _, h := range hosts {
		state := cluster.VMShutoff
		if w.where(vm) == h {
			state = cluster.VMRunning
		}
		seen.Hosts = append(seen.Hosts, cluster.SightingHost{Host: h, State: state, Name: "name-" + vm})
	}
	return seen
}

func (w *world) Act(ctx context.Context, a cluster.Action, progress func(cluster.Progress)) error {
	progress(cluster.Progress{TotalBytes: 100, RemainingBytes: 60})
	w.mu.Lock()
	slow, fails := w.slow, w.fails
	w.mu.Unlock()
	if slow != nil {
		select {
		case <-slow:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if fails != nil {
		return fails
	}
	w.with(func() { w.at[a.VM] = a.To })
	return nil
}

func (w *world) Abort(context.Context, cluster.Action) error { return nil }

func (w *world) Completed(context.Context, string, string) (cluster.Progress, error) {
	return cluster.Progress{TransferredBytes: 100 << 20, TotalBytes: 100 << 20, DowntimeSeconds: 0.05}, nil
}

func (w *world) Append(e cluster.Entry) (cluster.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.Seq = uint64(len(w.entries) + 1)
	w.entries = append(w.entries, e)
	return e, nil
}

func (w *world) Replay(f func(cluster.Entry) error) error {
	for _, e := range w.entries {
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

// entriesOf lists the journal's entries of a kind.
func (w *world) entriesOf(kind cluster.EntryKind) []cluster.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.entries), func(e cluster.Entry) bool { return e.Kind != kind })
}

// stage is a world, an actuator, a Slack that is not, and what is tested between them.
type stage struct {
	t     *testing.T
	world *world
	desk  *actuator.Actuator
	clerk *slack.Slack
	two   []string // the kinds that take two people
	fake  *slackfake.Fake
	o     slack.Options
	log   *buffer
	reg   *prometheus.Registry
	http  *httptest.Server
	stop  func()
}

// newStage sets the stage; change may change the options, or the world before it is looked at.
func newStage(t *testing.T, change func(*stage)) *stage {
	t.Helper()
	t.Parallel()
	s := &stage{t: t, world: &world{at: map[string]string{}}, fake: slackfake.Start(), log: &buffer{}}
	for i := range 60 {
		s.world.at[fmt.Sprintf("v%d", i)] = "h1"
	}
	t.Cleanup(s.fake.Close)
	t.Cleanup(func() {
		for _, secret := range []string{slackfake.BotToken, slackfake.AppToken, slackfake.SigningSecret} {
			if strings.Contains(s.log.String(), secret) {
				t.Error("the log holds a secret")
			}
		}
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
	s.o = slack.Options{
		BotToken: slackfake.BotToken, AppToken: slackfake.AppToken, SigningSecret: slackfake.SigningSecret, Channel: slackfake.ChannelName,
		Approvers: []string{alice, bob}, APIURL: s.fake.URL(), State: memory.File(filepath.Join(t.TempDir(), "slack.json")), Every: 20 * time.Millisecond, Timeout: time.Second,
	}
	if change != nil {
		change(s)
	}
	a, err := actuator.New(s.world, s.world, s.world, s.world, actuator.Policy{Settle: time.Second, Timeout: time.Minute, Gate: gate.Policy{
		Level: cluster.LevelManual, TwoPeople: s.two, MaxDataAge: time.Minute, FailureCoolDown: time.Minute, RejectionCoolDown: time.Hour,
		Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s.desk = a
	s.background(a.Run)
	s.start()
	return s
}

// start starts what is tested, as a restart of the server does.
func (s *stage) start() {
	s.t.Helper()
	s.eventually("an end of the old socket", func() bool { return !s.fake.Connected() })
	s.reg = prometheus.NewRegistry()
	one, err := slack.New(s.desk, s.o, slog.New(slog.NewTextHandler(s.log, nil)), s.reg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.clerk = one
	s.http = httptest.NewServer(one.Handler())
	s.t.Cleanup(s.http.Close)
	s.stop = s.background(one.Run)
	if s.o.AppToken != "" {
		s.eventually("a socket", s.fake.Connected)
	}
}

func (s *stage) background(run func(context.Context) error) func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil {
			s.t.Error(err)
		}
	}()
	stop := func() { cancel(); <-done }
	s.t.Cleanup(stop)
	return stop
}

// eventually waits until it holds.
func (s *stage) eventually(what string, holds func() bool) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("it never came to: %s\nSlack shows: %s", what, s.channel())
		}
	}
}

// message is the only one in the channel.
func (s *stage) message() slackfake.Message {
	s.t.Helper()
	s.eventually("one message", func() bool { return len(s.fake.Messages()) > 0 })
	all := s.fake.Messages()
	if len(all) != 1 {
		s.t.Fatalf("there are %d messages: %s", len(all), s.channel())
	}
	return all[0]
}

// shows waits until the newest message shows the text.
func (s *stage) shows(text string) slackfake.Message {
	s.t.Helper()
	var m slackfake.Message
	s.eventually("a message with "+text, func() bool {
		all := s.fake.Messages()
		if len(all) == 0 {
			return false
		}
		m = all[len(all)-1]
		return strings.Contains(m.Shows(), text)
	})
	return m
}

// replied waits until the thread of the newest message has the text.
func (s *stage) replied(text string) {
	s.t.Helper()
	s.eventually("a reply with "+text, func() bool {
		all := s.fake.Messages()
		return len(all) > 0 && strings.Contains(strings.Join(all[len(all)-1].Replies, "\n"), text)
	})
}

// whispered waits until the user has been told the text.
func (s *stage) whispered(user, text string) {
	s.t.Helper()
	s.eventually("a whisper to "+user+" with "+text, func() bool {
		return slices.ContainsFunc(s.fake.Whispers(), func(w slackfake.Whisper) bool { return w.User == user && strings.Contains(w.Text, text) })
	})
}

// channel is all that Slack holds, for whoever reads a failure.
func (s *stage) channel() string {
	text := ""
	for _, m := range s.fake.Messages() {
		text += fmt.Sprintf("\n--- %s, %d updates\n%s", m.TS, m.Updates, m.Shows())
		for _, r := range m.Replies {
			text += "  > " + r + "\n"
		}
	}
	return text + fmt.Sprintf("\nwhispers: %q", s.fake.Whispers())
}

// click waits for the button and clicks it, over the socket.
func (s *stage) click(user, action, value string) {
	s.t.Helper()
	s.button(action, value)
	if err := s.fake.Click(user, action, value); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) button(action, value string) {
	s.t.Helper()
	s.eventually("a button "+action, func() bool {
		_, err := s.fake.Payload(alice, action, value)
		return err == nil
	})
}

// payload is what a click on a button would send.
func (s *stage) payload(user, action, value string) []byte {
	s.t.Helper()
	s.button(action, value)
	payload, err := s.fake.Payload(user, action, value)
	if err != nil {
		s.t.Fatal(err)
	}
	return payload
}

// post sends the payload by HTTP and returns the status.
func (s *stage) post(payload []byte, at time.Time, secret string, change func(*http.Request)) int {
	s.t.Helper()
	r, err := slackfake.Request(s.http.URL, payload, at, secret)
	if err != nil {
		s.t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	return s.do(r)
}

func (s *stage) do(r *http.Request) int {
	s.t.Helper()
	began := time.Now()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if took := time.Since(began); took > 3*time.Second {
		s.t.Errorf("Slack waited %s for an answer, it gives up after 3 s", took)
	}
	return resp.StatusCode
}

// advise makes one plan in the world, and has the actuator see it at once.
func (s *stage) advise(life time.Duration, vms ...string) []string {
	ids := s.world.advise(life, vms...)
	_, _ = s.desk.Reject("nothing", cluster.Approval{At: time.Now()}) // before it decides anything it looks at the advice
	return ids
}

func (s *stage) state(id string) cluster.CaseState {
	s.t.Helper()
	c, err := s.desk.Case(id)
	if err != nil {
		s.t.Fatal(err)
	}
	return c.State
}

// metric reads a metric by its name and labels, as name{label="value"}.
func (s *stage) metric(want string) float64 {
	s.t.Helper()
	families, err := s.reg.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := f.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			if name == want {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	s.t.Fatalf("there is no %s", want)
	return 0
}

// counts waits until a metric has a value.
func (s *stage) counts(name string, want float64) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%s = %v", name, want), func() bool { return s.metric(name) == want })
}

// buffer takes log lines from several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// form fills in and submits the newest form.
func (s *stage) form(reason string) {
	s.t.Helper()
	s.eventually("a form", func() bool { return len(s.fake.Views()) > 0 })
	views := s.fake.Views()
	payload, err := views[len(views)-1].Submission("reason", "reason", reason)
	if err == nil {
		err = s.fake.Send(payload)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// changed is a payload with one field changed.
func changed(t *testing.T, payload []byte, change func(map[string]any)) []byte {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(payload, &fields); err != nil {
		t.Fatal(err)
	}
	change(fields)
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

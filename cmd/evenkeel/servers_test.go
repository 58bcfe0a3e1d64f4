package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/evenkeel/evenkeel/internal/relaytest"
	"github.com/evenkeel/evenkeel/internal/simulator"
)

// startEtcd starts a real etcd and returns its address and its process.
func startEtcd(t *testing.T) (string, *os.Process) {
	t.Helper()
	client, peer := relaytest.FreeAddress(t), relaytest.FreeAddress(t)
	cmd := exec.Command("etcd", "--data-dir", t.TempDir(), "--logger", "zap", "--log-level", "error", "--listen-client-urls", "http://"+client,
		"--advertise-client-urls", "http://"+client, "--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "default=http://"+peer)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; install it: test/install test", err)
	}
	t.Cleanup(func() {
		_, _ = cmd.Process.Kill(), cmd.Wait()
		if t.Failed() {
			t.Logf("etcd said:\n%s", log.String())
		}
	})
	return client, cmd.Process
}

// company is several servers in this process, which look after one simulated cluster.
type company struct {
	live   *simulator.Live
	config string
	store  string
	key    string // of the definitions, which the servers share; empty before the first has made it
}

// member is one of them.
type member struct {
	node   *node
	client *api.Client
	url    string
	end    func()
}

// newCompany has a simulated cluster and a real etcd for servers that are still to be started.
func newCompany(t *testing.T) (*company, *os.Process) {
	t.Helper()
	live, hosts, err := demoCluster(60)
	if err != nil {
		t.Fatal(err)
	}
	exporters, err := listenExporters(live, hosts, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, exporters.run, clockwork(live))
	address, process := startEtcd(t)
	return &company{live: live, config: write(t, filepath.Join(t.TempDir(), "evenkeel.yml"), demoConfig(hosts, exporters.addresses())), store: "etcd://" + address}, process
}

// inBackground runs until the returned function is called, or the test ends.
func inBackground(t *testing.T, all ...func(context.Context) error) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runTogether(ctx, all...) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return end
}

// start starts a server, and returns when it answers. The flags are what it does not have in common with the others.
func (f *company) start(t *testing.T, name string, flags ...func(*serverFlags)) *member {
	t.Helper()
	own := serverFlags{web: command.Web{Listen: []string{relaytest.FreeAddress(t)}}, config: f.config, storage: t.TempDir(), store: StoreFlags{Address: f.store}}
	for _, set := range flags {
		set(&own)
	}
	if key, err := os.ReadFile(f.key); err == nil {
		write(t, filepath.Join(own.storage, "definitions.key"), string(key))
	}
	log := &lines{t: t, name: name}
	n, err := buildNode(own, simulated{f.live}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	m := &member{node: n, url: "http://" + own.web.Listen[0], end: inBackground(t, n.run)}
	secret, err := os.ReadFile(filepath.Join(own.storage, "token"))
	if err != nil {
		t.Fatal(err)
	}
	m.client = api.NewClient(m.url, strings.TrimSpace(string(secret)), nil)
	await(t, name+" to answer", func() error {
		_, err := m.client.WhoAmI(t.Context())
		return err
	})
	f.key = cmp.Or(f.key, filepath.Join(own.storage, "definitions.key"))
	return m
}

// upgrade ends a server and starts another version of it in its place.
func (f *company) upgrade(t *testing.T, m *member, name, to string) *member {
	t.Helper()
	m.end()
	return f.start(t, name, func(own *serverFlags) { *own = m.node.flags }, as(to))
}

// as is the flag of a server that says to be another version than it is.
func as(version string) func(*serverFlags) {
	return func(own *serverFlags) { own.version = version }
}

// lines writes a log to the test's, where it fails.
type lines struct {
	t    *testing.T
	name string
	mu   sync.Mutex
	text bytes.Buffer
	once sync.Once
}

func (l *lines) Write(b []byte) (int, error) {
	l.once.Do(func() {
		l.t.Cleanup(func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.t.Failed() {
				l.t.Logf("%s said:\n%s", l.name, l.text.String())
			}
		})
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// leader waits until a server leads, by the word of the one that is asked, and returns its ID.
func leader(t *testing.T, asked *member) string {
	t.Helper()
	id := ""
	await(t, "a server to lead", func() error {
		st, err := asked.client.Status(t.Context())
		if err != nil {
			return err
		}
		if st.Servers == nil || len(st.Servers.All) == 0 || st.Servers.Holds != "" {
			return fmt.Errorf("the servers are %+v", st.Servers)
		}
		id = st.Servers.All[0].ID
		return nil
	})
	return id
}

// open waits for advice, by the word of the server that is asked.
func (m *member) open(t *testing.T) cluster.Case {
	t.Helper()
	var c cluster.Case
	await(t, "a recommendation", func() error {
		all, err := m.client.Recommendations(t.Context(), "open")
		if err == nil && len(all) == 0 {
			err = errors.New("there is none")
		}
		if err == nil {
			c = all[0]
		}
		return err
	})
	return c
}

// knows waits until the server's own Prometheus holds so many readings of a host, one each second.
func (m *member) knows(t *testing.T, readings int) {
	t.Helper()
	await(t, "enough to judge by", func() error {
		resp, err := http.Get(m.url + "/prometheus/api/v1/query?query=" + url.QueryEscape(fmt.Sprintf("max(count_over_time(evenkeel_host_cpus[1h])) >= %d", readings)))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err == nil && !strings.Contains(string(text), `"value"`) {
			err = fmt.Errorf("it says %s", text)
		}
		return err
	})
}

// ended waits for the end of an action.
func (m *member) ended(t *testing.T, id string) cluster.Case {
	t.Helper()
	var c cluster.Case
	await(t, "the action's end", func() error {
		var err error
		if c, err = m.client.Recommendation(t.Context(), id); err == nil && c.State.Pending() {
			err = fmt.Errorf("it is %s", c.State)
		}
		return err
	})
	return c
}

func TestTwoServersLookAfterOneClusterInTurn(t *testing.T) {
	long(t)
	t.Parallel()
	f, _ := newCompany(t)
	a := f.start(t, "a")
	if id := leader(t, a); id != a.node.id {
		t.Fatalf("%s leads, and there is only %s", id, a.node.id)
	}
	b := f.start(t, "b")
	if id := leader(t, b); id != a.node.id {
		t.Fatalf("b says that %s leads, and it is %s", id, a.node.id)
	}
	if b.node.leads.Load() != nil {
		t.Fatal("both lead")
	}

	c := b.open(t)
	done, err := b.client.Approve(t.Context(), c.Recommendation.ID, "asked at the other door")
	if err != nil {
		t.Fatal(err)
	}
	if done.Approval == nil || done.Approval.Who != "operator" || done.Approval.Reason != "asked at the other door" {
		t.Errorf("the approval that was handed on is %+v", done.Approval)
	}
	if got := a.ended(t, c.Recommendation.ID); got.State != cluster.CaseDone {
		t.Errorf("it is %s: %+v", got.State, got.Outcome)
	}

	b.knows(t, 25) // what b advises then is what a advises
	asked := a.open(t)
	if _, err := a.client.Snooze(t.Context(), asked.Recommendation.ID, "not before the backup", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	a.end()
	began := time.Now()
	if id := leader(t, b); id != b.node.id {
		t.Fatalf("%s leads, and there is only %s", id, b.node.id)
	}
	t.Logf("b leads %s after a has ended", time.Since(began).Round(time.Millisecond))
	for id, want := range map[string]cluster.CaseState{c.Recommendation.ID: cluster.CaseDone, asked.Recommendation.ID: cluster.CaseOpen} {
		now, err := b.client.Recommendation(t.Context(), id)
		if err != nil || now.State != want {
			t.Errorf("%s is %s at the next server, want %s, %v", id, now.State, want, err)
		}
		if id == asked.Recommendation.ID && now.Snoozed == nil {
			t.Error("that it was put off is forgotten")
		}
	}
}

// What reaches a server that does not lead is done in the name of who sent it, by that server's own tokens, and with their role only.
func TestWhoAsksAServerThatDoesNotLeadIsWhoTheyAre(t *testing.T) {
	t.Parallel()
	f, _ := newCompany(t)
	a := f.start(t, "a")
	leader(t, a)
	b := f.start(t, "b")
	leader(t, b) // it answers before it has reached the store, and then says so
	ofA := api.NewClient(b.url, "", http.DefaultTransport)
	if st, err := ofA.Status(t.Context()); err != nil || st.Servers.Answers != a.node.id { // the demo lets everybody look
		t.Errorf("who shows no token gets %+v, %v", st.Servers, err)
	}
	if _, err := ofA.Approve(t.Context(), "none", ""); err == nil || !strings.Contains(err.Error(), "takes the role approver") {
		t.Errorf("who shows no token may approve: %v", err)
	}
	if _, err := b.client.Approve(t.Context(), "none", ""); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("what b's operator approves gives %v", err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+"/api/v1/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Evenkeel-Forwarded", "eyJ3aG8iOiJtYWxsb3J5Iiwicm9sZSI6ImFkbWluIn0= c2VhbA==")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a seal that is none gives %s", resp.Status)
	}
}

// An etcd that does not answer makes who leads hold, and does not end it: it goes on publishing, tells why, and leads again afterwards.
func TestWithoutEtcdTheServerHolds(t *testing.T) {
	long(t)
	t.Parallel()
	f, etcd := newCompany(t)
	a := f.start(t, "a")
	leader(t, a)
	c := a.open(t)
	if err := etcd.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	await(t, "it to hold", func() error {
		if st, err := a.client.Status(t.Context()); err != nil || st.Servers.Holds == "" {
			return fmt.Errorf("it says %+v, %v", st.Servers, err)
		}
		return nil
	})
	if _, err := a.client.Approve(t.Context(), c.Recommendation.ID, ""); err == nil {
		t.Error("it takes an approval that it cannot keep")
	}
	if got := metric(t, a, "evenkeel_server_leader"); !strings.HasSuffix(got, " 0") {
		t.Errorf("it publishes %q", got)
	}
	before := metric(t, a, `evenkeel_analyzer_passes_total{result="success"}`)
	await(t, "a fresh snapshot while it holds", func() error {
		if now := metric(t, a, `evenkeel_analyzer_passes_total{result="success"}`); now == before || now == "" {
			return fmt.Errorf("it is %q still", now)
		}
		return nil
	})
	if err := etcd.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	leader(t, a)
	await(t, "an approval", func() error {
		_, err := a.client.Approve(t.Context(), a.open(t).Recommendation.ID, "")
		return err
	})
}

// metric is the first line of the metric that a server publishes, "" for none.
func metric(t *testing.T, m *member, name string) string {
	t.Helper()
	resp, err := http.Get(m.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var page bytes.Buffer
	if _, err := page.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(page.String()) {
		if strings.HasPrefix(line, name+"{") || strings.HasPrefix(line, name+" ") { // with its labels, or without
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// The network between the leader and etcd is cut, and no connection ends by it. The leader holds, and another leads; what the one begins is
// begun once, and the other hands on again when the network is back.
func TestALeaderThatIsCutOffFromEtcdGivesWay(t *testing.T) {
	long(t)
	t.Parallel()
	f, _ := newCompany(t)
	wire := relaytest.New(t, strings.TrimPrefix(f.store, "etcd://"), 0)
	a := f.start(t, "a", func(own *serverFlags) { own.store.Address = "etcd://" + wire.Address() })
	if id := leader(t, a); id != a.node.id {
		t.Fatalf("%s leads, and there is only %s", id, a.node.id)
	}
	b := f.start(t, "b")
	c := b.open(t)

	wire.Freeze()
	await(t, "b to lead", func() error {
		if id := leader(t, b); id != b.node.id {
			return fmt.Errorf("%s leads", id)
		}
		return nil
	})
	if got := metric(t, a, "evenkeel_server_leader"); !strings.HasSuffix(got, " 0") {
		t.Errorf("b leads, and a publishes %q", got)
	}
	if st, err := a.client.Status(t.Context()); err != nil || st.Servers.Holds == "" {
		t.Errorf("a does not say that it holds: %+v, %v", st.Servers, err)
	}
	if _, err := a.client.Approve(t.Context(), c.Recommendation.ID, "from the wrong side of the cut"); err == nil {
		t.Error("a takes an approval")
	}
	before := metric(t, a, `evenkeel_analyzer_passes_total{result="success"}`)
	await(t, "a to go on looking", func() error {
		if now := metric(t, a, `evenkeel_analyzer_passes_total{result="success"}`); now == before || now == "" {
			return fmt.Errorf("it is %q still", now)
		}
		return nil
	})
	if _, err := b.client.Approve(t.Context(), c.Recommendation.ID, ""); err != nil {
		t.Fatal(err)
	}
	if got := b.ended(t, c.Recommendation.ID); got.State != cluster.CaseDone {
		t.Errorf("it is %s: %+v", got.State, got.Outcome)
	}

	wire.Thaw()
	await(t, "a to follow", func() error {
		st, err := a.client.Status(t.Context())
		if err == nil && (a.node.leads.Load() != nil || st.Servers.Holds != "" || st.Servers.Answers != b.node.id) {
			err = fmt.Errorf("it says %+v", st.Servers)
		}
		return err
	})
	begun := 0
	err := b.node.leads.Load().journal.Replay(func(e cluster.Entry) error {
		if e.Kind == cluster.EntryIntent && e.ID == c.Recommendation.ID {
			begun++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if begun != 1 {
		t.Errorf("the journal says that it was begun %d times", begun)
	}
}

// Two servers go from one minor version to the next, as docs/upgrading.md says, and nothing that was advised or approved is lost. One that is two minor
// versions behind answers and does not lead.
func TestAnUpgradeOfServersInTurnLosesNothing(t *testing.T) {
	long(t)
	t.Parallel()
	f, _ := newCompany(t)
	a := f.start(t, "a", as("1.4.0"))
	leader(t, a)
	b := f.start(t, "b", as("1.4.1"))
	kept := a.open(t)
	if _, err := a.client.Snooze(t.Context(), kept.Recommendation.ID, "until we are through", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	remembers := func(m *member) {
		t.Helper()
		await(t, m.node.flags.version+" to answer", func() error { // which it cannot until it has reached etcd, or who leads
			now, err := m.client.Recommendation(t.Context(), kept.Recommendation.ID)
			if err == nil && (now.State != cluster.CaseOpen || now.Snoozed == nil) {
				t.Fatalf("%s has %s as %s, snoozed %v", m.node.flags.version, kept.Recommendation.ID, now.State, now.Snoozed)
			}
			return err
		})
	}
	leads := func(m *member) {
		t.Helper()
		await(t, m.node.flags.version+" to lead", func() error {
			if m.node.leads.Load() == nil {
				return errors.New("it does not")
			}
			return nil
		})
	}

	b = f.upgrade(t, b, "b", "1.5.0")
	remembers(b)
	a.end()
	leads(b) // the newer one, while the older one is away
	remembers(b)
	a = f.start(t, "a", func(own *serverFlags) { *own = a.node.flags })
	b.end()
	leads(a) // the older one again, by one minor version
	remembers(a)
	b = f.start(t, "b", func(own *serverFlags) { *own = b.node.flags })
	a = f.upgrade(t, a, "a", "1.5.0")
	leads(b)
	remembers(a)
	if _, err := a.client.Approve(t.Context(), kept.Recommendation.ID, "now we are through"); err != nil {
		t.Fatal(err)
	}
	if got := a.ended(t, kept.Recommendation.ID); got.State != cluster.CaseDone {
		t.Errorf("it is %s: %+v", got.State, got.Outcome)
	}

	forgotten := f.start(t, "forgotten", as("1.3.9"))
	a.end()
	b.end()
	await(t, "the one that was forgotten to say why it does not lead", func() error {
		_, err := forgotten.client.Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), "this version may not lead here") {
			return fmt.Errorf("it says %v", err)
		}
		return nil
	})
	if forgotten.node.leads.Load() != nil {
		t.Error("it leads")
	}
}

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/relaytest"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// etcd starts a real etcd, and returns where it is and a client to it.
func etcd(t *testing.T) (string, *clientv3.Client) {
	t.Helper()
	ports := [2]string{relaytest.FreeAddress(t), relaytest.FreeAddress(t)}
	start(t, "etcd", "--data-dir", t.TempDir(), "--logger", "zap", "--log-level", "error", "--listen-client-urls", "http://"+ports[0], "--advertise-client-urls", "http://"+ports[0],
		"--listen-peer-urls", "http://"+ports[1], "--initial-advertise-peer-urls", "http://"+ports[1], "--initial-cluster", "default=http://"+ports[1])
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + ports[0]}, DialTimeout: time.Minute, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return ports[0], client
}

// leads waits until the server says that this one leads, or another.
func (s *instance) leads(itself bool) {
	s.t.Helper()
	eventually(s.t, time.Minute, "to know who leads", func() error {
		st, err := s.client.Status(ctx())
		if err != nil {
			return err
		}
		if st.Servers == nil || len(st.Servers.All) == 0 || (st.Servers.All[0].URL == s.url) != itself || st.Servers.Holds != "" {
			return fmt.Errorf("it says %+v", st.Servers)
		}
		return nil
	})
}

// joins starts another server on the same store, with the key that opens the definitions.
func joins(t *testing.T, first *instance, text, store string) *instance {
	t.Helper()
	key := filepath.Join(first.dir, "data", "definitions.key")
	return server(t, text+"failures: {key_file: "+key+"}\n", "--store=etcd://"+store)
}

// A leader that is stopped in front of the call that moves a VM is deposed. When it goes on, it must not make the call: another has found
// out meanwhile what became of the action.
func TestALeaderThatWasStoppedBeforeTheCallDoesNotMakeIt(t *testing.T) {
	home(t)
	exporters(t)
	store, client := etcd(t)
	slowly := relaytest.New(t, store, 300*time.Millisecond) // so that the intent is seen here before the leader knows that it is written
	libvirtd := relaytest.New(t, fmt.Sprintf(labAddr, 1)+":16509", 0)
	text := config()
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.Contains(line, "name: host1,") {
			lines[i] = strings.Replace(line, fmt.Sprintf("qemu+tls://"+labAddr+"/system?pkipath=", 1)+labDir()+"/pki/client", "qemu+tcp://"+libvirtd.Address()+"/system", 1)
		}
	}
	a := server(t, strings.Join(lines, ""), "--store=etcd://"+slowly.Address())
	a.leads(true)
	b := joins(t, a, text, store)
	b.leads(false)

	c := b.open()[0]
	ctx, cancel := context.WithTimeout(ctx(), 2*time.Minute)
	defer cancel()
	written := client.Watch(ctx, "/evenkeel/lab/journal/entries/", clientv3.WithPrefix())
	if err := b.approve(c.Recommendation.ID); err != nil {
		t.Fatal(err)
	}
	for intent := false; !intent; {
		change, open := <-written
		if !open {
			t.Fatal("no intent was written")
		}
		for _, e := range change.Events {
			intent = intent || strings.Contains(string(e.Kv.Value), `"intent"`)
		}
	}
	libvirtd.Freeze()
	a.await(c.Recommendation.ID, cluster.CaseRunning, 20*time.Second)
	time.Sleep(time.Second) // until it waits for the answer to a question that comes before the call
	if err := syscall.Kill(a.process.cmd.Process.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	b.leads(true)
	t.Logf("the other leads %s after the stop", time.Since(stopped).Round(time.Millisecond))
	libvirtd.Thaw()
	if err := syscall.Kill(a.process.cmd.Process.Pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	a.leads(false)
	got := b.ended(c.Recommendation.ID, 90*time.Second)
	if got.State != cluster.CaseFailed || got.Outcome.RunsOn != "host1" {
		t.Errorf("it ended as %s: %+v", got.State, got.Outcome)
	}
	wantOn(t, got.Recommendation.Action.Name, "host1")
	said, err := os.ReadFile(a.process.log)
	if err != nil || !strings.Contains(string(said), "another server leads, or none") {
		t.Errorf("who was deposed does not say that it refused, %v:\n%s", err, tail(string(said), 15))
	}
	entries, err := client.Get(ctx, "/evenkeel/lab/journal/entries/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, kv := range entries.Kvs {
		for _, kind := range []string{"approval", "intent", "outcome"} {
			if strings.Contains(string(kv.Value), `"kind":"`+kind+`"`) && strings.Contains(string(kv.Value), c.Recommendation.ID) {
				count[kind]++
			}
		}
	}
	if count["intent"] != 1 || count["outcome"] != 1 {
		t.Errorf("the journal holds %v of the action", count)
	}
}

// The leader is killed while a migration is under way: the other finds out what became of it, and repeats nothing.
func TestTheLeaderKilledDuringAMigrationLosesAndRepeatsNothing(t *testing.T) {
	home(t)
	exporters(t)
	store, _ := etcd(t)
	a := server(t, config(slow), "--store=etcd://"+store)
	a.leads(true)
	b := joins(t, a, config(slow), store)
	b.leads(false)
	c := begin(t, b)
	act := c.Recommendation.Action
	killed := time.Now()
	a.end(syscall.SIGKILL)
	b.leads(true)
	t.Logf("the other leads %s after the kill", time.Since(killed).Round(time.Millisecond))
	got := b.ended(c.Recommendation.ID, 90*time.Second)
	if got.State != cluster.CaseDone || got.Outcome.RunsOn != act.To || !strings.Contains(got.Outcome.Reason, "server ended") {
		t.Errorf("it ended as %s: %+v", got.State, got.Outcome)
	}
	wantOn(t, act.Name, act.To)
	if out, err := b.cli("history", "--verify"); err != nil || !strings.Contains(out, "none changed") {
		t.Errorf("the journal: %s, %v", out, err)
	}
	all, err := b.client.Recommendations(ctx(), "all")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if one.Recommendation.ID != c.Recommendation.ID && (one.Outcome != nil || one.State == cluster.CaseRunning) {
			t.Errorf("%s was begun as well: %s", one.Recommendation.ID, one.Recommendation.Action)
		}
	}
}

package etcdstore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/actuator/journal/journaltest"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/relaytest"
)

// node is a real etcd.
type node struct {
	url string
	cmd *exec.Cmd
}

// etcd starts so many nodes of one etcd; connected waits until they answer. With flags it speaks TLS to clients.
func etcd(t testing.TB, nodes int, flags ...string) []node {
	if testing.Short() {
		t.Skip("LEFT OUT, since -short is given: real etcd takes a minute; make test runs it")
	}
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Fatalf("%v: put it there with test/install test", err)
	}
	list := make([]node, nodes)
	peers, all := make([]string, nodes), make([]string, nodes)
	for i := range list {
		list[i].url, peers[i] = "http://"+relaytest.FreeAddress(t), "http://"+relaytest.FreeAddress(t)
		if len(flags) > 0 {
			list[i].url = strings.Replace(list[i].url, "http", "https", 1)
		}
		all[i] = fmt.Sprintf("n%d=%s", i, peers[i])
	}
	for i := range list {
		c := exec.Command(program, "--name", fmt.Sprintf("n%d", i), "--data-dir", inMemory(t), "--logger", "zap", "--log-level", "error",
			"--listen-client-urls", list[i].url, "--advertise-client-urls", list[i].url, "--listen-peer-urls", peers[i],
			"--initial-advertise-peer-urls", peers[i], "--initial-cluster", strings.Join(all, ","), "--initial-cluster-state", "new")
		c.Args = append(c.Args, flags...)
		var log bytes.Buffer
		c.Stdout, c.Stderr = &log, &log
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		list[i].cmd = c
		t.Cleanup(func() {
			_ = c.Process.Kill() // a test may have killed it
			_ = c.Wait()
			if t.Failed() {
				t.Logf("etcd said:\n%s", log.String())
			}
		})
	}
	return list
}

// inMemory is a directory in memory, where there is one: what is tried here is not how fast a disk is, and a busy one deposes leaders.
func inMemory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "etcd-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// connected opens a store, as soon as etcd answers.
func connected(t testing.TB, nodes []node, name string, ttl int) *Store {
	t.Helper()
	o := Options{Cluster: name, TTL: ttl}
	for _, n := range nodes {
		o.Endpoints = append(o.Endpoints, n.url)
	}
	return connectedWith(t, o)
}

func connectedWith(t testing.TB, o Options) *Store {
	t.Helper()
	var s *Store
	var err error
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		if s, err = Open(context.Background(), o); err == nil {
			t.Cleanup(func() { _ = s.Close() })
			return s
		}
	}
	t.Fatal(err)
	return nil
}

func leading(t testing.TB, s *Store, server string) *Term {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	term, err := s.Campaign(ctx, Server{ID: server})
	if err != nil {
		t.Fatal(err)
	}
	return term
}

// leads is the ID of who leads.
func leads(s *Store) (string, error) {
	all, err := s.Servers(context.Background())
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[0].ID, nil
}

func opened(t testing.TB, s *Store, term *Term, dir string) *journal.Journal {
	t.Helper()
	j, err := s.Journal(context.Background(), term, dir)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func added(t *testing.T, j *journal.Journal, n int) {
	t.Helper()
	if _, err := j.Append(journaltest.Entry(n)); err != nil {
		t.Fatal(err)
	}
}

// sound sees that the chain is whole and returns the names of the cases in it.
func sound(t *testing.T, j *journal.Journal) []string {
	t.Helper()
	v, err := j.Verify(context.Background(), cluster.Head{})
	if err != nil || v.Flaw != nil {
		t.Errorf("found %+v, flaw %v, %v", v, v.Flaw, err)
	}
	var cases []string
	if err := j.Replay(func(e cluster.Entry) error { cases = append(cases, e.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestOneNodeKeepsTheContract(t *testing.T)   { contract(t, 1) }
func TestThreeNodesKeepTheContract(t *testing.T) { contract(t, 3) }

func contract(t *testing.T, size int) {
	nodes := etcd(t, size)
	n := 0
	journaltest.Run(t, func(t *testing.T) journaltest.Opener {
		n++
		s, dir := connected(t, nodes, fmt.Sprintf("c%d", n), 60), t.TempDir()
		term := leading(t, s, "a")
		return func() *journal.Journal { return opened(t, s, term, dir) }
	})
}

func TestTheJournalGoesOnWithoutOneNodeOfThree(t *testing.T) {
	t.Parallel()
	nodes := etcd(t, 3)
	s := connected(t, nodes, "c", 60)
	j := opened(t, s, leading(t, s, "a"), t.TempDir())
	added(t, j, 1)
	if err := nodes[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for n := 2; n <= 20; n++ { // one of them may meet etcd while it finds a new leader of its own
		if _, err := j.Append(journaltest.Entry(n)); err != nil {
			failed++
		}
	}
	if got := sound(t, j); failed > 3 || len(got) != 20-failed {
		t.Errorf("%d failed, and %d stand there", failed, len(got))
	}
}

func TestWithoutAQuorumNothingIsWrittenAndItGoesOnByItself(t *testing.T) {
	t.Parallel()
	nodes := etcd(t, 1)
	s := connected(t, nodes, "c", 60)
	term := leading(t, s, "a")
	j := opened(t, s, term, t.TempDir())
	added(t, j, 1)
	head := j.Head()
	signal(t, nodes[0].cmd, syscall.SIGSTOP)
	began := time.Now()
	if _, err := j.Append(journaltest.Entry(4)); err == nil || !strings.Contains(err.Error(), "it goes on by itself then") {
		t.Errorf("the append gives %v", err)
	}
	if err := term.Confirm(context.Background()); err == nil || errors.Is(err, ErrDeposed) {
		t.Errorf("whether it leads: %v", err)
	}
	if took := time.Since(began); took > 4*patience || j.Head() != head {
		t.Errorf("it took %s, and the head is %s", took, j.Head())
	}
	signal(t, nodes[0].cmd, syscall.SIGCONT)
	added(t, j, 7) // and what was tried may have been written meanwhile
	if got := sound(t, j); len(got) != 2 || got[1] != "case-3" {
		t.Errorf("it holds %v", got)
	}
}

// An entry of which the answer was lost was never acknowledged: the next takes its place.
// A node that is alone knows who led when it last heard of the others, and that is nobody's leave to act.
func TestANodeThatIsAloneConfirmsNoTerm(t *testing.T) {
	t.Parallel()
	nodes := etcd(t, 3)
	s := connected(t, nodes[:1], "c", 60)
	term := leading(t, s, "a")
	if err := term.Confirm(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, other := range nodes[1:] {
		signal(t, other.cmd, syscall.SIGSTOP)
	}
	if err := term.Confirm(context.Background()); err == nil || errors.Is(err, ErrDeposed) {
		t.Errorf("whether it leads: %v", err)
	}
	for _, other := range nodes[1:] {
		signal(t, other.cmd, syscall.SIGCONT)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		err := term.Confirm(context.Background())
		if err == nil {
			return
		}
		if errors.Is(err, ErrDeposed) || time.Now().After(deadline) {
			t.Fatalf("whether it leads again: %v", err)
		}
	}
}

func TestAnEntryThatWasNotAcknowledgedGivesWay(t *testing.T) {
	t.Parallel()
	s := connected(t, etcd(t, 1), "c", 60)
	sh := &shelf{store: s, term: leading(t, s, "a")}
	one, two := cluster.Head{Seq: 1, Hash: strings.Repeat("1", 64)}, cluster.Head{Seq: 1, Hash: strings.Repeat("2", 64)}
	if err := sh.Put(journal.Origin(), one, []byte("one")); err != nil {
		t.Fatal(err)
	}
	sh.known, sh.tried = false, []cluster.Head{one} // as if the answer had been lost
	if err := sh.Put(journal.Origin(), two, []byte("two")); err != nil {
		t.Fatal(err)
	}
	if got, err := sh.After(context.Background(), 0, 9); err != nil || len(got) != 1 || string(got[0].Value) != "two" {
		t.Errorf("it holds %v, %v", got, err)
	}
}

func TestWhatAnotherWroteIsNotWrittenOver(t *testing.T) {
	t.Parallel()
	s := connected(t, etcd(t, 1), "c", 60)
	j := opened(t, s, leading(t, s, "a"), t.TempDir())
	added(t, j, 1)
	if _, err := s.client.Put(context.Background(), s.prefix+"journal/head", `{"seq":7,"hash":"x"}`); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := j.Append(journaltest.Entry(2)); err == nil || !strings.Contains(err.Error(), "something else wrote") {
			t.Errorf("the append gives %v", err)
		}
	}
	if v, err := j.Verify(context.Background(), cluster.Head{}); err != nil || v.Flaw == nil || v.Flaw.Seq != 2 {
		t.Errorf("found %+v, %v", v.Flaw, err)
	}
}

func TestWithoutATermTheJournalIsReadOnly(t *testing.T) {
	t.Parallel()
	s := connected(t, etcd(t, 1), "c", 60)
	added(t, opened(t, s, leading(t, s, "a"), t.TempDir()), 1)
	j := opened(t, s, nil, t.TempDir())
	if _, err := j.Append(journaltest.Entry(2)); !errors.Is(err, ErrDeposed) {
		t.Errorf("the append gives %v", err)
	}
	if _, err := j.Compact(context.Background(), journaltest.Entry(100).At, func(cluster.Entry) bool { return false }); !errors.Is(err, ErrDeposed) {
		t.Errorf("compacting gives %v", err)
	}
	if got := sound(t, j); len(got) != 1 {
		t.Errorf("it holds %v", got)
	}
}

func TestAnEntryThatIsTooLargeIsRefusedAndTheNextIsNot(t *testing.T) {
	t.Parallel()
	s := connected(t, etcd(t, 1), "c", 60)
	j := opened(t, s, leading(t, s, "a"), t.TempDir())
	large := journaltest.Entry(1)
	large.Approval = &cluster.Approval{Reason: strings.Repeat("because ", maxRecord/8)}
	if _, err := j.Append(large); err == nil || !strings.Contains(err.Error(), "and etcd takes") {
		t.Errorf("the append gives %v", err)
	}
	large.Approval.Reason = large.Approval.Reason[:maxRecord-4096]
	if _, err := j.Append(large); err != nil {
		t.Error(err)
	}
}

func TestAWrongAddressShowsAtOnce(t *testing.T) {
	t.Parallel()
	began := time.Now()
	_, err := Open(context.Background(), Options{Endpoints: []string{"http://" + relaytest.FreeAddress(t)}, Cluster: "c", TTL: 10})
	if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "does not answer") || took > 2*patience {
		t.Errorf("after %s it gives %v", took, err)
	}
}

func TestWhoResignsNeedNotBeWaitedFor(t *testing.T) {
	t.Parallel()
	nodes := etcd(t, 1)
	a, b := connected(t, nodes, "c", 600), connected(t, nodes, "c", 600)
	term := leading(t, a, "a")
	if who, err := leads(b); err != nil || who != "a" {
		t.Errorf("%q leads, %v", who, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := b.Campaign(ctx, Server{ID: "b"}); err == nil {
		t.Error("two lead")
	}
	if err := term.Resign(context.Background()); err != nil {
		t.Error(err)
	}
	leading(t, b, "b")
	if who, err := leads(a); err != nil || who != "b" {
		t.Errorf("%q leads, %v", who, err)
	}
	if err := term.Confirm(context.Background()); !errors.Is(err, ErrDeposed) {
		t.Errorf("who resigned is told %v", err)
	}
}

func signal(t *testing.T, c *exec.Cmd, s syscall.Signal) {
	t.Helper()
	if err := c.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

const childURL = "EVENKEEL_TEST_ETCD"

// TestALeaderThatWasStoppedWritesNothing stops a process that leads between two entries, lets another take over, and wakes it.
func TestALeaderThatWasStoppedWritesNothing(t *testing.T) {
	t.Parallel()
	nodes := etcd(t, 1)
	s := connected(t, nodes, "c", 2)
	c := exec.Command(os.Args[0], "-test.run=^TestAsAChild$")
	c.Env = append(os.Environ(), childURL+"="+nodes[0].url)
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	says := bufio.NewScanner(out)
	if !says.Scan() || says.Text() != "leads" {
		t.Fatalf("the child says %q", says.Text())
	}
	signal(t, c, syscall.SIGSTOP)
	began := time.Now()
	j := opened(t, s, leading(t, s, "b"), t.TempDir())
	t.Logf("taken over after %s", time.Since(began))
	if _, err := fmt.Fprintln(in, "go on"); err != nil { // it stands there when the child wakes
		t.Fatal(err)
	}
	signal(t, c, syscall.SIGCONT)
	for _, want := range []string{"confirm: " + ErrDeposed.Error(), "append: append to the journal: " + ErrDeposed.Error(), "compact: compact the journal: " + ErrDeposed.Error()} {
		if !says.Scan() || says.Text() != want {
			t.Errorf("the child says %q, want %q", says.Text(), want)
		}
	}
	added(t, j, 4) // only now, so that nothing but the term held the child back
	if got := sound(t, j); strings.Join(got, " ") != "case-1 case-2" {
		t.Errorf("it holds %v", got)
	}
}

func TestAsAChild(t *testing.T) {
	t.Parallel()
	url := os.Getenv(childURL)
	if url == "" {
		return // started by itself it has nothing to do
	}
	dir := filepath.Join(t.TempDir(), "data")
	s := connected(t, []node{{url: url}}, "c", 2)
	term := leading(t, s, "a")
	j := opened(t, s, term, dir)
	added(t, j, 1)
	fmt.Println("leads")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("confirm: %v\n", term.Confirm(context.Background()))
	_, err := j.Append(journaltest.Entry(2))
	fmt.Printf("append: %v\n", err)
	_, err = j.Compact(context.Background(), journaltest.Entry(100).At, func(cluster.Entry) bool { return false })
	fmt.Printf("compact: %v\n", err)
}

package etcdstore

import (
	"bytes"
	"context"
	"errors"
	"syscall"
	"testing"
	"time"
)

func TestOneMinorVersionLiesBetweenServersAtMost(t *testing.T) {
	t.Parallel()
	s := connected(t, etcd(t, 1), "c", 60)
	term := leading(t, s, "a")
	for _, c := range []struct {
		version string
		refused bool
	}{
		{"v1.4.0", false}, {"development", false}, {"1.5.2", false}, {"v1.5.0", false}, {"v1.4.9", false},
		{"v1.3.9", true}, {"v1.6.0", false}, {"v1.4.9", true}, {"v2.0.0", true}, {"v1.8.0", false},
	} {
		if err := term.Admit(context.Background(), c.version); errors.Is(err, ErrVersion) != c.refused || err != nil && !c.refused {
			t.Errorf("%s: %v, want a refusal: %t", c.version, err, c.refused)
		}
	}
	if err := term.Resign(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := term.Admit(context.Background(), "v1.9.0"); !errors.Is(err, ErrDeposed) {
		t.Errorf("who does not lead any more is admitted: %v", err)
	}
}

func TestTheServersOfAStoreShareASecret(t *testing.T) {
	t.Parallel()
	nodes := etcd(t, 1)
	a, b, other := connected(t, nodes, "c", 60), connected(t, nodes, "c", 60), connected(t, nodes, "d", 60)
	secrets := make([][]byte, 3)
	for i, s := range []*Store{a, b, other} {
		var err error
		if secrets[i], err = s.Secret(context.Background()); err != nil || len(secrets[i]) < 32 {
			t.Fatalf("%q, %v", secrets[i], err)
		}
	}
	if !bytes.Equal(secrets[0], secrets[1]) || bytes.Equal(secrets[0], secrets[2]) {
		t.Errorf("they are %q", secrets)
	}
	if a.ID() != b.ID() || a.ID() == other.ID() {
		t.Errorf("the stores are called %s, %s and %s", a.ID(), b.ID(), other.ID())
	}
}

func TestServersStandInTheOrderInWhichTheyWillLead(t *testing.T) {
	t.Parallel()
	nodes := etcd(t, 1)
	a, b := connected(t, nodes, "c", 60), connected(t, nodes, "c", 60)
	leading(t, a, "a")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := b.Campaign(ctx, Server{ID: "b", URL: "http://b", Version: "v1"})
		ended <- err
	}()
	listed := func(n int) []Server {
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if all, err := a.Servers(context.Background()); err == nil && len(all) == n {
				return all
			}
		}
		t.Fatalf("never were there %d servers", n)
		return nil
	}
	if all := listed(2); !all[0].Leads || all[0].ID != "a" || all[1] != (Server{ID: "b", URL: "http://b", Version: "v1"}) {
		t.Errorf("they are %+v", all)
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("b leads as well")
	}
	listed(1) // at once, and not when its lease has run out
}

// The node of etcd that leads there is killed: the term goes on, and so does the journal.
func TestATermOutlivesTheNodeThatLedEtcd(t *testing.T) {
	t.Parallel()
	nodes := etcd(t, 3)
	s := connected(t, nodes, "c", 10)
	term := leading(t, s, "a")
	j := opened(t, s, term, t.TempDir())
	added(t, j, 1)
	killed := false
	for _, n := range nodes {
		status, err := s.client.Status(context.Background(), n.url)
		if err != nil {
			t.Fatal(err)
		}
		if status.Leader == status.Header.MemberId {
			signal(t, n.cmd, syscall.SIGKILL)
			killed = true
		}
	}
	if !killed {
		t.Fatal("no node leads")
	}
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err = term.Confirm(context.Background()); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("the term is over: %v", err)
	}
	added(t, j, 2)
	if got := sound(t, j); len(got) != 2 {
		t.Errorf("it holds %v", got)
	}
}

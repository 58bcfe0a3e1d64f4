package actuator

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func said(who string) cluster.Approval {
	return cluster.Approval{Who: who, Via: "test", At: time.Now()}
}

func pauseOf(subject string) cluster.Order {
	return cluster.Order{Kind: cluster.OrderPause, Subject: subject, Word: said("carol")}
}

func TestWhatIsPausedIsNotDoneUntilItIsResumed(t *testing.T) {
	for _, subject := range []string{"cluster", "host/h2", "vm/v1"} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage()
			a, reg, _ := running(t, s, cluster.LevelFull)
			if err := a.Order(pauseOf(subject)); err != nil {
				t.Fatal(err)
			}
			id := s.advise("v1", time.Hour)
			time.Sleep(time.Minute)
			if err := approve(a, id); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "carol") {
				t.Fatalf("approving what is paused: %v", err)
			}
			if len(s.moves()) > 0 {
				t.Fatal("moved although it is paused")
			}
			want := "# HELP evenkeel_order_in_force What people ordered beyond single recommendations and is in force (1): pauses, and approvals of a policy's recommendations in advance.\n# TYPE evenkeel_order_in_force gauge\nevenkeel_order_in_force{kind=\"pause\",policy=\"\",subject=\"" + subject + "\"} 1\n"
			if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "evenkeel_order_in_force"); err != nil {
				t.Error(err)
			}
			if err := a.Lift(pauseOf(subject)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if got := state(t, a, id); got != cluster.CaseDone {
				t.Errorf("it is %s after it was resumed", got)
			}
			if err := a.Lift(pauseOf(subject)); !errors.Is(err, ErrNotFound) {
				t.Errorf("resuming what is not paused: %v", err)
			}
		})
	}
}

func TestAPauseOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, stop := running(t, s, cluster.LevelFull)
		if err := a.Order(pauseOf("cluster")); err != nil {
			t.Fatal(err)
		}
		stop()
		s.advise("v1", time.Hour)
		a, _, _ = running(t, s, cluster.LevelFull)
		time.Sleep(time.Minute)
		if len(s.moves()) > 0 || len(a.Orders()) != 1 {
			t.Fatalf("moved %v, orders %v", s.moves(), a.Orders())
		}
	})
}

func TestWhatIsInForceIsWrittenOnceMoreBeforeItsEntryGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, stop := running(t, s, cluster.LevelFull)
		if err := a.Order(pauseOf("cluster")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(48 * time.Hour)
		gone := len(s.entries)
		if err := errors.Join(a.Renew(time.Now().Add(-72*time.Hour)), a.Renew(time.Now().Add(-time.Hour))); err != nil {
			t.Fatal(err)
		}
		stop()
		s.with(func() { s.entries = s.entries[gone:] }) // compacted
		if len(s.entries) != 1 {
			t.Fatalf("written once more: %d entries", len(s.entries))
		}
		a, _, _ = running(t, s, cluster.LevelFull)
		if o := a.Orders(); len(o) != 1 || o[0].Word.Who != "carol" || time.Since(o[0].Word.At) < 48*time.Hour {
			t.Errorf("in force: %+v", o)
		}
	})
}

func TestAnApprovalInAdvanceHoldsForItsTimeAndKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelManual)
		id := s.advise("v1", 3*time.Hour)
		yes := cluster.Order{Kind: cluster.OrderApprove, Subject: "cluster", Policy: "rules", Word: said("alice"), Until: time.Now().Add(time.Hour)}
		if err := a.Order(yes); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if len(s.moves()) > 0 {
			t.Fatal("moved for balance, approved for rules")
		}
		yes.Policy, yes.Until = "balance", time.Now().Add(time.Hour)
		if err := a.Order(yes); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := state(t, a, id); got != cluster.CaseDone {
			t.Fatalf("it is %s, approved in advance", got)
		}
		time.Sleep(time.Hour)
		late := s.advise("v2", time.Hour)
		time.Sleep(time.Minute)
		if got := state(t, a, late); got != cluster.CaseOpen || len(a.Orders()) != 0 {
			t.Errorf("it is %s after the time of the approval, orders %v", got, a.Orders())
		}
	})
}

func TestOrdersThatMakeNoSense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelManual)
		w := said("alice")
		for name, o := range map[string]cluster.Order{
			"no kind":            {Subject: "cluster", Word: w},
			"no subject":         {Kind: cluster.OrderPause, Word: w},
			"half a subject":     {Kind: cluster.OrderPause, Subject: "host/", Word: w},
			"a strange one":      {Kind: cluster.OrderPause, Subject: "rack/r1", Word: w},
			"no end":             {Kind: cluster.OrderApprove, Subject: "cluster", Policy: "balance", Word: w},
			"an end long ago":    {Kind: cluster.OrderPause, Subject: "cluster", Word: w, Until: w.At.Add(-time.Hour)},
			"a VM's maintenance": {Kind: cluster.OrderMaintenance, Subject: "vm/v1", Word: w},
			"a pause of a kind":  {Kind: cluster.OrderPause, Subject: "cluster", Policy: "balance", Word: w},
			"an unknown kind":    {Kind: cluster.OrderApprove, Subject: "cluster", Policy: "dance", Word: w, Until: w.At.Add(time.Hour)},
		} {
			if err := a.Order(o); !errors.Is(err, ErrRefused) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if len(s.kinds()) > 0 {
			t.Errorf("the journal holds %v", s.kinds())
		}
		s.full = errors.New("disk full")
		if err := a.Order(pauseOf("cluster")); err == nil || len(a.Orders()) > 0 {
			t.Errorf("an order that is not in the journal: %v, in force %v", err, a.Orders())
		}
	})
}

func TestANotNowHoldsUntilItsTimeOrALaterYes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelManual)
		id := s.advise("v1", 3*time.Hour)
		time.Sleep(2 * time.Second)
		if _, err := a.Snooze(id, said("bob"), time.Now().Add(-time.Second)); !errors.Is(err, ErrRefused) {
			t.Errorf("put off into the past: %v", err)
		}
		if _, err := a.Snooze(id, said("bob"), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		a.SetPolicy(policy(cluster.LevelFull))
		time.Sleep(30 * time.Minute)
		if len(s.moves()) > 0 {
			t.Fatal("moved although it was put off")
		}
		if err := approve(a, id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := state(t, a, id); got != cluster.CaseDone {
			t.Errorf("it is %s after a yes", got)
		}
	})
}

func TestANotNowEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelManual)
		id := s.advise("v1", 3*time.Hour)
		time.Sleep(2 * time.Second)
		if _, err := a.Snooze(id, said("bob"), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		a.SetPolicy(policy(cluster.LevelFull))
		time.Sleep(50 * time.Second)
		if got := state(t, a, id); got != cluster.CaseOpen {
			t.Errorf("it is %s before that", got)
		}
		time.Sleep(time.Minute)
		if got := state(t, a, id); got != cluster.CaseDone {
			t.Errorf("it is %s after the time that it was put off to", got)
		}
	})
}

func TestTwoPeopleMustSayYes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, stop := running(t, s, cluster.LevelManual)
		p := policy(cluster.LevelFull)
		p.Gate.TwoPeople = []string{"balance"}
		a.SetPolicy(p)
		id := s.advise("v1", time.Hour)
		time.Sleep(time.Minute)
		if len(s.moves()) > 0 {
			t.Fatal("moved at level full without two people")
		}
		for range 2 { // the same person twice is one person
			_ = approve(a, id)
		}
		if err := approve(a, id); !errors.Is(err, ErrRefused) {
			t.Errorf("a third yes of one person: %v", err)
		}
		if got := state(t, a, id); got != cluster.CaseOpen {
			t.Fatalf("it is %s after one person's yes", got)
		}
		stop()
		a, _, _ = running(t, s, cluster.LevelManual) // the first yes outlives a restart
		a.SetPolicy(p)
		if _, err := a.Approve(context.Background(), id, said("bob")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		c, err := a.Case(id)
		if err != nil || c.State != cluster.CaseDone || len(c.Seconds) != 1 || c.Seconds[0].Who != "alice" || c.Approval.Who != "bob" {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

func TestActionsOfDifferentHostsGoSideBySide(t *testing.T) {
	for parallel, together := range map[gate.Parallel]int{{Host: 1}: 1, {Host: 2}: 2, {Cluster: 1}: 1, {Link: 1}: 1, {}: 2} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage()
			most, now := 0, 0
			s.migrate = func(_ context.Context, a cluster.Action) error {
				s.with(func() { now++; most = max(most, now) })
				time.Sleep(time.Minute)
				s.with(func() { now-- })
				s.set(a.VM, a.To)
				return nil
			}
			s.advise("v1", time.Hour)
			s.advise("v2", time.Hour)
			ids := s.notForGain()
			a, _, _ := running(t, s, cluster.LevelManual)
			p := policy(cluster.LevelManual)
			p.Gate.Parallel = parallel
			a.SetPolicy(p)
			for _, id := range ids {
				if err := approve(a, id); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(10 * time.Minute)
			s.mu.Lock()
			seen := most
			s.mu.Unlock()
			if seen != together || state(t, a, ids[0]) != cluster.CaseDone || state(t, a, ids[1]) != cluster.CaseDone {
				t.Errorf("%+v: %d at once, want %d; %s and %s", parallel, seen, together, state(t, a, ids[0]), state(t, a, ids[1]))
			}
		})
	}
}

// Were they looked into one after the other, the hosts would be busy with the first when they are asked about the last.
func TestWhatMayHappenByItselfIsLookedIntoTogether(t *testing.T) {
	for parallel, want := range map[int]int{1: 1, 2: 2} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage()
			s.slow = 4 * time.Second
			s.migrate = func(_ context.Context, a cluster.Action) error {
				time.Sleep(time.Minute)
				s.set(a.VM, a.To)
				return nil
			}
			a, _, _ := running(t, s, cluster.LevelFull)
			p := policy(cluster.LevelFull)
			p.Gate.Parallel = gate.Parallel{Cluster: parallel}
			a.SetPolicy(p)
			s.advise("v1", time.Hour)
			s.advise("v2", time.Hour)
			s.notForGain()
			time.Sleep(7 * time.Second) // one look of 4 s, not two
			if got := len(a.List(underWay)); got != want {
				t.Errorf("after one look %d are under way where %d may be", got, parallel)
			}
			time.Sleep(5 * time.Minute)
			if got := s.moves(); len(got) != 2 {
				t.Errorf("in the end: %v", got)
			}
		})
	}
}

func TestTheGatesCanBeAskedWithoutConsequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelManual)
		id := s.advise("v1", time.Hour)
		time.Sleep(2 * time.Second)
		verdicts, err := a.Gates(context.Background(), id)
		if err != nil || len(verdicts) != len(gate.All()) {
			t.Fatalf("%v, %v", verdicts, err)
		}
		if no := gate.Refusals(verdicts); len(no) != 1 || no[0].Gate != "approval" {
			t.Errorf("refused: %v", no)
		}
		if _, err := a.Gates(context.Background(), "nothing"); !errors.Is(err, ErrNotFound) {
			t.Errorf("of what is not there: %v", err)
		}
		if len(s.kinds()) > 0 || state(t, a, id) != cluster.CaseOpen {
			t.Error("asking left something behind")
		}
	})
}

func TestAWordThatComesWhileTheGatesLookCounts(t *testing.T) {
	for name, word := range map[string]func(a *Actuator, id string) error{
		"a pause": func(a *Actuator, _ string) error { return a.Order(pauseOf("cluster")) },
		"a not now": func(a *Actuator, id string) error {
			_, err := a.Snooze(id, said("bob"), time.Now().Add(8*time.Hour))
			return err
		},
		"level off": func(a *Actuator, _ string) error { a.SetPolicy(policy(cluster.LevelOff)); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				s.slow = 10 * time.Second // how long a look takes
				a, _, _ := running(t, s, cluster.LevelFull)
				id := s.advise("v1", time.Hour)
				time.Sleep(5 * time.Second)
				if err := word(a, id); err != nil || len(s.moves()) > 0 {
					t.Fatalf("%v, moved %v: the test is too late", err, s.moves())
				}
				time.Sleep(time.Minute)
				if len(s.moves()) > 0 {
					t.Errorf("moved after it was taken: %v", s.kinds())
				}
			})
		})
	}
}

func TestWhatIsApprovedWaitsForThePauseToEnd(t *testing.T) {
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
		time.Sleep(time.Second)
		if err := a.Order(pauseOf("cluster")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := state(t, a, ids[1]); got != cluster.CaseApproved {
			t.Fatalf("while it is paused it is %s", got)
		}
		if err := a.Lift(pauseOf("cluster")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := state(t, a, ids[1]); got != cluster.CaseDone {
			t.Errorf("after the pause it is %s", got)
		}
	})
}

func TestANotNowOutlivesItsCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelManual)
		id := s.advise("v1", 15*time.Minute)
		time.Sleep(2 * time.Second)
		if _, err := a.Snooze(id, said("bob"), time.Now().Add(8*time.Hour)); err != nil {
			t.Fatal(err)
		}
		a.SetPolicy(policy(cluster.LevelFull))
		s.with(func() { s.recs = nil })
		time.Sleep(90 * time.Minute)
		s.advise("v1", time.Hour)
		time.Sleep(time.Minute)
		if len(s.moves()) > 0 {
			t.Error("moved 90 minutes into 8 hours")
		}
	})
}

func TestTwoPeopleAtOnceAreTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelManual)
		p := policy(cluster.LevelManual)
		p.Gate.TwoPeople = []string{"balance"}
		a.SetPolicy(p)
		id := s.advise("v1", time.Hour)
		time.Sleep(2 * time.Second)
		s.with(func() { s.slow = time.Second })
		for _, who := range []string{"alice", "ALICE", "bob"} {
			go func() { _, _ = a.Approve(context.Background(), id, said(who)) }()
		}
		time.Sleep(time.Minute)
		if got := state(t, a, id); got != cluster.CaseDone {
			t.Errorf("two people said yes at once, and it is %s", got)
		}
	})
}

// slowDisk takes its time for the first entry once it is armed: until somebody else says that he is about to write, and for as long as it takes him to
// wait for his turn.
type slowDisk struct {
	*stage
	armed      atomic.Bool
	busy, both chan struct{}
}

func (d *slowDisk) Append(e cluster.Entry) (cluster.Entry, error) {
	if d.armed.CompareAndSwap(true, false) {
		close(d.busy)
		<-d.both
		time.Sleep(300 * time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // or one who writes entry after entry takes the lock each time before the other wakes
	return d.stage.Append(e)
}

// A word that is being written when the gates are asked counts before the intent is. On the real clock, for one of the two waits on a lock.
func TestAWordThatIsBeingWrittenCounts(t *testing.T) {
	s := newStage()
	a, err := New(s, s, s, s, policy(cluster.LevelFull), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	disk := make(chan struct{})
	s.with(func() { s.hang = disk })
	said := make(chan error)
	go func() { said <- a.Order(pauseOf("cluster")) }()
	time.Sleep(50 * time.Millisecond) // it waits for the disk now
	s.advise("v1", time.Hour)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	time.Sleep(2500 * time.Millisecond) // two turns: the gates have let it through, and the intent waits for its turn
	s.with(func() { s.hang = nil })
	close(disk)
	if err := <-said; err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	if got := s.moves(); len(got) > 0 {
		t.Errorf("moved after it was paused: %v", s.kinds())
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// On the real clock, for one of the two waits on a lock.
func TestWhatIsLiftedWhileOrdersAreRenewedStaysLifted(t *testing.T) {
	s := newStage()
	disk := &slowDisk{stage: s, busy: make(chan struct{}), both: make(chan struct{})}
	a, err := New(s, s, s, disk, policy(cluster.LevelManual), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"host/h1", "host/h2", "host/h3", "cluster"} {
		if err := a.Order(pauseOf(subject)); err != nil {
			t.Fatal(err)
		}
	}
	renewed := make(chan error)
	disk.armed.Store(true)
	go func() { renewed <- a.Renew(time.Now().Add(time.Hour)) }()
	<-disk.busy
	orders := a.Orders()
	lifted := orders[len(orders)-1].Subject // the last one to be renewed
	close(disk.both)
	if err := a.Lift(pauseOf(lifted)); err != nil {
		t.Fatal(err)
	}
	if err := <-renewed; err != nil {
		t.Fatal(err)
	}
	for _, o := range a.Orders() {
		if o.Subject == lifted {
			t.Errorf("lifted, and in force again: %v", s.kinds())
		}
	}
}

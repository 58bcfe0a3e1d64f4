package actuator

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// earning is a policy in which quarantine is to be earned by two kept promises.
func earning() Policy {
	p := policy(cluster.LevelFull)
	p.Earned = []string{"quarantine"}
	p.Trust = trust.Policy{Actions: 2, Quality: 0.3, Window: 24 * time.Hour, Ceiling: cluster.LevelFull, Stale: time.Minute}
	return p
}

// move advises to move the VM to and fro, for its host's health.
func (s *stage) move(vm string) string {
	from, to := s.where(vm), "h2"
	if from == "h2" {
		to = "h1"
	}
	s.with(func() { s.recs = nil })
	s.advise(vm, time.Hour)
	s.with(func() {
		r := &s.recs[0]
		r.Policy, r.Action.From, r.Action.To, r.PredictedSeconds = "quarantine", from, to, 5
		r.Effects = []cluster.Effect{{Host: to, Name: cluster.CPUUtilisation, After: 0.25}}
		*r = r.Identified()
	})
	return s.recs[0].ID
}

func TestAKindEarnsItsAutonomyAndLosesItAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.with(func() { s.at["v2"] = "h3" })
		a, reg, stop := running(t, s, cluster.LevelManual)
		a.SetPolicy(earning())
		for range 2 {
			id := s.move("v1")
			time.Sleep(time.Minute)
			if got := state(t, a, id); got != cluster.CaseOpen {
				t.Fatalf("it is %s before anything was earned", got)
			}
			if err := approve(a, id); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if st := a.Standings(); len(st) != 1 || st[0].Level != cluster.LevelFull || st[0].Kept != 2 {
			t.Fatalf("after two kept promises: %+v", st)
		}
		want := "# HELP evenkeel_earned_level Automation level that a kind of action has earned (1 manual, 2 partial, 3 full), where it is to be earned.\n# TYPE evenkeel_earned_level gauge\nevenkeel_earned_level{policy=\"quarantine\"} 3\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "evenkeel_earned_level"); err != nil {
			t.Error(err)
		}
		if earned, set := a.levelOf("quarantine"), a.levelOf("start"); earned != cluster.LevelFull || set != a.Level() {
			t.Errorf("in force are %s for what earned it and %s for what did not have to", earned, set)
		}
		stop()
		a, _, _ = running(t, s, cluster.LevelManual) // what was earned outlives a restart
		a.SetPolicy(earning())
		id := s.move("v1")
		time.Sleep(2 * time.Minute)
		if got := state(t, a, id); got != cluster.CaseDone {
			t.Fatalf("it is %s although it was earned", got)
		}
		s.with(func() { s.migrate = func(context.Context, cluster.Action) error { return errors.New("cable pulled") } })
		id = s.move("v1")
		time.Sleep(2 * time.Minute)
		if got := state(t, a, id); got != cluster.CaseFailed {
			t.Fatalf("it is %s", got)
		}
		if st := a.Standings(); st[0].Level != cluster.LevelManual || st[0].Of != 0 {
			t.Errorf("after a failure: %+v", st)
		}
		id = s.move("v2")
		time.Sleep(2 * time.Minute)
		if got := state(t, a, id); got != cluster.CaseOpen {
			t.Errorf("another VM's is %s after trust was lost", got)
		}
	})
}

func TestTrustIsLostWhenNobodyLooksAtTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.with(func() { s.at["v2"] = "h3" })
		a, _, _ := running(t, s, cluster.LevelManual)
		a.SetPolicy(earning())
		for range 2 {
			id := s.move("v1")
			time.Sleep(2 * time.Second)
			if err := approve(a, id); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if st := a.Standings(); st[0].Level != cluster.LevelFull {
			t.Fatalf("%+v", st)
		}
		s.with(func() { s.blind, s.blinded = errors.New("no Prometheus"), time.Now() })
		time.Sleep(2 * time.Minute)
		if st := a.Standings(); st[0].Level != cluster.LevelManual {
			t.Errorf("nobody has looked for two minutes: %+v", st)
		}
		kinds := s.kinds()
		if kinds[len(kinds)-1] != cluster.EntryTrust.String() {
			t.Errorf("the journal ends with %s", kinds[len(kinds)-1])
		}
	})
}

func TestTrustThatCannotBeWrittenDownIsNotGainedButIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.with(func() { s.at["v2"] = "h3" })
		a, _, stop := running(t, s, cluster.LevelManual)
		a.SetPolicy(earning())
		s.with(func() { s.full, s.fullAt = errors.New("disk full"), cluster.EntryTrust })
		for range 2 {
			id := s.move("v1")
			time.Sleep(2 * time.Second)
			if err := approve(a, id); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		waiting := s.move("v1")
		time.Sleep(time.Minute)
		if got := state(t, a, waiting); got != cluster.CaseOpen {
			t.Fatalf("it is %s, by trust that is not in the journal", got)
		}
		s.with(func() { s.full = nil })
		time.Sleep(time.Minute)
		if got := state(t, a, waiting); got != cluster.CaseDone {
			t.Fatalf("it is %s after the disk has room", got)
		}
		s.with(func() { s.full, s.blind, s.blinded = errors.New("disk full"), errors.New("no Prometheus"), time.Now() })
		time.Sleep(2 * time.Minute)
		if level := a.trustOf("quarantine").To; level != cluster.LevelManual {
			t.Errorf("it is trusted as %s with old data and a full disk", level)
		}
		s.with(func() { s.full, s.blind = nil, nil })
		time.Sleep(time.Minute)
		stop()
		a, _, _ = running(t, s, cluster.LevelManual)
		a.SetPolicy(earning())
		time.Sleep(10 * time.Second)
		if st := a.Standings(); st[0].Level != cluster.LevelManual {
			t.Errorf("after a restart it is trusted as %s", st[0].Level)
		}
	})
}

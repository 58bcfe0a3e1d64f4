package trust_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"pgregory.net/rapid"
)

func start() time.Time { return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) }

func usual() trust.Policy {
	return trust.Policy{Actions: 20, Quality: 0.8, Window: 90 * 24 * time.Hour, Ceiling: cluster.LevelFull, Stale: 3 * time.Minute}
}

// ledger is a kind's life: one promise an hour, judged as it comes.
type ledger struct {
	record  trust.Record
	now     time.Time
	changes []cluster.TrustChange
}

func newLedger() *ledger {
	return &ledger{record: trust.Record{Policy: "balance"}, now: start()}
}

func (l *ledger) judge(p trust.Policy) trust.Standing {
	s, change := trust.Judge(l.record, p, l.now)
	if change != nil {
		l.record.Level, l.record.Since = change.To, l.now
		l.changes = append(l.changes, *change)
	}
	return s
}

func (l *ledger) promise(p trust.Policy, kept bool) trust.Standing {
	l.now = l.now.Add(time.Hour)
	l.record.Judged = l.now
	l.record.Promises = append(l.record.Promises, cluster.Promise{ID: fmt.Sprint(len(l.record.Promises)), At: l.now, Kept: kept, Why: "seen"})
	return l.judge(p)
}

func TestLowerBoundIsWilsons(t *testing.T) {
	// From the table of score intervals in Newcombe, "Two-sided confidence intervals for the single proportion", 1998.
	for _, c := range []struct {
		kept, of int
		want     float64
	}{{81, 263, 0.2553}, {15, 148, 0.0624}, {0, 20, 0}, {1, 29, 0.0061}, {29, 29, 0.8830}, {0, 0, 0}} {
		if got := trust.LowerBound(c.kept, c.of); math.Abs(got-c.want) > 0.0001 {
			t.Errorf("%d of %d: %.4f, want %.4f", c.kept, c.of, got, c.want)
		}
	}
}

func TestAGoodMonthPromotesToTheCeilingAndNotBeyond(t *testing.T) {
	for _, ceiling := range []cluster.Level{cluster.LevelManual, cluster.LevelPartial, cluster.LevelFull} {
		p := usual()
		p.Ceiling = ceiling
		l := newLedger()
		for i := range 30 * 24 {
			s := l.promise(p, true)
			if s.Level > ceiling || i < p.Actions-1 && s.Level > cluster.LevelManual {
				t.Fatalf("after %d actions it is %s with the ceiling %s", i+1, s.Level, ceiling)
			}
		}
		want := 1
		if ceiling == cluster.LevelManual {
			want = 0
		}
		if len(l.changes) != want || want == 1 && l.changes[0].To != ceiling {
			t.Errorf("ceiling %s: %+v", ceiling, l.changes)
		}
	}
}

func TestABadWeekDemotesAtOnceAndCountsAnew(t *testing.T) {
	p := usual()
	l := newLedger()
	for range 100 {
		l.promise(p, true)
	}
	if s := l.promise(p, false); s.Level != cluster.LevelManual || len(l.changes) != 2 || l.changes[1].Reason != "100: seen" {
		t.Fatalf("after a broken promise: %+v, %+v", s, l.changes)
	}
	for i := range p.Actions - 1 {
		if s := l.promise(p, true); s.Level != cluster.LevelManual || s.Of != i+1 {
			t.Fatalf("%d actions after it lost trust: %+v", i+1, s)
		}
	}
	if s := l.promise(p, true); s.Level != cluster.LevelFull {
		t.Errorf("it does not earn it anew: %+v", s)
	}
}

func TestBrokenPromisesWhileItLearnsTakeMoreOfThem(t *testing.T) {
	p := usual()
	l := newLedger()
	l.promise(p, false)
	n := 1
	for s := (trust.Standing{}); s.Level != cluster.LevelFull; n++ {
		s = l.promise(p, true)
		if n > 100 {
			t.Fatal("one early miss is never forgiven")
		}
	}
	if n <= p.Actions || trust.LowerBound(n-1, n) < p.Quality {
		t.Errorf("promoted after %d actions, one of them broken", n)
	}
}

func TestOldDataTakeTrustAway(t *testing.T) {
	p := usual()
	l := newLedger()
	for range 30 {
		l.promise(p, true)
	}
	l.now = l.now.Add(p.Stale + time.Second)
	if s := l.judge(p); s.Level != cluster.LevelManual || len(l.changes) != 2 {
		t.Errorf("with old data: %+v %+v", s, l.changes)
	}
}

func TestALoweredCeilingHoldsAtOnce(t *testing.T) {
	p := usual()
	l := newLedger()
	for range 30 {
		l.promise(p, true)
	}
	p.Ceiling = cluster.LevelPartial
	if s := l.judge(p); s.Level != cluster.LevelPartial {
		t.Errorf("%+v", s)
	}
}

func TestLawNothingIsTrustedBeyondItsCeilingOrAfterABrokenPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := usual()
		p.Actions, p.Quality = rapid.IntRange(1, 10).Draw(t, "actions"), rapid.Float64Range(0.1, 0.9).Draw(t, "quality")
		p.Ceiling = cluster.Level(rapid.IntRange(1, 3).Draw(t, "ceiling"))
		l := newLedger()
		for range rapid.IntRange(1, 60).Draw(t, "promises") {
			kept := rapid.IntRange(0, 9).Draw(t, "luck") > 0
			was := l.record.Level
			s := l.promise(p, kept)
			switch {
			case s.Level > p.Ceiling:
				t.Fatalf("%s is above the ceiling %s", s.Level, p.Ceiling)
			case !kept && was > cluster.LevelManual && s.Level > cluster.LevelManual:
				t.Fatal("still trusted after a broken promise")
			case s.Level > cluster.LevelManual && was <= cluster.LevelManual && (s.Of < p.Actions || s.LowerBound < p.Quality):
				t.Fatalf("trusted too early: %+v", s)
			}
		}
	})
}

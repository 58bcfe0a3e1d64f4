package actuator

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"pgregory.net/rapid"
)

func TestALevelIsInForceInItsWindowAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		a, _, _ := running(t, s, cluster.LevelManual)
		p := policy(cluster.LevelManual)
		p.Hours = []Hours{{Window: cluster.Window{Begins: once(time.Now().Add(10 * time.Minute)), Lasts: time.Hour}, Level: cluster.LevelFull}}
		a.SetPolicy(p)
		s.advise("v1", 2*time.Hour)
		time.Sleep(9 * time.Minute)
		if got := state(t, a, s.recs[0].ID); got != cluster.CaseOpen || a.Level() != cluster.LevelManual {
			t.Fatalf("before: %s at level %s", got, a.Level())
		}
		time.Sleep(3 * time.Minute)
		if got := state(t, a, s.recs[0].ID); got != cluster.CaseDone || a.Level() != cluster.LevelFull {
			t.Fatalf("in the window: %s at level %s", got, a.Level())
		}
		time.Sleep(time.Hour)
		if a.Level() != cluster.LevelManual {
			t.Errorf("after: level %s", a.Level())
		}
	})
}

func TestALevelThatIsToBeEarnedInAWindowMustBeEarned(t *testing.T) {
	now := time.Now()
	open := cluster.Window{Begins: once(now), Lasts: time.Hour}
	p := Policy{Earned: []string{"balance"}}
	p.Hours = []Hours{{Window: open, Level: cluster.LevelFull, Kinds: map[string]cluster.Level{"rules": cluster.LevelFull}, Earned: []string{"rules"}}}
	a := &Actuator{policy: p, trusted: map[string]cluster.TrustChange{}}
	if l := a.earnedLevel("rules"); l == nil || *l != cluster.LevelManual {
		t.Errorf("rules: %v", l)
	}
	if l := a.earnedLevel("balance"); l != nil {
		t.Errorf("balance has a level of its own now: %v", *l)
	}
}

// Where several windows are open, nothing is above what any of them allows, and what must be earned in any must be earned;
// where none is open the policy is as it was.
func TestLawTheMostCautiousWindowCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		level := rapid.Custom(func(t *rapid.T) cluster.Level { return cluster.Level(rapid.IntRange(0, 3).Draw(t, "level")) })
		kinds := func() map[string]cluster.Level {
			return map[string]cluster.Level{"balance": level.Draw(t, "balance"), "rules": level.Draw(t, "rules")}
		}
		p := Policy{Earned: rapid.SampledFrom([][]string{nil, {"rules"}}).Draw(t, "earned")}
		p.Gate.Level, p.Gate.Kinds = level.Draw(t, "level"), kinds()
		was := maps.Clone(p.Gate.Kinds)
		var open []Hours
		for range rapid.IntRange(0, 3).Draw(t, "windows") {
			h := Hours{Window: cluster.Window{Begins: once(now.Add(time.Duration(rapid.IntRange(-2, 1).Draw(t, "began")) * time.Hour)), Lasts: 90 * time.Minute},
				Level: level.Draw(t, "level"), Kinds: kinds(), Earned: rapid.SampledFrom([][]string{nil, {"balance"}, {"balance", "rules"}}).Draw(t, "earned")}
			p.Hours = append(p.Hours, h)
			if _, on := h.Turn(now); on {
				open = append(open, h)
			}
		}
		got := p.inForce(now)
		if !maps.Equal(p.Gate.Kinds, was) {
			t.Fatal("the policy itself was changed")
		}
		if len(open) == 0 {
			if got.Gate.Level != p.Gate.Level || !maps.Equal(got.Gate.Kinds, was) || !slices.Equal(got.Earned, p.Earned) {
				t.Fatalf("no window is open: %+v", got)
			}
			return
		}
		least, reached := cluster.LevelFull, false
		for _, h := range open {
			least = min(least, h.Level)
			reached = reached || got.Gate.Level == h.Level
			for kind, l := range h.Kinds {
				if got.Gate.Kinds[kind] > l {
					t.Fatalf("%s is %s, and a window allows %s", kind, got.Gate.Kinds[kind], l)
				}
			}
			for _, kind := range h.Earned {
				if !slices.Contains(got.Earned, kind) {
					t.Fatalf("%s must be earned in a window", kind)
				}
			}
		}
		if got.Gate.Level != least || !reached {
			t.Fatalf("level %s, and the least is %s", got.Gate.Level, least)
		}
	})
}

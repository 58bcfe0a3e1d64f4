package actuator

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

func TestLevelsAreThoseInForce(t *testing.T) {
	p := Policy{Earned: []string{"balance"}}
	p.Gate.Level, p.Gate.LowRisk, p.Gate.TwoPeople = cluster.LevelManual, []string{"rules"}, []string{"quarantine"}
	p.Gate.Kinds = map[string]cluster.Level{"balance": cluster.LevelFull, "evacuate": cluster.LevelPartial, "rules": cluster.LevelManual}
	a := &Actuator{policy: p, trusted: map[string]cluster.TrustChange{}}
	levels := func() map[string]cluster.KindLevel {
		all := map[string]cluster.KindLevel{}
		for _, l := range a.Levels() {
			all[l.Policy] = l
		}
		return all
	}
	got := levels()
	for kind, want := range map[string]cluster.KindLevel{
		"balance":    {Policy: "balance", Level: cluster.LevelManual, Earned: true, Ceiling: cluster.LevelFull},
		"evacuate":   {Policy: "evacuate", Level: cluster.LevelPartial, Ceiling: cluster.LevelPartial},
		"rules":      {Policy: "rules", Level: cluster.LevelManual, Ceiling: cluster.LevelManual, LowRisk: true},
		"quarantine": {Policy: "quarantine", Level: cluster.LevelManual, Ceiling: cluster.LevelManual, TwoPeople: true},
	} {
		if got[kind] != want {
			t.Errorf("%s: %+v", kind, got[kind])
		}
	}
	if len(got) != len(cluster.Policies()) {
		t.Errorf("%d kinds", len(got))
	}
	a.trusted["balance"] = cluster.TrustChange{Policy: "balance", To: cluster.LevelFull}
	if got := levels()["balance"]; got.Level != cluster.LevelFull || !got.Earned {
		t.Errorf("earned: %+v", got)
	}
	a.policy.Hours = []Hours{{Window: cluster.Window{Begins: once(time.Now()), Lasts: time.Hour}, Level: cluster.LevelOff, Kinds: map[string]cluster.Level{}}}
	for kind, l := range levels() {
		if l.Level != cluster.LevelOff || l.Earned {
			t.Errorf("in a window at level off: %s %+v", kind, l)
		}
	}
}

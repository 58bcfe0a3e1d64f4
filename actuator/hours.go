package actuator

import (
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Hours are a time that comes again in which other levels are in force than at other times.
type Hours struct {
	cluster.Window
	// Level, Kinds and Earned are in place of those of the policy. Kinds has every kind of action.
	Level  cluster.Level
	Kinds  map[string]cluster.Level
	Earned []string
}

// inForce is the policy as it is at the time. It is asked for each question rather than changed when an hour strikes, so that
// no level outlives its window, whatever holds the server up. Where several windows are open the most cautious counts, and
// what must be earned in any must be earned.
func (p Policy) inForce(now time.Time) Policy {
	first := true
	for _, h := range p.Hours {
		if _, open := h.Turn(now); !open {
			continue
		}
		if first {
			p.Gate.Level, p.Gate.Kinds, p.Earned, first = h.Level, h.Kinds, h.Earned, false
			continue
		}
		p.Gate.Level, p.Gate.Kinds = min(p.Gate.Level, h.Level), maps.Clone(p.Gate.Kinds)
		for kind, level := range h.Kinds {
			p.Gate.Kinds[kind] = min(p.Gate.Kinds[kind], level)
		}
		p.Earned = slices.Concat(p.Earned, h.Earned)
		slices.Sort(p.Earned)
		p.Earned = slices.Compact(p.Earned)
	}
	return p
}

// levelOf is the level of a kind of action now, as far as no host or VM holds it lower.
func (a *Actuator) levelOf(kind string) cluster.Level {
	a.mu.Lock()
	defer a.mu.Unlock()
	return gate.EffectiveLevel(gate.Question{Policy: a.policy.inForce(time.Now()).Gate, Rec: cluster.Recommendation{Policy: kind}, Earned: a.earnedLevel(kind)})
}

// Level is the cluster's automation level now, as far as it is not to be earned.
func (a *Actuator) Level() cluster.Level { return a.currentPolicy().Gate.Level }

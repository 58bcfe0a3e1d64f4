package actuator

import (
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Levels says for each kind of action how much of it happens by itself now, as far as no host or VM holds it lower.
func (a *Actuator) Levels() []cluster.KindLevel {
	p := a.currentPolicy()
	var list []cluster.KindLevel
	for _, kind := range cluster.Policies() {
		l := cluster.KindLevel{Policy: kind, Level: a.levelOf(kind), Earned: slices.Contains(p.Earned, kind),
			LowRisk: slices.Contains(p.Gate.LowRisk, kind), TwoPeople: slices.Contains(p.Gate.TwoPeople, kind)}
		if l.Ceiling = l.Level; l.Earned {
			l.Ceiling = p.Gate.Kinds[kind]
		}
		list = append(list, l)
	}
	return list
}

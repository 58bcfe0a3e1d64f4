package actuator

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// measure looks at what came of actions once their effect has had its time to show, and holds it
// against what was promised.
func (a *Actuator) measure(ctx context.Context) {
	settle := a.currentPolicy().Settle
	due := a.List(func(c cluster.Case) bool {
		since := time.Duration(0)
		if c.State == cluster.CaseDone {
			since = time.Since(c.Outcome.Finished)
		}
		return c.State == cluster.CaseDone && c.Measured == nil && since > settle && since < settle+measureWithin
	})
	if len(due) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	snap, err := a.world.Snapshot(ctx, time.Now())
	if err != nil {
		a.log.Warn("effect not measured yet", "err", err)
		return
	}
	for _, c := range due {
		m := measured(snap, c.Recommendation)
		if _, err := a.record(c.Recommendation.ID, cluster.Entry{At: time.Now(), Kind: cluster.EntryMeasured, Measured: &m}); err != nil {
			a.log.Error("measurement not recorded", "id", c.Recommendation.ID, "err", err)
			continue
		}
		a.log.Info("measured", "id", c.Recommendation.ID, "score_predicted", c.Recommendation.After.Score, "score_measured", m.Cluster.Score)
	}
}

func measured(s cluster.Snapshot, r cluster.Recommendation) cluster.Measurement {
	p := cluster.NewPlacement(s)
	m := cluster.Measurement{At: s.At, Cluster: p.Assess()}
	m.Cluster.StealCPUCores = s.MeasuredSteal()
	for _, e := range r.Effects {
		load := p.Load(e.Host)
		seen := load.CPUUtilisation
		if e.Name == "memory_utilisation" {
			seen = load.MemoryUtilisation
		}
		m.Effects = append(m.Effects, cluster.Effect{Host: e.Host, Name: e.Name, Before: e.After, After: seen})
	}
	if vm, ok := s.VM(r.Action.VM); ok {
		m.StealRatioAfter = vm.CPUStealRatio
	}
	m.StealRatioBefore = r.StealRatio
	return m
}

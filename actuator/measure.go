package actuator

import (
	"context"
	"slices"
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
	snap, err := a.snapshot(ctx, time.Now())
	if err != nil {
		a.log.Warn("effect not measured yet", "err", err)
		return
	}
	done := a.List(func(c cluster.Case) bool { return c.State == cluster.CaseDone })
	for _, c := range due {
		if blurred(snap, c.Recommendation.Action) {
			continue // it is tried again until measureWithin has passed
		}
		m := measured(snap, c, done)
		if _, err := a.record(c.Recommendation.ID, cluster.Entry{At: time.Now(), Kind: cluster.EntryMeasured, Measured: &m}, cluster.CaseDone); err != nil {
			a.log.Error("measurement not recorded", "id", c.Recommendation.ID, "err", err)
			continue
		}
		a.log.Info("measured", "id", c.Recommendation.ID, "score_predicted", m.PredictedScore, "score_measured", m.Cluster.Score)
	}
}

// blurred tells whether the snapshot cannot be measured by: what the action touched is not seen.
func blurred(s cluster.Snapshot, a cluster.Action) bool {
	for _, subject := range append([]string{"cluster"}, a.Subjects()...) {
		if s.GapOf(subject) != "" {
			return true
		}
	}
	return false
}

// measured holds a snapshot against a promise. What is done meanwhile by other actions shows in the
// same numbers, so the promise is that of the last action done: of all for the score, and of those
// that touched the host for each host.
func measured(s cluster.Snapshot, c cluster.Case, done []cluster.Case) cluster.Measurement {
	p := cluster.NewPlacement(s)
	m := cluster.Measurement{At: s.At, Cluster: p.Assess(), PredictedScore: c.Recommendation.After.Score}
	m.Cluster.StealCPUCores = s.MeasuredSteal()
	promised := slices.Clone(c.Recommendation.Effects)
	slices.SortStableFunc(done, func(x, y cluster.Case) int { return x.Outcome.Finished.Compare(y.Outcome.Finished) })
	for _, later := range done {
		if !later.Outcome.Finished.After(c.Outcome.Finished) {
			continue
		}
		m.Others++
		m.PredictedScore = later.Recommendation.After.Score
		for i, e := range promised {
			for _, l := range later.Recommendation.Effects {
				if l.Host == e.Host && l.Name == e.Name {
					promised[i] = l
				}
			}
		}
	}
	for _, e := range promised {
		m.Effects = append(m.Effects, cluster.Effect{Host: e.Host, Name: e.Name, Before: e.After, After: e.Seen(p.Load(e.Host))})
	}
	if vm, ok := s.VM(c.Recommendation.Action.VM); ok {
		m.StealRatioAfter, m.State = vm.CPUStealRatio, vm.State
	}
	m.StealRatioBefore = c.Recommendation.StealRatio
	return m
}

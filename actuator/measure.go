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

// expected is what a move should bring from where the cluster stands when it begins. A recommendation is a step of a plan, and counts on the steps
// before it; a person may approve it alone, or later. What is under way counts as done. It is nil for what is no move, and where that cannot be told.
func expected(s cluster.Snapshot, r cluster.Recommendation) *cluster.Expectation {
	if r.Action.Kind != cluster.Migrate || len(r.Effects) == 0 {
		return nil
	}
	s.VMs = slices.Clone(s.VMs)
	for i := range s.VMs {
		if v := &s.VMs[i]; v.MigratingTo != "" && v.ID != r.Action.VM {
			v.Host, v.MigratingTo = v.MigratingTo, ""
		}
	}
	p := cluster.NewPlacement(s)
	vm, known := p.VMIndex(r.Action.VM)
	to, there := p.HostIndex(r.Action.To)
	if !known || !there || p.At(vm) < 0 {
		return nil
	}
	e := &cluster.Expectation{Before: p.Assess().Score}
	for _, one := range r.Effects {
		now := one.Seen(p.Load(one.Host))
		e.Effects = append(e.Effects, cluster.Effect{Host: one.Host, Name: one.Name, Before: now, After: now + one.After - one.Before})
	}
	p.MoveAt(vm, to)
	e.After = p.Assess().Score
	return e
}

// measured holds a snapshot against a promise. What other actions do meanwhile shows in the same numbers, so the promise is that of the action
// that began last, which counted on those under way: of all for the score, and of those that touched the host for each host.
func measured(s cluster.Snapshot, c cluster.Case, done []cluster.Case) cluster.Measurement {
	p := cluster.NewPlacement(s)
	m := cluster.Measurement{At: s.At, Cluster: p.Assess(), PredictedScore: c.Expects().After}
	m.Cluster.StealCPUCores = s.MeasuredSteal()
	promised := slices.Clone(c.Expects().Effects)
	slices.SortStableFunc(done, func(x, y cluster.Case) int { return x.Outcome.Started.Compare(y.Outcome.Started) })
	for _, later := range done {
		if !later.Outcome.Started.After(c.Outcome.Started) {
			continue
		}
		m.Others++
		m.PredictedScore = later.Expects().After
		for i, e := range promised {
			for _, l := range later.Expects().Effects {
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

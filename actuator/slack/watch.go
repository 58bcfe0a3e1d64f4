package slack

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// watch takes over what the desk shows until ctx ends. It never waits on Slack, so that a plan that comes and
// goes while Slack hangs is known all the same.
func (s *Slack) watch(ctx context.Context) {
	since := time.Now()
	for ctx.Err() == nil {
		now := time.Now()
		s.observe(now, since)
		since = now
		due := len(s.due(now))
		s.metrics.pending.Set(float64(due))
		if due > 0 {
			signal(s.news)
		}
		pause(ctx, s.o.Every, s.wake)
	}
}

// observe brings the plans in line with the desk's cases. A plan is new when one of its actions can still
// happen, or has happened since the last look.
func (s *Slack) observe(now, since time.Time) {
	known := map[string]bool{}
	wanted := map[string][]cluster.Case{}
	for _, key := range s.book.keys() {
		known[key], wanted[key] = true, nil
	}
	for _, c := range s.desk.List(func(c cluster.Case) bool {
		return c.State.Pending() || c.Outcome != nil && !c.Updated.Before(since)
	}) {
		wanted[keyOf(c.Recommendation)] = nil
	}
	for _, c := range s.desk.List(func(c cluster.Case) bool { _, ok := wanted[keyOf(c.Recommendation)]; return ok }) {
		key := keyOf(c.Recommendation)
		wanted[key] = append(wanted[key], c)
	}
	for key, cases := range wanted {
		if len(cases) > 0 || known[key] {
			s.observePlan(key, cases, !known[key], now)
		}
	}
}

func (s *Slack) observePlan(key string, cases []cluster.Case, fresh bool, now time.Time) {
	s.book.note(key, func(p *plan) {
		if fresh {
			p.Cluster, p.Made = cases[0].Recommendation.Cluster, cases[0].Recommendation.Made
		}
		p.see(cases, now)
	})
	if p, _ := s.book.plan(key); p.over(now) {
		s.book.drop(key)
	} else if fresh {
		s.book.change(key, func(*plan) {}) // on disk, so that what it leads to is told after a restart too
	}
}

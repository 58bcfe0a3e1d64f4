// Package rehearsal runs the analyzer and the gates against a simulated cluster, on its virtual clock:
// the same judging, planning and refusing as in a server, a day in seconds. Approval is given to all that
// is advised, in the name "simulation". It reports what came of it and does not say whether that is good.
package rehearsal

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/simulator"
	"github.com/prometheus/client_golang/prometheus"
)

// Options say how to judge and act.
type Options struct {
	Analyzer analyzer.Policy
	Gate     gate.Policy
	// Window is what use is averaged over.
	Window time.Duration
	// Watch only looks: nothing is advised and nothing moves.
	Watch bool
}

// Run takes a cluster through the whole scenario.
func Run(ctx context.Context, s simulator.Scenario, o Options) (Report, error) {
	r, err := newRun(s, o)
	if err != nil {
		return Report{}, err
	}
	end := s.Start.Add(time.Duration(s.Duration))
	for at := s.Start.Add(o.Analyzer.Interval); !at.After(end); at = at.Add(o.Analyzer.Interval) {
		if err := ctx.Err(); err != nil {
			return Report{}, err
		}
		if err := r.advance(ctx, at); err != nil {
			return Report{}, err
		}
		if err := r.pass(ctx, at); err != nil {
			return Report{}, err
		}
	}
	if err := r.advance(ctx, end); err != nil {
		return Report{}, err
	}
	return r.tally.report(r.cluster), nil
}

// run is one simulation under way.
type run struct {
	cluster  *simulator.Cluster
	options  Options
	analyzer *analyzer.Analyzer
	// seen are the snapshots of the last passes, the oldest first.
	seen []cluster.Snapshot
	// advised is what the last pass advised, decided what of it was taken or refused.
	advised []cluster.Recommendation
	decided map[string]bool
	// failed are the times at which moving a VM failed since it last succeeded.
	failed map[string][]time.Time
	flying *cluster.Recommendation
	tally  *tally
}

func newRun(s simulator.Scenario, o Options) (*run, error) {
	c, err := simulator.New(s, o.Window)
	if err != nil {
		return nil, err
	}
	r := &run{cluster: c, options: o, decided: map[string]bool{}, failed: map[string][]time.Time{}, tally: newTally()}
	r.analyzer = analyzer.New(r, o.Analyzer, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	return r, nil
}

// Snapshot gives the analyzer what it was like at the time of a pass.
func (r *run) Snapshot(_ context.Context, at time.Time) (cluster.Snapshot, error) {
	for _, s := range r.seen {
		if s.At.Equal(at) {
			return s, nil
		}
	}
	return cluster.Snapshot{}, fmt.Errorf("nothing is remembered of %s", at.Format(time.RFC3339))
}

// pass looks once and, when there is past enough to hold findings against, judges.
func (r *run) pass(ctx context.Context, at time.Time) error {
	snap, err := r.cluster.Snapshot(ctx, at)
	if err != nil {
		return err
	}
	r.tally.see(snap, r.options.Analyzer.Interval)
	if r.options.Watch {
		return nil
	}
	hold := max(1, r.options.Analyzer.HoldRounds)
	r.seen = append(r.seen[max(0, len(r.seen)-hold+1):], snap)
	if len(r.seen) < hold {
		return nil
	}
	if err := r.analyzer.Pass(ctx, at); err != nil {
		return err
	}
	board, _ := r.analyzer.Board()
	r.tally.judged(board, r.advised)
	r.advised = board.Recommendations
	clear(r.decided)
	return r.act(ctx)
}

// advance lets time pass. One action happens at a time: when it ends, the next one's turn has come.
func (r *run) advance(ctx context.Context, to time.Time) error {
	for {
		next := r.cluster.NextEnd()
		if next.IsZero() || next.After(to) {
			r.cluster.Step(to)
			return r.act(ctx)
		}
		r.cluster.Step(next)
		if err := r.act(ctx); err != nil {
			return err
		}
	}
}

// act takes the next recommendation that the gates let through, when no action is under way.
func (r *run) act(ctx context.Context) error {
	r.conclude(ctx)
	if r.flying != nil {
		return nil
	}
	for _, rec := range r.advised {
		if r.decided[rec.ID] {
			continue
		}
		r.decided[rec.ID] = true
		q, err := r.question(ctx, rec)
		if err != nil {
			return err
		}
		verdicts := gate.Ask(gate.All(), q)
		if !gate.Open(verdicts) {
			r.tally.refused(verdicts)
			continue
		}
		if err := r.cluster.Migrate(rec.Action.VM, rec.Action.To); err != nil {
			r.fail(rec.Action.VM)
			continue
		}
		r.flying = &rec
		return nil
	}
	return nil
}

// question gathers what the gates may know, as the actuator does.
func (r *run) question(ctx context.Context, rec cluster.Recommendation) (gate.Question, error) {
	now := r.cluster.Now()
	snap, err := r.cluster.Snapshot(ctx, now)
	if err != nil {
		return gate.Question{}, err
	}
	hosts := []string{rec.Action.From, rec.Action.To}
	if v, ok := snap.VM(rec.Action.VM); ok && !slices.Contains(hosts, v.Host) {
		hosts = append(hosts, v.Host)
	}
	return gate.Question{
		Now: now, Policy: r.options.Gate, Rec: rec, Snapshot: snap, Sighting: r.cluster.Look(ctx, rec.Action.VM, hosts), Failures: r.failed[rec.Action.VM],
		Approval: &cluster.Approval{Who: "simulation", Via: "simulation", At: now},
	}, nil
}

// conclude looks what became of the action under way.
func (r *run) conclude(ctx context.Context) {
	if r.flying == nil {
		return
	}
	a := r.flying.Action
	sight := r.cluster.Look(ctx, a.VM, []string{a.From, a.To})
	if _, job, answered := sight.On(a.From); job && answered {
		return
	}
	r.flying = nil
	if sight.RunsOn() == a.To {
		delete(r.failed, a.VM)
		return
	}
	r.fail(a.VM)
}

func (r *run) fail(vm string) {
	r.failed[vm] = append(r.failed[vm], r.cluster.Now())
}

// Package analyzer looks at the cluster at regular intervals, judges what it sees and puts advice on
// the board. It reads only through its Source, advises and never acts: what becomes of the advice is
// the actuator's business, which this package does not know.
package analyzer

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// Source gives the cluster as it was at a time.
type Source interface {
	Snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error)
}

// Policy is what the operator decided about judging and planning.
type Policy struct {
	// Interval is the time from one pass to the next.
	Interval time.Duration
	Detect   detect.Policy
	Plan     plan.Policy
}

// Judgement is everything that one snapshot led to.
type Judgement struct {
	Snapshot        cluster.Snapshot         `json:"snapshot"`
	Loads           []cluster.Load           `json:"loads"`
	Findings        []cluster.Finding        `json:"findings"`
	Plan            plan.Plan                `json:"plan"`
	Recommendations []cluster.Recommendation `json:"recommendations"`
}

// Judge detects and plans for one snapshot. It is pure: the same snapshot and policy give the same
// judgement, which is how any time in the past can be rehearsed.
func Judge(s cluster.Snapshot, p Policy) Judgement {
	findings := detect.Findings(s, p.Detect)
	made := plan.Make(s, findings, p.Plan)
	return Judgement{
		Snapshot: s, Loads: cluster.NewPlacement(s).Loads(), Findings: findings, Plan: made,
		Recommendations: made.Recommendations(findings, p.Plan),
	}
}

// Analyzer is the loop and the board. It is safe for concurrent use.
type Analyzer struct {
	source  Source
	log     *slog.Logger
	metrics *metrics

	mu     sync.Mutex
	policy Policy
	board  Judgement
	err    error
}

// New returns an analyzer that has not looked yet.
func New(source Source, p Policy, log *slog.Logger, reg prometheus.Registerer) *Analyzer {
	a := &Analyzer{source: source, policy: p, log: log}
	a.metrics = newMetrics(reg, a)
	return a
}

// SetPolicy replaces the policy from the next pass on.
func (a *Analyzer) SetPolicy(p Policy) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.policy = p
}

// Policy returns the policy in force.
func (a *Analyzer) Policy() Policy {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.policy
}

// Run passes over the cluster until ctx ends.
func (a *Analyzer) Run(ctx context.Context) error {
	for {
		if err := a.Pass(ctx, time.Now()); err != nil && ctx.Err() == nil {
			a.log.Error("pass failed, the board keeps the last judgement", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(a.Policy().Interval):
		}
	}
}

// Pass looks once and renews the board. On an error the board stays as it was and says so.
func (a *Analyzer) Pass(ctx context.Context, at time.Time) error {
	start := time.Now()
	snap, err := a.source.Snapshot(ctx, at)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
	a.metrics.passed(err, start)
	if err != nil {
		return fmt.Errorf("take a snapshot: %w", err)
	}
	next := Judge(snap, a.policy)
	next.Recommendations = settle(next, a.board.Recommendations, a.policy.Plan.Limits)
	for _, r := range next.Recommendations {
		if !slices.ContainsFunc(a.board.Recommendations, func(old cluster.Recommendation) bool { return old.ID == r.ID }) {
			a.log.Info("recommended", "id", r.ID, "policy", r.Policy, "priority", r.Priority, "action", r.Action.String(), "reason", r.Reason)
		}
	}
	a.board = next
	return nil
}

// Board returns the newest judgement, and the error of the last pass if that failed.
func (a *Analyzer) Board() (Judgement, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.board, a.err
}

// Recommendations returns what is advised now.
func (a *Analyzer) Recommendations() []cluster.Recommendation {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.board.Recommendations)
}

// Rehearse judges the cluster as it was at the time. The board stays as it is.
func (a *Analyzer) Rehearse(ctx context.Context, at time.Time) (Judgement, error) {
	snap, err := a.source.Snapshot(ctx, at)
	if err != nil {
		return Judgement{}, fmt.Errorf("take a snapshot: %w", err)
	}
	return Judge(snap, a.Policy()), nil
}

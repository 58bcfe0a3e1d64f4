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

	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// Source gives the cluster as it was at a time.
type Source interface {
	Snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error)
}

// Memory keeps what stands on the board, so that whoever looks after the cluster next lets it stand.
type Memory interface {
	Load() ([]cluster.Recommendation, error)
	Save(advice []cluster.Recommendation) error
}

// Policy is what the operator decided about judging and planning.
type Policy struct {
	// Interval is the time from one pass to the next. Passes stand exactly so far apart, on full seconds, so
	// that the same passes can be made again later.
	Interval time.Duration
	// Delay is how long after its instant a pass looks. Scrapes that began before the instant may come in until
	// then: what is asked again later is the same.
	Delay time.Duration
	// HoldRounds is in how many passes on end something must be found before moves are planned because of
	// it; 1 plans at once.
	HoldRounds int
	Detect     detect.Policy
	Plan       plan.Policy
}

// times are the instants of the passes that a judgement at the time rests on, the newest first.
func (p Policy) times(at time.Time) []time.Time {
	times := []time.Time{at}
	for i := 1; i < p.HoldRounds; i++ {
		times = append(times, at.Add(-time.Duration(i)*p.Interval))
	}
	return times
}

// Judgement is everything that one snapshot led to.
type Judgement struct {
	Snapshot        cluster.Snapshot         `json:"snapshot"`
	Loads           []cluster.Load           `json:"loads"`
	Scores          []cluster.VMScore        `json:"scores"`
	Lost            cluster.Points           `json:"points_lost"`
	Findings        []cluster.Finding        `json:"findings"`
	Plan            plan.Plan                `json:"plan"`
	Recommendations []cluster.Recommendation `json:"recommendations"`
	// Power is advice about hosts that sleep. Recommendations has what is to be woken as well and, where nothing else is advised, what
	// could sleep.
	Power []cluster.Recommendation `json:"-"`
	// Failover is how what the cluster is to survive stands. It is told as metrics and as a finding.
	Failover admission.Report `json:"-"`
}

// Judge detects and plans for the newest of the snapshots, which come newest first: what the older ones do
// not show as well is not acted upon yet. It is pure: the same snapshots and policy give the same
// judgement, which is how any time in the past can be rehearsed.
func Judge(snapshots []cluster.Snapshot, p Policy) Judgement {
	return judge(snapshots[0], Findings(snapshots, p), p)
}

// judge plans for what was found in the snapshot.
func judge(now cluster.Snapshot, findings []cluster.Finding, p Policy) Judgement {
	made := plan.Make(now, findings, p.Plan)
	placement := cluster.NewPlacement(now)
	j := Judgement{Snapshot: now, Loads: placement.Loads(), Findings: findings, Plan: made, Recommendations: made.Recommendations(now, findings, p.Plan)}
	for _, m := range now.Machines {
		j.Loads = append(j.Loads, m.Load())
	}
	j.Scores, j.Lost = placement.Scores()
	j.Failover = admission.Check(placement, p.Detect.Admission, p.Detect.Limits)
	j.Power = plan.PowerAdvice(now, p.Plan)
	return j
}

// Findings is what was found in the newest of the snapshots; what the older ones do not show as well is pending.
func Findings(snapshots []cluster.Snapshot, p Policy) []cluster.Finding {
	var earlier [][]cluster.Finding
	for _, s := range snapshots[1:] {
		earlier = append(earlier, detect.Findings(s, p.Detect))
	}
	return detect.Held(detect.Findings(snapshots[0], p.Detect), earlier)
}

// Explain says why what is advised for the subject of the board is advised, or why nothing is.
func (j Judgement) Explain(key string, p Policy) (plan.Explanation, error) {
	return plan.Explain(j.Snapshot, j.Findings, p.Plan, j.Plan, key)
}

// Analyzer is the loop and the board. It is safe for concurrent use.
type Analyzer struct {
	source  Source
	memory  Memory
	log     *slog.Logger
	metrics *metrics

	mu     sync.Mutex
	policy Policy
	board  Judgement
	// seen are the snapshots of the last passes, found is what was found in each by the policy in force.
	seen  []cluster.Snapshot
	found [][]cluster.Finding
	err   error
}

// New returns an analyzer that has not looked yet.
func New(source Source, p Policy, log *slog.Logger, reg prometheus.Registerer) *Analyzer {
	a := &Analyzer{source: source, policy: p, log: log}
	a.metrics = newMetrics(reg, a)
	return a
}

// Remember has what is advised kept, before the first pass. What was kept stands on the board, and is judged with that pass.
func (a *Analyzer) Remember(m Memory) error {
	kept, err := m.Load()
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.memory, a.board.Recommendations = m, kept
	for _, r := range a.board.Recommendations {
		if k := r.Action.Kind; k == cluster.Standby || k == cluster.Wake {
			a.board.Power = append(a.board.Power, r)
		}
	}
	return nil
}

// SetPolicy replaces the policy from the next pass on.
func (a *Analyzer) SetPolicy(p Policy) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.policy, a.found = p, nil
}

// Policy returns the policy in force.
func (a *Analyzer) Policy() Policy {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.policy
}

// Run passes over the cluster until ctx ends.
func (a *Analyzer) Run(ctx context.Context) error {
	at := time.Now().Truncate(time.Second)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(at.Add(a.Policy().Delay))):
		}
		if err := a.Pass(ctx, at); err != nil && ctx.Err() == nil {
			a.log.Error("pass failed, the board keeps the last judgement", "err", err)
		}
		p := a.Policy()
		if at = at.Add(p.Interval); time.Since(at) > p.Interval+p.Delay {
			at = time.Now().Truncate(time.Second) // it took longer than there was time
		}
	}
}

// Pass looks once and renews the board. On an error the board stays as it was and says so.
func (a *Analyzer) Pass(ctx context.Context, at time.Time) error {
	start := time.Now()
	a.mu.Lock()
	policy, known := a.policy, a.seen
	a.mu.Unlock()
	snapshots, err := Look(ctx, a.source, policy, at, known...)
	advice, changed, err := a.renew(snapshots, err)
	a.metrics.passed(err, start)
	if changed && a.memory != nil {
		if err := a.memory.Save(advice); err != nil {
			a.log.Warn("what is advised is not kept: after a restart it is advised anew", "err", err)
		}
	}
	return err
}

// renew judges what was seen, and tells what is advised and whether that is something new.
func (a *Analyzer) renew(snapshots []cluster.Snapshot, err error) (advice []cluster.Recommendation, changed bool, _ error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
	if err != nil {
		return nil, false, err
	}
	a.find(snapshots)
	next := judge(snapshots[0], detect.Held(a.found[0], a.found[1:]), a.policy)
	next.Recommendations = settle(next, a.board.Recommendations, a.policy.Plan.Limits)
	next.Power = settlePower(next, a.board.Power)
	next.Recommendations = withPower(next.Recommendations, next.Power)
	for _, r := range next.Recommendations {
		if !slices.ContainsFunc(a.board.Recommendations, func(old cluster.Recommendation) bool { return old.ID == r.ID }) {
			a.log.Info("recommended", "id", r.ID, "policy", r.Policy, "priority", r.Priority, "action", r.Action.String(), "reason", r.Reason)
		}
	}
	changed = !slices.EqualFunc(next.Recommendations, a.board.Recommendations, func(x, y cluster.Recommendation) bool { return x.ID == y.ID })
	a.board = next
	return next.Recommendations, changed, nil
}

// find notes what there is to find in the snapshots; what was found in an earlier pass is not looked for again. The caller holds mu.
func (a *Analyzer) find(snapshots []cluster.Snapshot) {
	found := make([][]cluster.Finding, len(snapshots))
	for i, s := range snapshots {
		was := slices.IndexFunc(a.seen, func(old cluster.Snapshot) bool { return old.At.Equal(s.At) })
		if was >= 0 && was < len(a.found) {
			found[i] = a.found[was]
		} else {
			found[i] = detect.Findings(s, a.policy.Detect)
		}
	}
	a.seen, a.found = snapshots, found
}

// Look takes the snapshots that a judgement at the time rests on, the newest first. Those that are known
// already are not asked for again.
func Look(ctx context.Context, source Source, p Policy, at time.Time, known ...cluster.Snapshot) ([]cluster.Snapshot, error) {
	var all []cluster.Snapshot
	for _, t := range p.times(at) {
		i := slices.IndexFunc(known, func(s cluster.Snapshot) bool { return s.At.Equal(t) })
		if i >= 0 {
			all = append(all, known[i])
			continue
		}
		s, err := source.Snapshot(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("take a snapshot: %w", err)
		}
		all = append(all, s)
	}
	return all, nil
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

// Judged returns the time of the newest judgement, the zero time before the first.
func (a *Analyzer) Judged() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.board.Snapshot.At
}

// Rehearse judges the cluster as it was at the time. The board stays as it is. Of the time of a pass it gives
// what was advised then.
func (a *Analyzer) Rehearse(ctx context.Context, at time.Time) (Judgement, error) {
	p := a.Policy()
	snapshots, err := Look(ctx, a.source, p, at)
	if err != nil {
		return Judgement{}, err
	}
	return Judge(snapshots, p), nil
}

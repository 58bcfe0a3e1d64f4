// Package rehearsal runs the analyzer and the gates against a simulated cluster, on its virtual clock:
// the same judging, planning and refusing as in a server, a day in seconds. Approval is given to all that
// is advised, in the name "simulation", unless it is to happen by itself. It reports what came of it and does not say whether that is good.
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
	// Alone has nobody approve anything: what happens is what the gates let through by itself.
	Alone bool
	// From is how long after the start counting begins.
	From    time.Duration
	Rest    Rest
	Witness Witness
}

// Rest is about hosts that sleep: the time over which use counts that wakes one, and the one without a peak after which one may
// sleep, 0 where nobody wants advice; how long it may take to empty one, and until one that was woken is back.
type Rest struct{ Busy, Calm, Empty, Wake time.Duration }

// Witness is told of what happens, as it happens, and may look at the cluster. Nothing depends on it.
type Witness interface {
	// Begins is told of an action just before it begins, Off of a host just before that is told to shut down, Passed when time has
	// passed.
	Begins(a cluster.Action, c *simulator.Cluster)
	Off(host string, c *simulator.Cluster)
	Passed(c *simulator.Cluster)
}

// Run takes a cluster through the whole scenario.
func Run(ctx context.Context, s simulator.Scenario, o Options) (Report, error) {
	r, err := newRun(s, o)
	if err != nil {
		return Report{}, err
	}
	end, from := s.Start.Add(time.Duration(s.Duration)), s.Start.Add(o.From)
	for at := s.Start.Add(o.Analyzer.Interval); !at.After(end); at = at.Add(o.Analyzer.Interval) {
		if err := ctx.Err(); err != nil {
			return Report{}, err
		}
		if err := r.advance(ctx, at); err != nil {
			return Report{}, err
		}
		if !at.After(from) {
			r.tally.before = r.cluster.Totals()
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
	// failed are the times at which the same failed with a VM or a host since it last succeeded, storm those at which anything did,
	// begun what began in the last hour.
	failed map[string][]time.Time
	storm  []time.Time
	begun  []gate.Begun
	flying *cluster.Recommendation
	// retiring is the host that is on its way into standby, waking those that are woken.
	retiring *retiring
	waking   []waking
	orders   cluster.Orders
	proofs   map[string]cluster.WakeProof
	// view is the cluster as it is seen now, nil where it has changed since.
	view  *cluster.Snapshot
	tally *tally
}

func newRun(s simulator.Scenario, o Options) (*run, error) {
	c, err := simulator.New(s, o.Window)
	if err != nil {
		return nil, err
	}
	if o.Rest.Busy > 0 {
		c.Rests(o.Rest.Busy, o.Rest.Calm)
	}
	r := &run{cluster: c, options: o, decided: map[string]bool{}, failed: map[string][]time.Time{}, proofs: map[string]cluster.WakeProof{}, tally: newTally()}
	for _, h := range c.Stands() {
		if h.State == cluster.HostStandby { // it was put to sleep before
			r.order(cluster.Order{Kind: cluster.OrderStandby, Subject: cluster.HostSubject(h.Host), Word: cluster.Approval{Who: "evenkeel", Via: "server", At: s.Start}, Rest: cluster.Rest{Down: s.Start, Asleep: s.Start}})
		}
		if !h.Unproven {
			r.proofs[h.Host] = cluster.WakeProof{Host: h.Host, At: s.Start, Woke: true, Seconds: time.Duration(s.Power.Boot).Seconds()}
		}
	}
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
	snap, err := r.look(ctx)
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

// advance lets time pass. One VM moves at a time: when it has arrived, the next one's turn has come.
func (r *run) advance(ctx context.Context, to time.Time) error {
	for {
		next := r.cluster.NextEnd()
		last := next.IsZero() || next.After(to)
		if last {
			next = to
		}
		r.cluster.Step(next)
		r.view = nil
		if r.options.Witness != nil {
			r.options.Witness.Passed(r.cluster)
		}
		if err := r.act(ctx); err != nil || last {
			return err
		}
	}
}

// look is the cluster as Prometheus would hold it now, with what the server itself publishes.
func (r *run) look(ctx context.Context) (cluster.Snapshot, error) {
	if r.view != nil {
		return *r.view, nil
	}
	snap, err := r.cluster.Snapshot(ctx, r.cluster.Now())
	if err != nil {
		return snap, err
	}
	for i := range snap.Hosts {
		if p, known := r.proofs[snap.Hosts[i].ID]; known {
			snap.Hosts[i].Woken = &p
		}
	}
	for _, w := range r.waking {
		i := slices.IndexFunc(snap.Hosts, func(h cluster.Host) bool { return h.ID == w.action.From })
		snap.Hosts[i].WakingSince = w.began
	}
	r.view = &snap
	return snap, nil
}

// act takes what is advised and what the gates let through.
func (r *run) act(ctx context.Context) error {
	if err := r.conclude(ctx); err != nil {
		return err
	}
	for _, rec := range r.advised {
		if r.decided[rec.ID] || rec.Action.Kind == cluster.Migrate && r.flying != nil {
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
		r.begin(rec)
	}
	return nil
}

// begin begins an action.
func (r *run) begin(rec cluster.Recommendation) {
	a, now := rec.Action, r.cluster.Now()
	if r.options.Witness != nil {
		r.options.Witness.Begins(a, r.cluster)
	}
	r.begun, r.view = append(r.begun, gate.Begun{At: now, Action: a}), nil
	switch a.Kind {
	case cluster.Standby:
		r.retire(rec)
	case cluster.Wake:
		if err := r.cluster.Wake(a.From); err != nil {
			r.fail(a)
			return
		}
		r.waking = append(r.waking, waking{rec.Action, now})
	default:
		if err := r.cluster.Migrate(a.VM, a.To); err != nil {
			r.fail(a)
			return
		}
		r.flying = &rec
	}
}

// question gathers what the gates may know, as the actuator does.
func (r *run) question(ctx context.Context, rec cluster.Recommendation) (gate.Question, error) {
	now, a := r.cluster.Now(), rec.Action
	snap, err := r.look(ctx)
	if err != nil {
		return gate.Question{}, err
	}
	for len(r.begun) > 0 && now.Sub(r.begun[0].At) >= time.Hour {
		r.begun = r.begun[1:]
	}
	q := gate.Question{Now: now, Policy: r.options.Gate, Rec: rec, Snapshot: snap, Failures: r.failed[alike(a)], Orders: r.orders, InFlight: r.inFlight(), Begun: r.begun, Storm: r.storm}
	if !r.options.Alone {
		q.Approval = &cluster.Approval{Who: "simulation", Via: "simulation", At: now}
	}
	if a.VM == "" {
		q.Watch, q.Rest = r.watched(), r.rest(snap, a)
		return q, nil
	}
	hosts := []string{a.From, a.To}
	if v, ok := snap.VM(a.VM); ok && !slices.Contains(hosts, v.Host) {
		hosts = append(hosts, v.Host)
	}
	q.Sighting = r.cluster.Look(ctx, a.VM, hosts)
	return q, nil
}

func (r *run) inFlight() []cluster.Action {
	var actions []cluster.Action
	if r.flying != nil {
		actions = append(actions, r.flying.Action)
	}
	if r.retiring != nil {
		actions = append(actions, r.retiring.action)
	}
	for _, w := range r.waking {
		actions = append(actions, w.action)
	}
	return actions
}

// conclude looks what became of the actions under way.
func (r *run) conclude(ctx context.Context) error {
	r.concludeMove(ctx)
	r.concludeWakes()
	r.letGo()
	return r.concludeRest(ctx)
}

func (r *run) concludeMove(ctx context.Context) {
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
		delete(r.failed, alike(a))
		return
	}
	r.fail(a)
}

// alike is the same for actions that do the same sort of thing to the same VM or host.
func alike(a cluster.Action) string { return a.Kind.String() + " " + a.Subject() }

func (r *run) fail(a cluster.Action) {
	r.failed[alike(a)] = append(r.failed[alike(a)], r.cluster.Now())
	r.storm = append(r.storm, r.cluster.Now())
}

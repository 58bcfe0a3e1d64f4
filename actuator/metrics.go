package actuator

import (
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	actions   *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	refusals  *prometheus.CounterVec
	decisions *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, a *Actuator) *metrics {
	m := &metrics{
		actions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "evenkeel_actions_total", Help: "Actions that ended, by kind and result. Those of unknown outcome are not among them: see evenkeel_recommendations{state=\"unknown\"}.",
		}, []string{"kind", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "evenkeel_action_duration_seconds", Help: "Time from the intent to the outcome of actions that were begun.",
			Buckets: prometheus.ExponentialBuckets(0.5, 2, 12),
		}, []string{"kind"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "evenkeel_gate_refusals_total", Help: "Refusals of an approval or an action, by gate.",
		}, []string{"gate"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "evenkeel_decisions_total", Help: "What people said and how it was taken: approved, seconded (one yes of two), rejected, snoozed, refused by a gate, ordered or lifted.",
		}, []string{"decision"}),
	}
	for _, kind := range cluster.Kinds() {
		for _, result := range []cluster.Result{cluster.ResultDone, cluster.ResultRefused, cluster.ResultFailed} {
			m.actions.WithLabelValues(kind, result.String())
		}
		m.duration.WithLabelValues(kind)
	}
	for _, g := range gate.Names() {
		m.refusals.WithLabelValues(g)
	}
	for _, k := range []cluster.EntryKind{cluster.EntryApproved, cluster.EntrySeconded, cluster.EntryRejected, cluster.EntrySnoozed, cluster.EntryRefused, cluster.EntryOrdered, cluster.EntryLifted} {
		m.decisions.WithLabelValues(k.String())
	}
	reg.MustRegister(m.actions, m.duration, m.refusals, m.decisions, newCaseCollector(a))
	return m
}

func (m *metrics) asked(verdicts []cluster.Verdict) {
	for _, v := range gate.Refusals(verdicts) {
		m.refusals.WithLabelValues(v.Gate).Inc()
	}
}

func (m *metrics) decided(e cluster.Entry) { m.decisions.WithLabelValues(e.Kind.String()).Inc() }

func (m *metrics) ended(r cluster.Recommendation, o cluster.Outcome) {
	if o.Result == cluster.ResultUnknown {
		return // it is counted when it is known
	}
	m.actions.WithLabelValues(r.Action.Kind.String(), o.Result.String()).Inc()
	if !o.Started.IsZero() {
		m.duration.WithLabelValues(r.Action.Kind.String()).Observe(o.Finished.Sub(o.Started).Seconds())
	}
}

type caseCollector struct {
	actuator *Actuator
	cases    *prometheus.Desc
	orders   *prometheus.Desc
	promises *prometheus.Desc
	off      *prometheus.Desc
	earned   *prometheus.Desc
	level    *prometheus.Desc
	progress *prometheus.Desc
}

func newCaseCollector(a *Actuator) *caseCollector {
	return &caseCollector{actuator: a, cases: prometheus.NewDesc("evenkeel_recommendations",
		"Recommendations that the server knows, by state; those that led to something are kept for good.", []string{"state"}, nil),
		orders: prometheus.NewDesc("evenkeel_order_in_force", "What people ordered beyond single recommendations and is in force (1): pauses, and approvals of a policy's recommendations in advance.",
			[]string{"kind", "subject", "policy"}, nil),
		promises: prometheus.NewDesc("evenkeel_effects", "Actions of which it is known what came of them, by planner, pair of hosts, what they answered, and whether it was as promised.",
			[]string{"policy", "from", "to", "detectors", "kept"}, nil),
		off: prometheus.NewDesc("evenkeel_effect_utilisation_error_ratio", "Mean of the largest difference between the promised and the seen utilisation of the two hosts, by planner and pair of hosts, as a ratio of a host.",
			[]string{"policy", "from", "to"}, nil),
		earned:   prometheus.NewDesc("evenkeel_earned_level", "Automation level that a kind of action has earned (1 manual, 2 partial, 3 full), where it is to be earned.", []string{"policy"}, nil),
		level:    prometheus.NewDesc("evenkeel_automation_level", "Automation level in force now for a kind of action, by configuration, schedules and what was earned (0 off, 1 manual, 2 partial, 3 full). Single hosts and VMs may be held lower.", []string{"policy"}, nil),
		progress: prometheus.NewDesc("evenkeel_action_progress_ratio", "Share of the memory that a migration under way has copied, 0 to 1.", []string{"vm", "name", "from", "to"}, nil)}
}

func (c *caseCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.cases
	ch <- c.orders
	ch <- c.promises
	ch <- c.off
	ch <- c.earned
	ch <- c.level
	ch <- c.progress
}

func (c *caseCollector) Collect(ch chan<- prometheus.Metric) {
	n := c.actuator.Counts()
	for i, name := range cluster.CaseStates() {
		ch <- prometheus.MustNewConstMetric(c.cases, prometheus.GaugeValue, float64(n[cluster.CaseState(i)]), name)
	}
	for _, o := range c.actuator.Orders() {
		ch <- prometheus.MustNewConstMetric(c.orders, prometheus.GaugeValue, 1, o.Kind.String(), o.Subject, o.Policy)
	}
	for _, s := range c.actuator.Standings() {
		ch <- prometheus.MustNewConstMetric(c.earned, prometheus.GaugeValue, float64(s.Level), s.Policy)
	}
	for _, kind := range cluster.Policies() {
		ch <- prometheus.MustNewConstMetric(c.level, prometheus.GaugeValue, float64(c.actuator.levelOf(kind)), kind)
	}
	for _, one := range c.actuator.List(underWay) {
		a := one.Recommendation.Action
		ch <- prometheus.MustNewConstMetric(c.progress, prometheus.GaugeValue, one.Progress.Ratio(), a.VM, a.Name, a.From, a.To)
	}
	c.effects(ch)
}

// effects sums promises up.
func (c *caseCollector) effects(ch chan<- prometheus.Metric) {
	type pair struct{ policy, from, to string }
	type group struct {
		pair
		detectors string
		kept      bool
	}
	count, sum, known := map[group]int{}, map[pair]float64{}, map[pair]int{}
	for _, p := range c.actuator.Promises() {
		k := pair{p.Policy, p.From, p.To}
		count[group{k, strings.Join(p.Detectors, "+"), p.Kept}]++
		if p.UtilisationError.Known {
			sum[k] += p.UtilisationError.Value
			known[k]++
		}
	}
	for g, n := range count {
		ch <- prometheus.MustNewConstMetric(c.promises, prometheus.GaugeValue, float64(n), g.policy, g.from, g.to, g.detectors, strconv.FormatBool(g.kept))
	}
	for k, n := range known {
		ch <- prometheus.MustNewConstMetric(c.off, prometheus.GaugeValue, sum[k]/float64(n), k.policy, k.from, k.to)
	}
}

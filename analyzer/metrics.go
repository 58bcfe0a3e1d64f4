package analyzer

import (
	"time"

	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the analyzer's own. What describes the board is computed from it when it is scraped.
type metrics struct {
	passes   *prometheus.CounterVec
	duration prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, a *Analyzer) *metrics {
	m := &metrics{
		passes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "evenkeel_analyzer_passes_total", Help: "Passes over the cluster, by result.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "evenkeel_analyzer_pass_duration_seconds", Help: "Time that a pass took, from its first query until what it advises is published.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 7),
		}),
	}
	for _, result := range []string{"success", "failure"} {
		m.passes.WithLabelValues(result)
	}
	reg.MustRegister(m.passes, m.duration, newBoardCollector(a), newSnapshotCollector(a))
	return m
}

func (m *metrics) passed(err error, start time.Time) {
	result := "success"
	if err != nil {
		result = "failure"
	}
	m.passes.WithLabelValues(result).Inc()
	m.duration.Observe(time.Since(start).Seconds())
}

type boardCollector struct {
	analyzer                         *Analyzer
	started                          time.Time
	findings, age, last, score, gaps *prometheus.Desc
	lost, planned, vm, forecast      *prometheus.Desc
	failover, headroom, cases        *prometheus.Desc
}

func newBoardCollector(a *Analyzer) *boardCollector {
	return &boardCollector{
		analyzer: a, started: time.Now(),
		findings: prometheus.NewDesc("evenkeel_findings", "Findings on the board, by detector, and whether they have held for long enough to act upon.", []string{"detector", "held"}, nil),
		age:      prometheus.NewDesc("evenkeel_snapshot_age_seconds", "Age of the newest snapshot; before the first one, the time since the start.", nil, nil),
		last:     prometheus.NewDesc("evenkeel_analyzer_last_pass_timestamp_seconds", "When the last successful pass looked at the cluster; 0 before the first.", nil, nil),
		score:    prometheus.NewDesc("evenkeel_cluster_score", "Score of the cluster as measured, 0 to 100; absent while no VM was judged.", nil, nil),
		lost:     prometheus.NewDesc("evenkeel_cluster_score_lost_points", "What is missing to a score of 100, by what costs it.", []string{"part"}, nil),
		planned:  prometheus.NewDesc("evenkeel_cluster_score_planned", "Score that the model gives the cluster as it is (before) and after the whole plan (after).", []string{"when"}, nil),
		vm:       prometheus.NewDesc("evenkeel_vm_score", "Score of a running VM as measured, 0 to 100.", []string{"vm"}, nil),
		forecast: prometheus.NewDesc("evenkeel_vm_cpu_forecast_error_cores", "Mean absolute error in cores, over past hours, of expecting a VM to use what it did at the same hours of past days (same-hour), and what it used last (persistence). The forecast is used only where its error is smaller.", []string{"vm", "forecast"}, nil),
		failover: prometheus.NewDesc("evenkeel_failover_ok", "Whether the cluster would survive the case that the configuration's reserve asks for (1) or not, or that is not proven (0).", []string{"case_kind", "subject"}, nil),
		headroom: prometheus.NewDesc("evenkeel_failover_headroom_bytes", "How much more memory could be started in the case, at least, in VMs of the cluster's median size; of case_kind percent what is free beyond the percentage. 0 where it would not be survived.", []string{"case_kind", "subject"}, nil),
		cases:    prometheus.NewDesc("evenkeel_failover_cases", "Cases that the configuration's reserve asks for, by what came of them.", []string{"result"}, nil),
		gaps:     prometheus.NewDesc("evenkeel_snapshot_gaps", "Hosts and VMs that the newest snapshot could not see properly.", nil, nil),
	}
}

func (c *boardCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.findings, c.age, c.last, c.score, c.gaps, c.lost, c.planned, c.vm, c.forecast, c.failover, c.headroom, c.cases} {
		ch <- d
	}
}

func (c *boardCollector) Collect(ch chan<- prometheus.Metric) {
	board, _ := c.analyzer.Board()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := map[string]map[bool]int{}
	for _, f := range board.Findings {
		if count[f.Detector] == nil {
			count[f.Detector] = map[bool]int{}
		}
		count[f.Detector][!f.Pending]++
	}
	for _, name := range detect.Names() {
		gauge(c.findings, float64(count[name][true]), name, "true")
		gauge(c.findings, float64(count[name][false]), name, "false")
	}
	gauge(c.gaps, float64(len(board.Snapshot.Gaps)))
	if board.Snapshot.At.IsZero() {
		gauge(c.age, time.Since(c.started).Seconds())
		gauge(c.last, 0)
		return
	}
	gauge(c.age, time.Since(board.Snapshot.At).Seconds())
	gauge(c.last, float64(board.Snapshot.At.UnixMilli())/1000)
	if len(board.Scores) > 0 { // of no VM the score would be 100, as of a cluster that is well
		gauge(c.score, board.Lost.Score())
		for _, part := range parts(board.Lost) {
			gauge(c.lost, part.value, part.name)
		}
		gauge(c.planned, board.Plan.Before.Score, "before")
		gauge(c.planned, board.Plan.After.Score, "after")
	}
	results := map[string]int{}
	for _, k := range board.Failover.Cases {
		ok, result := 0.0, "broken"
		switch {
		case k.OK:
			ok, result = 1, "ok"
		case k.Unproven:
			result = "unproven"
		}
		results[result]++
		gauge(c.failover, ok, k.Kind, k.Subject)
		if k.HeadroomBytes.Known {
			gauge(c.headroom, k.HeadroomBytes.Value, k.Kind, k.Subject)
		}
	}
	for _, result := range []string{"ok", "broken", "unproven"} {
		gauge(c.cases, float64(results[result]), result)
	}
	for _, v := range board.Scores {
		gauge(c.vm, v.Score, v.VM)
	}
	for _, v := range board.Snapshot.VMs {
		if v.CPUPredictedErrorCores.Known && v.CPUPersistenceErrorCores.Known {
			gauge(c.forecast, v.CPUPredictedErrorCores.Value, v.ID, "same-hour")
			gauge(c.forecast, v.CPUPersistenceErrorCores.Value, v.ID, "persistence")
		}
	}
}

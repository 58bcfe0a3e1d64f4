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
			Name: "evenkeel_analyzer_pass_duration_seconds", Help: "Time that a pass took, queries included.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 7),
		}),
	}
	for _, result := range []string{"success", "failure"} {
		m.passes.WithLabelValues(result)
	}
	reg.MustRegister(m.passes, m.duration, newBoardCollector(a))
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
}

func newBoardCollector(a *Analyzer) *boardCollector {
	return &boardCollector{
		analyzer: a, started: time.Now(),
		findings: prometheus.NewDesc("evenkeel_findings", "Findings on the board, by detector.", []string{"detector"}, nil),
		age:      prometheus.NewDesc("evenkeel_snapshot_age_seconds", "Age of the newest snapshot; before the first one, the time since the start.", nil, nil),
		last:     prometheus.NewDesc("evenkeel_analyzer_last_pass_timestamp_seconds", "When the last successful pass looked at the cluster; 0 before the first.", nil, nil),
		score:    prometheus.NewDesc("evenkeel_cluster_score", "Score of the cluster, 0 to 100; absent before the first pass.", nil, nil),
		gaps:     prometheus.NewDesc("evenkeel_snapshot_gaps", "Hosts and VMs that the newest snapshot could not see properly.", nil, nil),
	}
}

func (c *boardCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.findings, c.age, c.last, c.score, c.gaps} {
		ch <- d
	}
}

func (c *boardCollector) Collect(ch chan<- prometheus.Metric) {
	board, _ := c.analyzer.Board()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, name := range detect.Names() {
		n := 0
		for _, f := range board.Findings {
			if f.Detector == name {
				n++
			}
		}
		gauge(c.findings, float64(n), name)
	}
	gauge(c.gaps, float64(len(board.Snapshot.Gaps)))
	if board.Snapshot.At.IsZero() {
		gauge(c.age, time.Since(c.started).Seconds())
		gauge(c.last, 0)
		return
	}
	gauge(c.age, time.Since(board.Snapshot.At).Seconds())
	gauge(c.last, float64(board.Snapshot.At.UnixMilli())/1000)
	gauge(c.score, board.Plan.Before.Score)
}

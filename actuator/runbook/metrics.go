package runbook

import (
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// The ways a notification can be taken.
const (
	notifiedAccepted     = "accepted"
	notifiedUnauthorised = "unauthorised"
	notifiedInvalid      = "invalid"
	notifiedFailed       = "failed"
)

type metrics struct {
	room          *Room
	runs          *prometheus.CounterVec
	notifications *prometheus.CounterVec
	underWay      *prometheus.Desc
}

func newMetrics(reg prometheus.Registerer, r *Room) *metrics {
	m := &metrics{
		room: r,
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "evenkeel_runbook_runs_total", Help: "Runs of runbooks that are over, by how they ended.",
		}, []string{"runbook", "result"}),
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "evenkeel_alertmanager_notifications_total", Help: "Notifications of Alertmanager's, by how they were taken.",
		}, []string{"result"}),
		underWay: prometheus.NewDesc("evenkeel_runbook_runs_under_way", "Runs of runbooks that are not over, those that wait for their turn included.", []string{"runbook"}, nil),
	}
	for _, result := range []string{notifiedAccepted, notifiedUnauthorised, notifiedInvalid, notifiedFailed} {
		m.notifications.WithLabelValues(result)
	}
	reg.MustRegister(m.runs, m.notifications, m)
	return m
}

// know has the runs of each runbook start at 0.
func (m *metrics) know(books []book) {
	for _, b := range books {
		for _, state := range cluster.RunStates() {
			if state != cluster.RunUnderWay.String() {
				m.runs.WithLabelValues(b.Name, state)
			}
		}
	}
}

func (m *metrics) notified(result string) { m.notifications.WithLabelValues(result).Inc() }

func (m *metrics) ended(run cluster.Run) {
	m.runs.WithLabelValues(run.Runbook, run.State.String()).Inc()
}

// Describe is part of prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { ch <- m.underWay }

// Collect is part of prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	n := map[string]int{}
	for _, b := range m.room.books {
		n[b.Name] = 0
	}
	for _, run := range m.room.runs {
		if run.State == cluster.RunUnderWay {
			n[run.Runbook]++
		}
	}
	for name, count := range n {
		ch <- prometheus.MustNewConstMetric(m.underWay, prometheus.GaugeValue, float64(count), name)
	}
}

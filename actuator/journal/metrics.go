package journal

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an open journal counts by itself; the rest is read when it is asked for.
type metrics struct {
	appends  *prometheus.CounterVec
	duration prometheus.Histogram
}

func newMetrics() *metrics {
	m := &metrics{
		appends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "evenkeel_journal_appends_total", Help: "Entries that were to be written to the journal, by result. Nothing is done whose entry fails.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "evenkeel_journal_append_duration_seconds", Help: "Time until an entry was safe, or failed.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
	}
	m.appends.WithLabelValues(success)
	m.appends.WithLabelValues(failure)
	return m
}

const (
	success = "success"
	failure = "failure"
)

func (m *metrics) appended(took time.Duration, err error) {
	result := success
	if err != nil {
		result = failure
	}
	m.appends.WithLabelValues(result).Inc()
	m.duration.Observe(took.Seconds())
}

// Collector returns the journal's metrics. Collecting them waits for no disk.
func (j *Journal) Collector() prometheus.Collector {
	return &collector{journal: j,
		entries: prometheus.NewDesc("evenkeel_journal_entries", "Number of the journal's last entry: as many were written since its beginning, those included that were moved out since.", nil, nil),
		bytes:   prometheus.NewDesc("evenkeel_journal_bytes", "Size of the journal's file, where it has one. It does not shrink when entries are moved out, their room is used again.", nil, nil),
	}
}

type collector struct {
	journal        *Journal
	entries, bytes *prometheus.Desc
}

// Describe lists the metrics.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.entries
	ch <- c.bytes
	c.journal.metrics.appends.Describe(ch)
	c.journal.metrics.duration.Describe(ch)
}

// Collect reads the metrics.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(c.entries, prometheus.GaugeValue, float64(c.journal.Head().Seq))
	if n, known := c.journal.shelf.Bytes(); known {
		ch <- prometheus.MustNewConstMetric(c.bytes, prometheus.GaugeValue, float64(n))
	}
	c.journal.metrics.appends.Collect(ch)
	c.journal.metrics.duration.Collect(ch)
}

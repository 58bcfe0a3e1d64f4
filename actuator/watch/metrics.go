package watch

import (
	"github.com/evenkeel/evenkeel/actuator/verdict"
	"github.com/prometheus/client_golang/prometheus"
)

// collector publishes the verdicts.
type collector struct{ watch *Watch }

func verdictDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_verdict", "What has become of the host (1 for the verdict that it has, 0 for the others).", []string{"host", "verdict"}, nil)
}

func silenceDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_host_silent_seconds", "For how long neither exporter nor libvirt of the host has given a sign of life.", []string{"host"}, nil)
}

// Describe is part of prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- verdictDesc()
	ch <- silenceDesc()
}

// Collect is part of prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	for name, h := range c.watch.hosts {
		for _, v := range verdict.All() {
			value := 0.0
			if h.finding.Verdict == v {
				value = 1
			}
			ch <- prometheus.MustNewConstMetric(verdictDesc(), prometheus.GaugeValue, value, name, string(v))
		}
		ch <- prometheus.MustNewConstMetric(silenceDesc(), prometheus.GaugeValue, h.evidence.Since.Seconds(), name)
	}
}

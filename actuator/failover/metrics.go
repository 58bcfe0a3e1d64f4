package failover

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// collector publishes what is down and what waits.
type collector struct{ room *Room }

func downDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_vm_down_seconds", "For how long a VM has not run that should.", []string{"vm", "name", "host", "cause"}, nil)
}

func stuckDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_recovery_stuck", "Failures that a person should look at, because nothing more is done about them by itself (1 for each).", []string{"subject", "name", "cause"}, nil)
}

func keptDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_definitions_kept", "VMs whose definition is kept, so that they can be started on another host.", nil, nil)
}

// Describe is part of prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- downDesc()
	ch <- stuckDesc()
	ch <- keptDesc()
}

// Collect is part of prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	r := c.room
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.track.Troubles() {
		ch <- prometheus.MustNewConstMetric(downDesc(), prometheus.GaugeValue, time.Since(t.Since).Seconds(), t.VM.ID, t.VM.Name, t.Host, t.Cause)
	}
	told := map[[3]string]bool{}
	for _, w := range r.waiting {
		if key := [3]string{w.Subject, w.Name, w.Cause}; w.Stuck && !told[key] {
			told[key] = true
			ch <- prometheus.MustNewConstMetric(stuckDesc(), prometheus.GaugeValue, 1, w.Subject, w.Name, w.Cause)
		}
	}
	r.keeping.mu.Lock()
	defer r.keeping.mu.Unlock()
	ch <- prometheus.MustNewConstMetric(keptDesc(), prometheus.GaugeValue, float64(len(r.keeping.hosts)))
}

package timetable

import (
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

type collector struct {
	room                *Room
	open, success, last *prometheus.Desc
}

func newCollector(r *Room) *collector {
	labels := []string{"schedule"}
	return &collector{room: r,
		open:    prometheus.NewDesc("evenkeel_schedule_open", "Whether the window of the schedule is open (1) or not (0).", labels, nil),
		success: prometheus.NewDesc("evenkeel_schedule_last_success", "Whether the schedule did what it is there for the last time that it came (1), or failed or was missed (0); absent before the first time has ended.", labels, nil),
		last:    prometheus.NewDesc("evenkeel_schedule_last_timestamp_seconds", "When that was known.", labels, nil)}
}

// Describe is part of prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.open
	ch <- c.success
	ch <- c.last
}

// Collect is part of prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	states := c.room.Schedules()
	c.room.mu.Lock()
	pages := c.room.book.Pages
	c.room.mu.Unlock()
	for _, s := range states {
		gauge := func(d *prometheus.Desc, value float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, s.Name)
		}
		gauge(c.open, one(s.Result == cluster.ScheduleOpen))
		if last := pages[s.Name].Last; last != nil {
			gauge(c.success, one(last.Result == cluster.ScheduleDone))
			gauge(c.last, float64(last.Known.UnixMilli())/1000)
		}
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

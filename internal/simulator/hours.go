package simulator

import (
	"time"

	"github.com/evenkeel/evenkeel/analyzer/forecast"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// How the coming hours are foretold, as the adapter for Prometheus does it.
const (
	// learnDays is how many days of past hours are looked at, aheadHours how many coming ones are foretold.
	learnDays  = 7
	aheadHours = 12
	// pastSteps is at how many times of an hour before the start its load is looked at.
	pastSteps = 6
)

// hours are the means of what VMs used in full hours.
type hours struct {
	// from are the counters as the present hour began, at the time since.
	from  []float64
	since time.Time
	// of are the hours of each VM, the oldest first, and next and ahead what follows from them.
	of    [][]forecast.Hour
	next  []forecast.Forecast
	known []bool
	ahead [][]forecast.Hour
}

// recall fills in the hours before the start, in which the VMs ran as they do.
func (c *Cluster) recall() {
	n := int(min(time.Duration(c.scenario.Past), learnDays*day) / time.Hour)
	c.hours = hours{since: c.now, of: make([][]forecast.Hour, len(c.vms)), from: make([]float64, len(c.vms))}
	begin := c.now.Truncate(time.Hour).Add(-time.Duration(n) * time.Hour)
	for i, v := range c.vms {
		for h := range n {
			one := forecast.Hour{Known: v.From == 0 && v.Load.past()}
			for s := 0; one.Known && s < pastSteps; s++ {
				at := begin.Add(time.Duration(h)*time.Hour + time.Duration(s)*time.Hour/pastSteps)
				one.Value += v.load(at) * float64(v.VCPUs) / pastSteps
			}
			c.hours.of[i] = append(c.hours.of[i], one)
		}
	}
	c.foretell()
}

// noteHour ends an hour that is over. What ran for a part of it only has used less, as it is with Prometheus.
func (c *Cluster) noteHour() {
	hour := c.now.Truncate(time.Hour)
	if !hour.After(c.hours.since) {
		return
	}
	for i, v := range c.vms {
		one := forecast.Hour{Value: (v.got - c.hours.from[i]) / hour.Sub(c.hours.since).Seconds(), Known: v.at >= 0 && !v.stopped && c.hours.since.Add(time.Hour).Equal(hour)}
		c.hours.of[i] = append(c.hours.of[i], one)
		if extra := len(c.hours.of[i]) - learnDays*24; extra > 0 {
			c.hours.of[i] = c.hours.of[i][extra:]
		}
		c.hours.from[i] = v.got
	}
	c.hours.since = hour
	c.foretell()
}

// foretell works out once an hour what holds for all of it.
func (c *Cluster) foretell() {
	h := &c.hours
	h.next, h.known, h.ahead = make([]forecast.Forecast, len(c.vms)), make([]bool, len(c.vms)), make([][]forecast.Hour, len(c.vms))
	for i := range c.vms {
		h.next[i], h.known[i] = forecast.Next(h.of[i])
		h.ahead[i] = forecast.Ahead(h.of[i], aheadHours)
	}
}

// expect writes into a VM what the past hours tell of the coming one.
func (c *Cluster) expect(i int, seen *cluster.VM) {
	if !c.hours.known[i] {
		return
	}
	f := c.hours.next[i]
	seen.CPUPredictedErrorCores, seen.CPUPersistenceErrorCores = cluster.Known(f.Error), cluster.Known(f.PersistenceError)
	if f.Beats {
		seen.CPUPredictedCores = cluster.Known(f.Value)
	}
}

// expected is what all VMs together are expected to use in the coming hours; what is not known of one is taken to stay as it is.
func (c *Cluster) expected(cores []float64) []float64 {
	total := make([]float64, aheadHours)
	for i, now := range cores {
		if c.vms[i].at < 0 {
			continue
		}
		for j, hour := range c.hours.ahead[i] {
			if !hour.Known {
				hour.Value = now
			}
			total[j] += hour.Value
		}
	}
	return total
}

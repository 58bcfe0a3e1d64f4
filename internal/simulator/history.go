package simulator

import (
	"slices"
	"time"
)

// How demand is judged from the past, as the adapter for Prometheus does it by default: the 90th percentile of
// means over four scrapes or a fifth of the window, whichever is longer, at 20 points of the window.
const (
	fourScrapes = time.Minute
	meanPart    = 5
	demandSteps = 20
	demandShare = 0.9
)

// meanOver is the time of one mean.
func (c *Cluster) meanOver() time.Duration { return min(c.window, max(fourScrapes, c.window/meanPart)) }

// sample is the counters at an instant. Between two of them nothing changed, so that what lies between is
// on a straight line.
type sample struct {
	at time.Time
	// wanted and stolen are of each VM, own and stalled of each host.
	wanted, stolen, own, stalled []float64
}

// note keeps the counters of now, and forgets what no window reaches any more.
func (c *Cluster) note() {
	c.noteHour()
	s := sample{at: c.now}
	for _, v := range c.vms {
		s.wanted, s.stolen = append(s.wanted, v.wanted), append(s.stolen, v.stolen)
	}
	for _, h := range c.hosts {
		s.own, s.stalled = append(s.own, h.own), append(s.stalled, h.stalled)
	}
	old := 0
	for old+1 < len(c.history) && !c.history[old+1].at.After(c.now.Add(-max(c.window+c.meanOver(), c.rests.calm+c.rests.busy))) {
		old++
	}
	c.history = append(slices.Delete(c.history, 0, old), s)
}

// rate is the mean growth of a counter a second between two times, as far as they are remembered.
func (c *Cluster) rate(from, to time.Time, of func(sample) float64) float64 {
	if first := c.history[0].at; from.Before(first) {
		from = first
	}
	if !from.Before(to) {
		return 0
	}
	return (c.value(to, of) - c.value(from, of)) / to.Sub(from).Seconds()
}

// value is a counter at a time.
func (c *Cluster) value(at time.Time, of func(sample) float64) float64 {
	i, found := slices.BinarySearchFunc(c.history, at, func(s sample, t time.Time) int { return s.at.Compare(t) })
	switch {
	case found || i == 0:
		return of(c.history[i])
	case i == len(c.history):
		return of(c.history[i-1])
	}
	before, after := c.history[i-1], c.history[i]
	part := at.Sub(before.at).Seconds() / after.at.Sub(before.at).Seconds()
	return of(before) + part*(of(after)-of(before))
}

// demand is the percentile of a VM's means.
func (c *Cluster) demand(v int) float64 {
	var means []float64
	for ago := time.Duration(0); ago < c.window; ago += c.window / demandSteps {
		end := c.now.Add(-ago)
		if !end.After(c.history[0].at) {
			break
		}
		means = append(means, c.rate(end.Add(-c.meanOver()), end, func(s sample) float64 { return s.wanted[v] }))
	}
	return quantile(demandShare, means)
}

// most is the highest mean over the time that rests say in their longer one, at as many points as a demand is taken from.
func (c *Cluster) most(v int) float64 {
	highest := 0.0
	for ago := time.Duration(0); ago <= c.rests.calm; ago += c.rests.calm / demandSteps {
		end := c.now.Add(-ago)
		highest = max(highest, c.rate(end.Add(-c.rests.busy), end, func(s sample) float64 { return s.wanted[v] }))
	}
	return highest
}

// quantile is that of Prometheus: on a straight line between the two numbers nearest to it.
func quantile(q float64, numbers []float64) float64 {
	if len(numbers) == 0 {
		return 0
	}
	slices.Sort(numbers)
	rank := q * float64(len(numbers)-1)
	i := min(int(rank), len(numbers)-1)
	j := min(i+1, len(numbers)-1)
	return numbers[i] + (rank-float64(i))*(numbers[j]-numbers[i])
}

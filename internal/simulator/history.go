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
	s := c.blank()
	for i, v := range c.vms {
		s.wanted[i], s.stolen[i] = v.wanted, v.stolen
	}
	for i, h := range c.hosts {
		s.own[i], s.stalled[i] = h.own, h.stalled
	}
	old := 0
	for old+1 < len(c.history) && !c.history[old+1].at.After(c.now.Add(-max(c.window+c.meanOver(), c.rests.calm+c.rests.busy))) {
		old++
	}
	c.history = append(slices.Delete(c.history, 0, old), s)
}

// blank is a sample of now without its numbers.
func (c *Cluster) blank() sample {
	n, h := len(c.vms), len(c.hosts)
	numbers := make([]float64, 2*n+2*h)
	return sample{at: c.now, wanted: numbers[:n], stolen: numbers[n : 2*n], own: numbers[2*n : 2*n+h], stalled: numbers[2*n+h:]}
}

// point is a time as a place in the history: that part of the way from a sample to the next one.
type point struct {
	sample int
	part   float64
}

// point finds the time among what is remembered; the oldest where it is before all of it.
func (c *Cluster) point(at time.Time) point {
	i, found := slices.BinarySearchFunc(c.history, at, func(s sample, t time.Time) int { return s.at.Compare(t) })
	switch {
	case found || i == 0:
		return point{sample: i}
	case i == len(c.history):
		return point{sample: i - 1}
	}
	before, after := c.history[i-1].at, c.history[i].at
	return point{sample: i - 1, part: at.Sub(before).Seconds() / after.Sub(before).Seconds()}
}

// span is a time over which a counter's mean growth is asked.
type span struct {
	from, to point
	seconds  float64
}

// span is the time between two, as far as they are remembered.
func (c *Cluster) span(from, to time.Time) span {
	if first := c.history[0].at; from.Before(first) {
		from = first
	}
	return span{from: c.point(from), to: c.point(to), seconds: to.Sub(from).Seconds()}
}

// rate is the mean growth of a counter a second.
func (c *Cluster) rate(over span, of func(*sample) float64) float64 {
	if over.seconds <= 0 {
		return 0
	}
	return (c.value(over.to, of) - c.value(over.from, of)) / over.seconds
}

// value is a counter at a time.
func (c *Cluster) value(at point, of func(*sample) float64) float64 {
	x := of(&c.history[at.sample])
	if at.part > 0 {
		x += at.part * (of(&c.history[at.sample+1]) - x)
	}
	return x
}

// spans are those that a snapshot asks about, found once for all VMs.
type spans struct {
	// window is that which use is averaged over, demand are the means that a demand is taken from.
	window span
	demand []span
	// busy and calm are for advice about hosts that sleep.
	busy span
	calm []span
}

func (c *Cluster) spans() spans {
	s := spans{window: c.span(c.now.Add(-c.window), c.now)}
	for ago := time.Duration(0); ago < c.window; ago += c.window / demandSteps {
		if end := c.now.Add(-ago); end.After(c.history[0].at) {
			s.demand = append(s.demand, c.span(end.Add(-c.meanOver()), end))
		}
	}
	if c.rests.busy > 0 {
		s.busy = c.span(c.now.Add(-c.rests.busy), c.now)
		for ago := time.Duration(0); ago <= c.rests.calm; ago += c.rests.calm / demandSteps {
			end := c.now.Add(-ago)
			s.calm = append(s.calm, c.span(end.Add(-c.rests.busy), end))
		}
	}
	return s
}

// demand is the percentile of a VM's means.
func (c *Cluster) demand(v int, over []span) float64 {
	means := make([]float64, 0, demandSteps)
	for _, s := range over {
		means = append(means, c.rate(s, func(s *sample) float64 { return s.wanted[v] }))
	}
	return quantile(demandShare, means)
}

// most is the highest of a VM's means.
func (c *Cluster) most(v int, over []span) float64 {
	highest := 0.0
	for _, s := range over {
		highest = max(highest, c.rate(s, func(s *sample) float64 { return s.wanted[v] }))
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

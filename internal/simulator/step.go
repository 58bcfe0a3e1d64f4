package simulator

import (
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Step moves the cluster on to a time. Loads change at multiples of the scenario's step; what happens in
// between (events, migrations that end) happens at its own time, so that it makes no difference in how
// many pieces the time is gone through.
func (c *Cluster) Step(to time.Time) {
	for c.now.Before(to) {
		next := c.nextStep()
		for _, at := range []time.Time{to, c.NextEnd(), c.nextEvent()} {
			if !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		c.run(next.Sub(c.now).Seconds())
		c.now = next
		c.settle()
		c.note()
	}
}

// thisStep is when the present loads began.
func (c *Cluster) thisStep() time.Time {
	step := time.Duration(c.scenario.Step)
	return c.scenario.Start.Add(c.now.Sub(c.scenario.Start) / step * step)
}

// loadTime is the time by which the loads go.
func (c *Cluster) loadTime() time.Time {
	since := c.thisStep().Sub(c.scenario.Start)
	return c.scenario.Start.Add(time.Duration(c.scenario.Speed * float64(since)))
}

func (c *Cluster) nextStep() time.Time { return c.thisStep().Add(time.Duration(c.scenario.Step)) }

func (c *Cluster) nextEvent() time.Time {
	if len(c.events) == 0 {
		return time.Time{}
	}
	return c.scenario.Start.Add(time.Duration(c.events[0].At))
}

// run lets time pass in which nothing changes.
func (c *Cluster) run(seconds float64) {
	on := make([][]*vm, len(c.hosts))
	for _, v := range c.vms {
		switch {
		case v.stopped:
			c.totals.StoppedVMSeconds += seconds
		case v.at >= 0:
			on[v.at] = append(on[v.at], v)
		case v.due(c):
			c.totals.WaitingVMSeconds += seconds
		}
	}
	copying := c.copying()
	for i, h := range c.hosts {
		if !h.runs() {
			c.rested(h, seconds)
			continue
		}
		own := min(h.Cores, h.OverheadCores+copying[i])
		used := c.serve(h, on[i], h.Cores-own, seconds)
		h.own += own * seconds
		h.used += used * seconds
		c.totals.Joules += seconds * cluster.PowerCurve(h.Watts).Watts((own+used)/h.Cores)
	}
}

// copying is what sending and receiving VMs takes of each host, in cores.
func (c *Cluster) copying() []float64 {
	cores := make([]float64, len(c.hosts))
	for _, v := range c.vms {
		if m := v.moving; m != nil {
			cores[v.at] += copyCores / 2
			cores[m.to] += copyCores / 2
		}
	}
	return cores
}

// enough is the share of what it wants that a VM must get so as not to count as contended.
const enough = 0.95

// serve shares the capacity of a host among its VMs, and returns what they use of it, in cores.
func (c *Cluster) serve(h *host, vms []*vm, capacity, seconds float64) (used float64) {
	want, weight, got := make([]float64, len(vms)), make([]float64, len(vms)), make([]float64, len(vms))
	wanted, at := 0.0, c.loadTime()
	for i, v := range vms {
		want[i], weight[i] = v.load(at)*float64(v.VCPUs), float64(v.VCPUs)
		wanted += want[i]
	}
	divide(max(0, capacity), want, weight, got)
	for i, v := range vms {
		useful := got[i]
		if v.moving != nil {
			useful *= 1 - slowdown
		}
		v.wanted += want[i] * seconds
		v.got += got[i] * seconds
		v.stolen += (want[i] - got[i]) * seconds
		used += got[i]
		c.totals.WantedCoreSeconds += want[i] * seconds
		c.totals.LostCoreSeconds += (want[i] - useful) * seconds
		c.totals.RunningVMSeconds += seconds
		if useful < enough*want[i] {
			c.totals.ContendedVMSeconds += seconds
		}
	}
	if wanted > 0 {
		h.stalled += (wanted - used) / wanted * seconds
	}
	return used
}

// settle lets happen what is due: migrations, shutdowns and boots that end, events, and VMs that come and go.
func (c *Cluster) settle() {
	for _, v := range c.vms {
		if v.moving != nil && !v.moving.end.After(c.now) {
			c.arrive(v)
		}
	}
	for i := range c.hosts {
		c.turn(i)
	}
	for len(c.events) > 0 && !c.nextEvent().After(c.now) {
		c.happen(c.hosts[c.hostAt(c.events[0].Host)], cluster.HostState(c.events[0].Do))
		c.events = c.events[1:]
	}
	for _, v := range c.vms {
		c.comeOrGo(v)
	}
}

// happen puts a host into a state. A host that fails takes its VMs with it until it is up again; one that
// has VMs does not go to sleep, and one that sleeps does not fail.
func (c *Cluster) happen(h *host, state cluster.HostState) {
	at := c.hostAt(h.name)
	if state == cluster.HostStandby && c.promised(at) > 0 || state == cluster.HostDown && h.state == cluster.HostStandby {
		return
	}
	h.state, h.rest = state, rest{}
	for _, v := range c.vms {
		if v.moving != nil && state == cluster.HostDown && (v.at == at || v.moving.to == at) {
			c.abandon(v)
		}
		if v.at != at {
			continue
		}
		if v.stopped && state != cluster.HostDown { // a new process begins
			v.began, v.beganStolen = v.got, v.stolen
		}
		if !v.stopped {
			v.fell = c.now
		}
		v.stopped = state == cluster.HostDown
	}
}

package simulator

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// rest is how far a host is on its way to sleep, or back.
type rest struct {
	// retiring tells that it is being emptied for it.
	retiring bool
	// turning tells that it shuts down or, asleep, boots, until ends; fails that it will not be back.
	turning bool
	ends    time.Time
	fails   bool
	// mended is when a person turns a host on that did not wake, zero where none is stuck.
	mended time.Time
}

// rests says what of the past advice about hosts that sleep rests on; nothing where it is zero.
type rests struct{ busy, calm time.Duration }

// Rests has snapshots hold what advice about hosts that sleep rests on: what VMs wanted over the time busy and at most over the time
// calm, and what is expected of the coming hours.
func (c *Cluster) Rests(busy, calm time.Duration) { c.rests = rests{busy: busy, calm: calm} }

// spread is by what share a shutdown or a boot may last shorter or longer than usual.
const spread = 1.0 / 3

// runs tells whether VMs can run on the host.
func (h *host) runs() bool { return h.state != cluster.HostDown && h.state != cluster.HostStandby }

// Retire marks a host as one that is being emptied; Keep takes that back.
func (c *Cluster) Retire(name string) { c.hosts[c.hostAt(name)].retiring = true }

// Keep has a host be in use again that was being emptied.
func (c *Cluster) Keep(name string) { c.hosts[c.hostAt(name)].retiring = false }

// ShutDown begins to shut a host down, whatever runs on it.
func (c *Cluster) ShutDown(name string) error {
	h := c.hosts[c.hostAt(name)]
	if !h.runs() || h.turning {
		return fmt.Errorf("%s is %s, or goes down already", name, h.state)
	}
	h.turning, h.ends = true, c.now.Add(c.lasts(c.scenario.Power.Shutdown, c.chance()))
	return nil
}

// Wake begins to wake a host that sleeps.
func (c *Cluster) Wake(name string) error {
	h := c.hosts[c.hostAt(name)]
	if h.state != cluster.HostStandby || h.turning || !h.mended.IsZero() {
		return fmt.Errorf("%s is %s, or has power already", name, h.state)
	}
	chance := c.chance()
	h.turning, h.ends = true, c.now.Add(c.lasts(c.scenario.Power.Boot, chance))
	h.fails = chance.Float64() < c.scenario.Power.WakeFailureRatio
	return nil
}

// chance is what comes to the next migration, shutdown or wake.
func (c *Cluster) chance() *rand.Rand {
	c.begun++
	return rand.New(rand.NewPCG(c.scenario.Seed, c.begun))
}

func (c *Cluster) lasts(usual Duration, chance *rand.Rand) time.Duration {
	return time.Duration(float64(usual) * (1 + spread*(2*chance.Float64()-1)))
}

// turn ends what is due of a host's shutdown or boot.
func (c *Cluster) turn(i int) {
	h := c.hosts[i]
	switch {
	case !h.mended.IsZero() && !h.mended.After(c.now):
		h.state, h.rest = cluster.HostUp, rest{}
	case !h.turning || h.ends.After(c.now):
	case h.runs():
		h.state, h.rest = cluster.HostStandby, rest{}
		c.totals.Sleeps++
		c.lose(i)
	case h.fails:
		h.rest = rest{mended: c.now.Add(time.Duration(c.scenario.Power.MendAfter))}
		c.totals.FailedWakes++
	default:
		h.state, h.rest = cluster.HostUp, rest{}
		c.totals.Wakes++
	}
}

// lose stops what runs on a host that went off, which is what should never be.
func (c *Cluster) lose(i int) {
	for _, v := range c.vms {
		if v.moving != nil && (v.at == i || v.moving.to == i) {
			c.abandon(v)
		}
		if v.at == i {
			v.stopped, v.fell = true, c.now
		}
	}
}

// rested counts what a host draws that is off. One that boots is busy with it; one that has power and is not back idles.
func (c *Cluster) rested(h *host, seconds float64) {
	switch {
	case h.state != cluster.HostStandby:
	case h.turning:
		c.totals.Joules += seconds * h.Watts[curvePoints-1]
	case !h.mended.IsZero():
		c.totals.Joules += seconds * h.Watts[0]
	default:
		c.totals.AsleepSeconds += seconds
	}
}

// Stand is how a host stands in truth, whatever is seen of it.
type Stand struct {
	Host     string
	Domain   string
	Memory   int64
	State    cluster.HostState
	Unproven bool
	// Stuck tells that it was woken, has power and is not back.
	Stuck bool
	VMs   []VMStand
}

// VMStand is a VM that stands on a host, or is on its way there.
type VMStand struct {
	ID, Name string
	Memory   int64
	// Going and Coming tell that it moves away and that it is on its way there: it stands on both hosts then.
	Going, Coming bool
	Stopped       bool
}

// Stands is the cluster as it is.
func (c *Cluster) Stands() []Stand {
	stands := make([]Stand, len(c.hosts))
	for i, h := range c.hosts {
		stands[i] = Stand{Host: h.name, Domain: h.FailureDomain, Memory: int64(h.Memory), State: h.state, Unproven: h.Unproven, Stuck: !h.mended.IsZero()}
	}
	for _, v := range c.vms {
		if v.at < 0 {
			continue
		}
		one := VMStand{ID: v.id, Name: v.name, Memory: int64(v.Memory), Stopped: v.stopped, Going: v.moving != nil}
		stands[v.at].VMs = append(stands[v.at].VMs, one)
		if v.moving != nil {
			one.Going, one.Coming = false, true
			stands[v.moving.to].VMs = append(stands[v.moving.to].VMs, one)
		}
	}
	return stands
}

package simulator

import (
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// due tells whether the VM should be there.
func (v *vm) due(c *Cluster) bool {
	into := c.now.Sub(c.scenario.Start)
	return into >= time.Duration(v.From) && (v.Until == 0 || into < time.Duration(v.Until))
}

// comeOrGo lets a VM come or go whose time has come, and starts one elsewhere whose host failed long enough ago.
func (c *Cluster) comeOrGo(v *vm) {
	switch due := v.due(c); {
	case v.at >= 0 && !due:
		v.at, v.moving, v.stopped = -1, nil, false
	case v.at < 0 && due && c.place(v):
		v.since = c.now
		v.began, v.beganStolen = v.got, v.stolen
	case v.stopped && c.scenario.RestartAfter > 0 && c.now.Sub(v.fell) >= time.Duration(c.scenario.RestartAfter):
		c.restart(v)
	}
}

// restart starts a VM of a failed host where there is most room, or leaves it stopped.
func (c *Cluster) restart(v *vm) {
	was, place := v.at, v.Place
	v.Place = placeSpread
	if c.hosts[was].state == cluster.HostDown && c.place(v) {
		v.stopped = false
		v.began, v.beganStolen = v.got, v.stolen
	}
	v.Place = place
}

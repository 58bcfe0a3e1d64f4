package config

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Power says which hosts are advised to sleep, and bounds what is done about it.
type Power struct {
	// Advise has hosts be put into standby that are not needed, and woken when they are, as the level of kind power says.
	Advise bool `yaml:"advise"`
	// Target is the share of CPU and memory that the hosts that are on should have in use, Tolerance how far that may be exceeded.
	Target    float64 `yaml:"target"`
	Tolerance float64 `yaml:"tolerance"`
	// WakeAfter is the time over which demand counts that wakes a host, SleepAfter the time without a peak after which one may sleep.
	WakeAfter  Duration `yaml:"wake_after"`
	SleepAfter Duration `yaml:"sleep_after"`
	// Horizon is for how long at most a host is expected to sleep. CycleWh is what falling asleep and waking takes, MoveWh what moving a GiB of
	// memory does: both must be saved within it.
	Horizon Duration `yaml:"horizon"`
	CycleWh float64  `yaml:"cycle_wh"`
	MoveWh  float64  `yaml:"move_wh"`
	// Curves are what models of hosts draw at evenly spaced shares of their CPU, from idle to full, by name.
	Curves map[string][]float64 `yaml:"curves"`
	// AsleepWatts is what a host draws in standby, where nothing measures it: its BMC is on.
	AsleepWatts float64 `yaml:"asleep_watts"`
	// PricePerKWh is in Currency, CarbonPerKWh in grams; 0 where nobody says.
	PricePerKWh  float64 `yaml:"price_per_kwh"`
	Currency     string  `yaml:"currency"`
	CarbonPerKWh float64 `yaml:"carbon_per_kwh"`
	// MinHostsOn is how many hosts stay on.
	MinHostsOn int `yaml:"min_hosts_on"`
	// Quorums are sets of hosts of which more than half stay on.
	Quorums []cluster.Quorum `yaml:"quorums"`
	// MaxProofAge is how old the proof may be that a host can be woken; 0 for any age.
	MaxProofAge Duration `yaml:"max_proof_age"`
	// EmptyTimeout is how long it may take to empty a host, WakeTimeout until one that was woken is back in the cluster.
	EmptyTimeout Duration `yaml:"empty_timeout"`
	WakeTimeout  Duration `yaml:"wake_timeout"`
}

// Curve is what the host draws at evenly spaced shares of its CPU, from idle to full; empty where nobody says.
func (c Config) Curve(h Host) []float64 {
	switch {
	case h.PowerCurve != "":
		return c.Power.Curves[h.PowerCurve]
	case h.PeakWatts > 0:
		return []float64{h.IdleWatts, h.PeakWatts}
	}
	return nil
}

// Shutdown is how a host's system is asked to shut down.
type Shutdown struct {
	// Command is a program and its arguments, run on the server.
	Command []string `yaml:"command"`
	// Timeout is how long the host may take to go off before it is turned off.
	Timeout Duration `yaml:"timeout"`
}

// UnmarshalYAML reads it over its defaults. It takes the decoder's older form, which passes strictness on.
func (s *Shutdown) UnmarshalYAML(unmarshal func(any) error) error {
	type plain Shutdown
	p := plain{Timeout: Duration(3 * time.Minute)}
	err := unmarshal(&p)
	*s = Shutdown(p)
	return err
}

// WakeOnLAN is how a host is woken over the network.
type WakeOnLAN struct {
	// MAC is the hardware address of the interface that listens.
	MAC string `yaml:"mac"`
	// Broadcast is the address:port that magic packets go to.
	Broadcast string `yaml:"broadcast"`
}

// UnmarshalYAML reads it over its defaults. It takes the decoder's older form, which passes strictness on.
func (w *WakeOnLAN) UnmarshalYAML(unmarshal func(any) error) error {
	type plain WakeOnLAN
	p := plain{Broadcast: "255.255.255.255:9"}
	err := unmarshal(&p)
	*w = WakeOnLAN(p)
	return err
}

// Address is the hardware address, nil where there is none.
func (w *WakeOnLAN) Address() net.HardwareAddr {
	if w == nil {
		return nil
	}
	mac, _ := net.ParseMAC(w.MAC) //nolint:errcheck // a configuration with a wrong one is not loaded
	return mac
}

func (c Config) checkPower(p *problems) {
	w := c.Power
	p.add(w.MinHostsOn < 1 || w.MinHostsOn > max(1, len(c.Hosts)), "power.min_hosts_on", "is %d; it runs from 1 to the number of hosts", w.MinHostsOn)
	c.checkWatts(p)
	c.checkQuorums(p)
	p.add(!(w.Target > 0 && w.Target < 1), "power.target", "is %g; it is a ratio above 0 and below 1, for example 0.63", w.Target)
	p.add(!(w.Tolerance > 0 && w.Target+w.Tolerance <= 1), "power.tolerance", "is %g; it is a ratio above 0, and with the target of %g not above 1", w.Tolerance, w.Target)
	p.add(w.WakeAfter < Duration(5*time.Second), "power.wake_after", "is %s; 5s is the least", time.Duration(w.WakeAfter))
	p.add(w.SleepAfter < w.WakeAfter, "power.sleep_after", "is %s; it is not shorter than wake_after (%s)", time.Duration(w.SleepAfter), time.Duration(w.WakeAfter))
	p.add(w.Horizon <= 0, "power.horizon", "is %s; give for how long a host is expected to sleep at most, for example 6h", time.Duration(w.Horizon))
	p.add(!(w.CycleWh >= 0) || !(w.MoveWh >= 0), "power.cycle_wh", "is %g with move_wh %g; both are watt hours, 0 or more", w.CycleWh, w.MoveWh)
	p.add(w.MaxProofAge < 0, "power.max_proof_age", "is %s; give 0 for any age, or for example 90d", time.Duration(w.MaxProofAge))
	p.add(w.EmptyTimeout < Duration(time.Minute), "power.empty_timeout", "is %s; moving VMs takes minutes: 1m is the least", time.Duration(w.EmptyTimeout))
	p.add(w.WakeTimeout < Duration(time.Minute), "power.wake_timeout", "is %s; a host takes minutes to come up: 1m is the least", time.Duration(w.WakeTimeout))
	for i, h := range c.Hosts {
		key := fmt.Sprintf("hosts[%d]", i)
		if s := h.Shutdown; s != nil {
			p.add(len(s.Command) == 0 || s.Command[0] == "", key+".shutdown.command", "is empty; give a program and its arguments, for example [ssh, root@host1, systemctl, poweroff]")
			p.add(s.Timeout < Duration(time.Second), key+".shutdown.timeout", "is %s; a system takes seconds to shut down: 1s is the least", time.Duration(s.Timeout))
			p.add(len(h.Fence) == 0, key+".shutdown", "goes with fence, which says when the host is off, and this host has none")
		}
		if w := h.WakeOnLAN; w != nil {
			mac, err := net.ParseMAC(w.MAC)
			p.add(err != nil || len(mac) != 6, key+".wake_on_lan.mac", "is %q; write a hardware address like 52:54:00:12:34:56", w.MAC)
			_, _, err = net.SplitHostPort(w.Broadcast)
			p.add(err != nil, key+".wake_on_lan.broadcast", "is %q; write an address and a port, for example 10.0.0.255:9", w.Broadcast)
			p.add(len(h.Fence) == 0, key+".wake_on_lan", "goes with fence, which says whether the host is off, and this host has none")
		}
	}
}

func (c Config) checkQuorums(p *problems) {
	known := map[string]bool{}
	for _, h := range c.Hosts {
		known[h.Name] = true
	}
	for i, q := range c.Power.Quorums {
		key, seen := fmt.Sprintf("power.quorums[%d]", i), map[string]bool{}
		p.add(len(q) < 3, key, "names %d hosts; a quorum of fewer than three has no majority without one of them: leave it out, and see to it with min_hosts_on", len(q))
		for _, host := range q {
			p.add(!known[host], key, "names %q, and there is no such host under hosts", host)
			p.add(seen[host], key, "names %q twice", host)
			seen[host] = true
		}
	}
}

// maxWatts is more than any host draws.
const maxWatts = 100e3

func (c Config) checkWatts(p *problems) {
	w := c.Power
	for _, name := range slices.Sorted(maps.Keys(w.Curves)) {
		key, curve := "power.curves."+name, w.Curves[name]
		p.add(len(curve) < 2, key, "has %d numbers; give what is drawn idle and at full load, or at 0, 10, … 100 %% of the CPU", len(curve))
		for i, watts := range curve {
			p.add(!(watts >= 0 && watts <= maxWatts), key, "holds %g; watts run from 0 to %g", watts, float64(maxWatts))
			p.add(i > 0 && watts < curve[i-1], key, "falls from %g to %g; more load draws no less", curve[max(i-1, 0)], watts)
		}
	}
	for i, h := range c.Hosts {
		key := fmt.Sprintf("hosts[%d]", i)
		_, known := w.Curves[h.PowerCurve]
		p.add(h.PowerCurve != "" && !known, key+".power_curve", "names %q, and power.curves has none of that name", h.PowerCurve)
		p.add(h.PowerCurve != "" && (h.IdleWatts > 0 || h.PeakWatts > 0), key+".power_curve", "stands beside idle_watts and peak_watts; give the one or the others")
	}
	p.add(!(w.AsleepWatts >= 0 && w.AsleepWatts <= maxWatts), "power.asleep_watts", "is %g; watts run from 0 to %g", w.AsleepWatts, float64(maxWatts))
	p.add(!(w.PricePerKWh >= 0 && w.PricePerKWh < 1e6), "power.price_per_kwh", "is %g; give what a kilowatt-hour costs, for example 0.25, or leave it out", w.PricePerKWh)
	p.add(w.PricePerKWh > 0 && w.Currency == "", "power.currency", "is missing; say what price_per_kwh is in, for example EUR")
	p.add(!(w.CarbonPerKWh >= 0 && w.CarbonPerKWh < 1e6), "power.carbon_per_kwh", "is %g; give the grams that are emitted for a kilowatt-hour, for example 380, or leave it out", w.CarbonPerKWh)
}

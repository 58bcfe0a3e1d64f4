package year

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/simulator"
)

// World is a cluster on one day, and what its operator wants of it.
type World struct {
	Scenario simulator.Scenario
	// HostFailures is how many hosts may fail at once, MinHostsOn how many stay on.
	HostFailures, MinHostsOn int
	// Apart are pairs of VMs that must never share a host, by name.
	Apart  [][2]string
	Deaths int
}

const (
	// warmUp is what runs before the day that counts: hosts fall asleep one by one.
	warmUp = 4 * time.Hour
	whole  = 24 * time.Hour
	gib    = 1 << 30
	// wakeFailures is the share of the wakes that fail.
	wakeFailures = 0.03
)

// draw is a world in the making.
type draw struct {
	*rand.Rand
	w World
	// peak is what the VMs want together at most, in cores, promised what memory they are given.
	peak     float64
	promised int64
}

// Draw returns the world of a seed: the same for the same seed. The seeds from 1 on are the days of a year.
func Draw(seed uint64) World {
	d := &draw{Rand: rand.New(rand.NewPCG(seed, 0x79656172))}
	midnight := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int((seed-1)%365)) //nolint:gosec // below 365
	d.w.Scenario = simulator.Scenario{Seed: seed, Start: midnight.Add(-warmUp), Duration: simulator.Duration(warmUp + whole), Step: simulator.Duration(time.Minute), Speed: 1,
		Past: simulator.Duration(7 * whole), RestartAfter: simulator.Duration(time.Minute), Migration: simulator.Migration{Bandwidth: gib, FailureRatio: 0.002},
		Power: simulator.Power{Shutdown: simulator.Duration(90 * time.Second), Boot: simulator.Duration(135 * time.Second), WakeFailureRatio: wakeFailures, MendAfter: simulator.Duration(4 * time.Hour)}}
	hosts := 4 + d.IntN(9)
	d.vms(max(20, min(100, hosts*(4+d.IntN(6)))))
	d.hosts(hosts)
	d.rules()
	d.crowds()
	d.deaths()
	d.w.HostFailures, d.w.MinHostsOn = 1, 1+d.IntN(3)
	if hosts >= 6 && d.IntN(5) == 0 {
		d.w.HostFailures = 2
	}
	return d.w
}

// between is a number from the one to the other.
func (d *draw) between(least, most float64) float64 { return least + (most-least)*d.Float64() }

// vms draws what runs: offices by day, shops in the evening and at weekends, batches by night, some that are always the same and some
// that work by fits and starts. A tenth comes in the course of the day, and a tenth goes.
func (d *draw) vms(n int) {
	for i := range n {
		v := simulator.VM{Name: fmt.Sprintf("vm%d", i+1), Count: 1, VCPUs: 1 << d.IntN(4), Memory: simulator.Bytes(2 * gib << d.IntN(4)), MemoryUse: d.between(0.5, 0.9), DirtyRate: simulator.Bytes(d.between(1, 60)) << 20, Place: "spread"}
		v.Load = d.load()
		switch d.IntN(10) {
		case 0:
			v.From = d.moment(0, 1)
		case 1:
			v.Until = d.moment(0, 1)
		}
		d.peak += d.height(v.Load) * float64(v.VCPUs)
		d.promised += int64(v.Memory)
		d.w.Scenario.VMs = append(d.w.Scenario.VMs, v)
	}
}

// moment is a full minute of a part of the day that counts.
func (d *draw) moment(from, to float64) simulator.Duration {
	return simulator.Duration(warmUp + time.Duration(d.between(from, to)*float64(whole)).Truncate(time.Minute))
}

func (d *draw) load() simulator.Load {
	share := func(x float64) *float64 { return &x }
	switch d.IntN(10) {
	case 0, 1, 2, 3:
		return simulator.Load{Daily: &simulator.Daily{Low: d.between(0.02, 0.1), High: d.between(0.3, 0.8), PeakHour: d.between(9, 16), Noise: d.between(0.02, 0.1), Sway: 0.2, Weekend: share(d.between(0.1, 0.4))}}
	case 4, 5:
		return simulator.Load{Daily: &simulator.Daily{Low: d.between(0.05, 0.15), High: d.between(0.3, 0.7), PeakHour: d.between(18, 21), Noise: d.between(0.02, 0.1), Sway: 0.2}}
	case 6:
		return simulator.Load{Daily: &simulator.Daily{Low: d.between(0.02, 0.1), High: d.between(0.4, 0.9), PeakHour: d.between(0, 4), Noise: d.between(0.02, 0.1), Sway: 0.2}}
	case 7, 8:
		return simulator.Load{Noise: &simulator.Noise{Mean: d.between(0.05, 0.4), SD: d.between(0.02, 0.1)}}
	}
	return simulator.Load{Square: &simulator.Square{Low: d.between(0.02, 0.1), High: d.between(0.5, 0.9), Period: simulator.Duration(time.Duration(d.between(60, 360)) * time.Minute),
		Duty: d.between(0.1, 0.3), Phase: simulator.Duration(time.Duration(d.between(0, 360)) * time.Minute)}}
}

// height is what the load comes to at its peak, or in the mean where peaks do not come together.
func (d *draw) height(l simulator.Load) float64 {
	switch {
	case l.Daily != nil:
		return l.Daily.High
	case l.Noise != nil:
		return l.Noise.Mean
	}
	return l.Square.High * l.Square.Duty
}

// hosts draws hosts that have room for it all: at the peak 50 to 80 % of their CPU is wanted, and 10 to 40 % of their memory promised.
func (d *draw) hosts(n int) {
	cores := max(8, d.peak/d.between(0.5, 0.8)/float64(n))
	memory := max(40, float64(d.promised)/gib/d.between(0.1, 0.4)/float64(n))
	idle := d.between(80, 180)
	for i := range n {
		size := 1.0
		if d.IntN(4) == 0 {
			size = d.between(0.8, 1.4)
		}
		h := simulator.Host{Name: fmt.Sprintf("node%d", i+1), Count: 1, Cores: float64(2 * int(cores*size/2+0.5)), Memory: simulator.Bytes(8*gib) * simulator.Bytes(memory*size/8+0.5), OverheadCores: 0.3,
			Unproven: d.IntN(8) == 0}
		for step := range 11 {
			h.Watts = append(h.Watts, idle*(1+0.16*float64(step)))
		}
		if n >= 6 {
			h.FailureDomain = fmt.Sprintf("rack%d", 1+i%2)
		}
		d.w.Scenario.Hosts = append(d.w.Scenario.Hosts, h)
	}
}

// rules keeps up to three pairs of VMs apart.
func (d *draw) rules() {
	for i := range d.IntN(4) {
		pair := [2]string{d.w.Scenario.VMs[2*i].Name, d.w.Scenario.VMs[2*i+1].Name}
		d.w.Apart = append(d.w.Apart, pair)
		d.w.Scenario.Rules = append(d.w.Scenario.Rules, simulator.Rule{Name: fmt.Sprintf("apart%d", i+1), Kind: simulator.RuleKind(cluster.VMVMAntiAffinity), VMs: pair[:]})
	}
}

// crowds draws the day's flash crowds, at any hour: none on four days of ten, and three at most.
func (d *draw) crowds() {
	n := 0
	switch x := d.IntN(10); {
	case x == 9:
		n = 3
	case x >= 7:
		n = 2
	case x >= 4:
		n = 1
	}
	for range n {
		d.w.Scenario.Crowds = append(d.w.Scenario.Crowds, simulator.Crowd{At: d.moment(0, 1), Rise: simulator.Duration(time.Duration(d.IntN(6)) * time.Minute),
			Lasts: simulator.Duration(time.Duration(d.between(10, 60)) * time.Minute), Share: d.between(0.1, 0.5), To: d.between(0.8, 1)})
	}
}

// deaths has a host fail on one day of ten, for some hours.
func (d *draw) deaths() {
	if d.IntN(10) != 0 {
		return
	}
	at, host := d.moment(0, 0.9), d.w.Scenario.Hosts[d.IntN(len(d.w.Scenario.Hosts))].Name
	d.w.Deaths = 1
	d.w.Scenario.Events = []simulator.Event{{At: at, Host: host, Do: simulator.EventKind(cluster.HostDown)},
		{At: at + simulator.Duration(time.Duration(d.between(30, 240))*time.Minute), Host: host, Do: simulator.EventKind(cluster.HostUp)}}
}

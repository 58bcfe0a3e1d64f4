package simulator

import (
	"slices"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

func state(t *testing.T, c *Cluster, name string) cluster.Host {
	t.Helper()
	h, known := see(t, c).Host(name)
	if !known {
		t.Fatalf("%s is not seen", name)
	}
	return h
}

func TestAHostFallsAsleepAndWakes(t *testing.T) {
	c := start(t, two)
	c.Retire("h2")
	if h := state(t, c, "h2"); h.State != cluster.HostMaintenance || !h.Retiring {
		t.Errorf("while it is emptied: %+v", h)
	}
	if err := c.ShutDown("h2"); err != nil {
		t.Fatal(err)
	}
	if took := c.NextEnd().Sub(c.now); took < time.Minute || took > 2*time.Minute {
		t.Errorf("it takes %s to shut down", took)
	}
	c.Step(c.NextEnd())
	if h := state(t, c, "h2"); h.State != cluster.HostStandby || c.totals.Sleeps != 1 {
		t.Errorf("asleep: %+v", h)
	}
	if c.ShutDown("h2") == nil {
		t.Error("it goes off twice")
	}
	before := c.totals.Joules
	c.pass(time.Hour)
	near(t, "watt hours of an hour asleep", (c.totals.Joules-before)/3600, 100+200*2/8.0)
	near(t, "hours asleep", c.totals.AsleepSeconds/3600, 1)
	if err := c.Wake("h2"); err != nil {
		t.Fatal(err)
	}
	if took := c.NextEnd().Sub(c.now); took < 90*time.Second || took > 3*time.Minute {
		t.Errorf("it takes %s to boot", took)
	}
	c.Step(c.NextEnd())
	if h := state(t, c, "h2"); h.State != cluster.HostUp || h.Retiring || c.totals.Wakes != 1 {
		t.Errorf("woken: %+v", h)
	}
}

func TestAHostThatDoesNotWakeIsTurnedOnByHand(t *testing.T) {
	c := start(t, "power: {wake_failure_ratio: 1, mend_after: 2h}\nhosts: [{name: h, count: 2, cores: 8, memory: 8GiB}, {name: s, cores: 8, memory: 8GiB, standby: true}]")
	if err := c.Wake("s"); err != nil {
		t.Fatal(err)
	}
	c.pass(10 * time.Minute)
	if h := state(t, c, "s"); h.State != cluster.HostStandby || c.totals.FailedWakes != 1 || c.Wake("s") == nil {
		t.Errorf("%+v", h)
	}
	c.pass(2 * time.Hour)
	if h := state(t, c, "s"); h.State != cluster.HostUp || c.totals.Wakes != 0 {
		t.Errorf("%+v", h)
	}
}

// The simulator is honest about what should never be.
func TestWhatRunsOnAHostThatIsShutDownStops(t *testing.T) {
	c := start(t, two)
	if err := c.ShutDown("h1"); err != nil {
		t.Fatal(err)
	}
	c.pass(time.Hour)
	if s := c.Stands()[0]; s.State != cluster.HostStandby || len(s.VMs) != 1 || !s.VMs[0].Stopped || c.totals.StoppedVMSeconds == 0 {
		t.Errorf("%+v", s)
	}
}

func TestVMsComeAndGo(t *testing.T) {
	c := start(t, `
hosts: [{name: h, count: 2, cores: 8, memory: 16GiB}]
vms:
  - {name: always, count: 3, vcpus: 1, memory: 8GiB, load: {constant: 0.5}}
  - {name: late, vcpus: 1, memory: 8GiB, from: 1h, until: 3h, load: {constant: 0.5}}
  - {name: waits, vcpus: 1, memory: 8GiB, from: 2h, load: {constant: 0.5}}`)
	for _, want := range []int{3, 4, 4, 4} {
		if got := len(see(t, c).VMs); got != want {
			t.Errorf("%d VMs at %s, want %d", got, c.now, want)
		}
		c.pass(time.Hour)
	}
	near(t, "minutes that one waited", c.totals.WaitingVMSeconds/60, 60)
}

func TestAVMOfAFailedHostIsStartedElsewhere(t *testing.T) {
	c := start(t, two+"events: [{at: 10m, host: h1, do: down}]\nrestart_after: 1m\n")
	c.pass(12 * time.Minute)
	if v := see(t, c).VMs[0]; v.Host != "h2" || v.State != cluster.VMRunning {
		t.Errorf("%+v", v)
	}
	near(t, "minutes that it was stopped", c.totals.StoppedVMSeconds/60, 1)
}

func TestAFlashCrowdComesAndGoes(t *testing.T) {
	c := start(t, `
hosts: [{name: h, cores: 200, memory: 500GiB}]
vms: [{name: a, count: 100, vcpus: 1, memory: 1GiB, load: {constant: 0.1}}]
crowds: [{at: 10m, rise: 4m, lasts: 10m, share: 0.3, to: 0.9}]`)
	wants := func() (n int, most float64) {
		for _, v := range c.vms {
			if x := v.load(c.loadTime()); x > 0.1 {
				n, most = n+1, max(most, x)
			}
		}
		return n, most
	}
	for _, want := range []struct {
		after time.Duration
		most  float64
	}{{9 * time.Minute, 0}, {3 * time.Minute, 0.5}, {3 * time.Minute, 0.9}, {8 * time.Minute, 0.9}, {2 * time.Minute, 0}} {
		c.pass(want.after)
		n, most := wants()
		near(t, "the most that is wanted", most, want.most)
		if want.most > 0 && (n < 15 || n > 45) {
			t.Errorf("%d of 100 take part, and 30 should", n)
		}
	}
}

// What adapters for Prometheus give from the past, the simulator gives from its own.
func TestWhatAdviceAboutPowerRestsOn(t *testing.T) {
	c := start(t, `
start: 2026-01-05T10:00:00Z
past: 7d
hosts: [{name: h, count: 2, cores: 8, memory: 16GiB}]
vms:
  - {name: old, vcpus: 4, memory: 1GiB, load: {daily: {low: 0, high: 0.5, peak_hour: 12}}}
  - {name: wave, vcpus: 4, memory: 1GiB, load: {square: {low: 0.1, high: 0.9, period: 50m, duty: 0.2}}}`)
	c.Rests(5*time.Minute, 40*time.Minute)
	c.pass(30 * time.Minute)
	vm := func(name string) cluster.VM {
		vms := see(t, c).VMs
		return vms[slices.IndexFunc(vms, func(v cluster.VM) bool { return v.Name == name })]
	}
	if v := vm("wave"); v.CPUCalmCores.Known || !v.CPUBusyCores.Known {
		t.Errorf("of a VM of half an hour: %+v", v)
	}
	c.pass(15 * time.Minute)
	near(t, "calm, with a peak half an hour ago", vm("wave").CPUCalmCores.Value, 3.6)
	near(t, "busy, without", vm("wave").CPUBusyCores.Value, 0.4)
	s := see(t, c)
	if len(s.CPUAheadCores) != 12 || !vm("old").CPUPredictedCores.Known {
		t.Fatalf("%v %+v", s.CPUAheadCores, vm("old"))
	}
	// The hour from 11 to 12 comes next but one; the square is taken to stay as it is.
	wave := vm("wave")
	if got := s.CPUAheadCores[1] - wave.Cores(); got < 1.9 || got > 2 {
		t.Errorf("from 11 to 12 %g cores are expected, and it was nearly 2 on all days", got)
	}
}

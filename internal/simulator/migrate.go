package simulator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// What a live migration costs, with the sources in docs/simulator.md.
const (
	// setUp is what connecting and setting up take before anything is copied.
	setUp = time.Second
	// stopSeconds is the stand-still that the hypervisor aims at: it stops the guest when what is left can be
	// sent in this time.
	stopSeconds = 0.3
	// mostRounds is after how many rounds of copying the guest is stopped in any case.
	mostRounds = 30
	// copyCores is what both hosts together spend while they copy, slowdown what the VM loses meanwhile.
	copyCores = 2.0
	slowdown  = 0.1
	// jitter is by how much a migration may last longer or shorter than computed.
	jitter = 0.1
)

// migration is one that is under way.
type migration struct {
	to         int
	begin, end time.Time
	bytes      float64
	downtime   float64
	fails      bool
}

// copied is how much time and data a pre-copy migration takes. Every round sends what became dirty during
// the last one, until the rest can be sent within the stand-still.
func copied(memory, dirty, bandwidth float64) (seconds, bytes, downtime float64) {
	rest := memory
	for range mostRounds {
		if rest <= bandwidth*stopSeconds {
			break
		}
		took := rest / bandwidth
		seconds, bytes = seconds+took, bytes+rest
		rest = min(memory, dirty*took)
	}
	return seconds, bytes + rest, rest / bandwidth
}

// Migrate begins to move a VM to a host. It refuses what a hypervisor would refuse; whether the move is
// any good is not its business.
func (c *Cluster) Migrate(id, to string) error {
	v, h := c.vmByID(id), c.hostAt(to)
	switch {
	case v == nil:
		return fmt.Errorf("there is no VM %s", id)
	case h < 0:
		return fmt.Errorf("there is no host %s", to)
	case v.stopped || v.at < 0:
		return fmt.Errorf("%s does not run", v.name)
	case v.moving != nil:
		return fmt.Errorf("%s is being migrated already", v.name)
	case v.at == h:
		return fmt.Errorf("%s is on %s already", v.name, to)
	case c.hosts[h].state != cluster.HostUp || c.hosts[h].turning:
		return fmt.Errorf("%s is %s", to, c.hosts[h].state)
	case !reaches(v.VM, c.hosts[h].Host):
		return fmt.Errorf("%s does not reach the storage or the networks of %s", to, v.name)
	case c.promised(h)+int64(v.Memory) > int64(c.hosts[h].Memory):
		return fmt.Errorf("%s has no room for the memory of %s", to, v.name)
	}
	chance := c.chance()
	seconds, bytes, downtime := copied(float64(v.Memory)*v.MemoryUse, float64(v.DirtyRate), float64(c.scenario.Migration.Bandwidth))
	seconds *= 1 + jitter*(2*chance.Float64()-1)
	v.moving = &migration{to: h, begin: c.now, end: c.now.Add(setUp + time.Duration((seconds+downtime)*float64(time.Second))), bytes: bytes, downtime: downtime,
		fails: chance.Float64() < c.scenario.Migration.FailureRatio}
	return nil
}

// NextEnd is when the next migration, shutdown or boot that is under way ends; zero when none is.
func (c *Cluster) NextEnd() time.Time {
	var next time.Time
	soonest := func(end time.Time) {
		if next.IsZero() || end.Before(next) {
			next = end
		}
	}
	for _, v := range c.vms {
		if v.moving != nil {
			soonest(v.moving.end)
		}
	}
	for _, h := range c.hosts {
		if h.turning {
			soonest(h.ends)
		}
	}
	return next
}

// arrive ends a migration: the VM runs on its new host, in a new process, or stays where it was.
func (c *Cluster) arrive(v *vm) {
	m := v.moving
	c.totals.CopiedBytes += m.bytes
	if m.fails {
		c.abandon(v)
		return
	}
	v.moves = append(v.moves, move{at: c.now, from: v.at, to: m.to})
	v.last = &cluster.MigrationCost{Seconds: m.end.Sub(m.begin).Seconds(), DowntimeSeconds: m.downtime, TransferredBytes: int64(m.bytes)}
	// The stand-still is short beside a step; what it costs is booked at once.
	c.totals.LostCoreSeconds += m.downtime * v.load(c.loadTime()) * float64(v.VCPUs)
	v.at, v.moving = m.to, nil
	v.began, v.beganStolen = v.got, v.stolen
	c.totals.Migrations++
}

func (c *Cluster) abandon(v *vm) {
	v.moving = nil
	c.totals.FailedMigrations++
}

// Look says what the hosts would say of a VM, now.
func (c *Cluster) Look(_ context.Context, id string, hosts []string) cluster.Sighting {
	s := cluster.Sighting{VM: id}
	v := c.vmByID(id)
	for _, name := range hosts {
		at := c.hostAt(name)
		if at < 0 || c.hosts[at].state == cluster.HostDown || c.hosts[at].state == cluster.HostStandby {
			s.Silent = append(s.Silent, cluster.Gap{Subject: cluster.HostSubject(name), Reason: "it does not answer"})
			continue
		}
		seen := cluster.SightingHost{Host: name, State: cluster.VMShutoff}
		switch {
		case v == nil:
		case v.at == at:
			seen.State, seen.Name, seen.Job = cluster.VMRunning, v.name, v.moving != nil
		case v.moving != nil && v.moving.to == at:
			seen.State, seen.Name, seen.Job = cluster.VMPaused, v.name, true
		}
		s.Hosts = append(s.Hosts, seen)
	}
	return s
}

// Roll says how the VMs of a host stand, where it answers. One that is on its way there waits, paused.
func (c *Cluster) Roll(name string) (cluster.Roll, error) {
	at := c.hostAt(name)
	if at < 0 || !c.hosts[at].runs() {
		return cluster.Roll{}, fmt.Errorf("%s does not answer", name)
	}
	roll := cluster.Roll{Host: name, At: c.now}
	for _, v := range c.vms {
		one := cluster.VMSeen{VM: v.id, Name: v.name, State: cluster.VMRunning}
		switch {
		case v.moving != nil && v.moving.to == at:
			one.State = cluster.VMPaused
		case v.at != at:
			continue
		case v.stopped:
			one.State = cluster.VMShutoff
		}
		roll.VMs = append(roll.VMs, one)
	}
	slices.SortFunc(roll.VMs, func(a, b cluster.VMSeen) int { return strings.Compare(a.VM, b.VM) })
	return roll, nil
}

// Abort gives a migration up; the VM stays where it is.
func (c *Cluster) Abort(_ context.Context, a cluster.Action) error {
	v := c.vmByID(a.VM)
	if v == nil || v.moving == nil {
		return errors.New("no migration of it is under way")
	}
	c.abandon(v)
	return nil
}

// Completed returns the account of the VM's newest migration.
func (c *Cluster) Completed(_ context.Context, id, _ string) (cluster.Progress, error) {
	v := c.vmByID(id)
	if v == nil || v.last == nil {
		return cluster.Progress{}, errors.New("no migration of it has ended")
	}
	return cluster.Progress{ElapsedSeconds: v.last.Seconds, TotalBytes: int64(v.Memory), TransferredBytes: v.last.TransferredBytes, DowntimeSeconds: v.last.DowntimeSeconds,
		DirtyBytesPerSecond: float64(v.DirtyRate)}, nil
}

// Progress is how far the VM's migration has come; false when none is under way.
func (c *Cluster) Progress(id string) (cluster.Progress, bool) {
	v := c.vmByID(id)
	if v == nil || v.moving == nil {
		return cluster.Progress{}, false
	}
	m := v.moving
	part := share01(c.now.Sub(m.begin).Seconds() / m.end.Sub(m.begin).Seconds())
	return cluster.Progress{ElapsedSeconds: c.now.Sub(m.begin).Seconds(), TotalBytes: int64(m.bytes), TransferredBytes: int64(m.bytes * part),
		RemainingBytes: int64(m.bytes * (1 - part)), DirtyBytesPerSecond: float64(v.DirtyRate)}, true
}

package simulator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Name is what snapshots call the cluster.
const Name = "simulated"

// recent is how long the hosts that a VM was on are remembered.
const recent = time.Hour

const day = 24 * time.Hour

// Snapshot returns the cluster as it could be seen from outside, now: use is a figure of the past window,
// never of the future, and a host that has failed is one that gives no data. It knows no other time.
func (c *Cluster) Snapshot(_ context.Context, at time.Time) (cluster.Snapshot, error) {
	if !at.Equal(c.now) {
		return cluster.Snapshot{}, fmt.Errorf("the simulated cluster has come to %s and cannot be seen at %s", c.now.Format(time.RFC3339), at.Format(time.RFC3339))
	}
	s, over := cluster.Snapshot{Cluster: Name, At: c.now, Rules: slices.Clone(c.rules)}, c.spans()
	for i := range c.hosts {
		s.Hosts = append(s.Hosts, c.seeHost(i, over.window))
		if s.Hosts[i].State == cluster.HostUnknown {
			s.Gaps = append(s.Gaps, cluster.Gap{Subject: cluster.HostSubject(s.Hosts[i].ID), Reason: "it gives no data"})
		}
	}
	moved, cores := 0, make([]float64, len(c.vms))
	s.VMs = make([]cluster.VM, 0, len(c.vms))
	for _, i := range c.byID {
		if c.vms[i].at < 0 {
			continue
		}
		v := c.seeVM(i, over)
		cores[i] = v.Cores()
		switch {
		case v.State == cluster.VMUnknown:
			s.Gaps = append(s.Gaps, cluster.Gap{Subject: cluster.VMSubject(v.ID), Reason: "its host " + v.Host + " gives no data"})
		case c.now.Sub(c.vms[i].since) < c.window:
			s.Gaps = append(s.Gaps, cluster.Gap{Subject: cluster.VMSubject(v.ID), Reason: fmt.Sprintf("it was not seen at the beginning of the window of %s that use is averaged over", c.window)})
		}
		moved += v.MovesLastDay
		s.VMs = append(s.VMs, v)
	}
	s.OwnMovesLastDay = cluster.Known(float64(moved))
	if c.rests.busy > 0 {
		s.CPUAheadCores = c.expected(cores)
	}
	s.Sort()
	if err := s.Validate(); err != nil {
		return s, fmt.Errorf("see the simulated cluster: %w", err)
	}
	return s, nil
}

func (c *Cluster) seeHost(i int, window span) cluster.Host {
	h := c.hosts[i]
	seen := cluster.Host{
		ID: h.name, State: h.state, CPUCores: h.Cores, MemoryBytes: int64(h.Memory), FailureDomain: h.FailureDomain,
		Storage: sorted(h.Storage), Networks: sorted(h.Networks), Tags: sorted(h.Tags),
		ReservedCPUCores: max(h.OverheadCores, c.rate(window, func(s *sample) float64 { return s.own[i] })),
		IdleWatts:        cluster.Known(h.Watts[0]), PeakWatts: cluster.Known(h.Watts[curvePoints-1]),
		CPUPressureRatio: cluster.Known(share01(c.rate(window, func(s *sample) float64 { return s.stalled[i] }))),
	}
	if h.retiring {
		seen.State, seen.Retiring = cluster.HostMaintenance, true
	}
	if h.state == cluster.HostDown {
		seen.State, seen.CPUPressureRatio = cluster.HostUnknown, cluster.Number{}
	}
	return seen
}

func (c *Cluster) seeVM(i int, over spans) cluster.VM {
	v := c.vms[i]
	seen := cluster.VM{
		ID: v.id, Name: v.name, Host: c.hosts[v.at].name, State: cluster.VMRunning, VCPUs: v.VCPUs, MemoryBytes: int64(v.Memory),
		CPUDemandCores: c.demand(i, over.demand), MemoryDemandBytes: int64(float64(v.Memory) * v.MemoryUse),
		CPUStealRatio:       cluster.Known(max(0, c.rate(over.window, func(s *sample) float64 { return s.stolen[i] })) / float64(v.VCPUs)),
		DirtyBytesPerSecond: cluster.Known(float64(v.DirtyRate)),
		Storage:             sorted(v.Storage), Networks: sorted(v.Networks), Tags: sorted(v.Tags), Movable: true, LastMigration: v.last,
	}
	c.expect(i, &seen)
	if c.rests.busy > 0 {
		seen.CPUBusyCores = cluster.Known(c.rate(over.busy, func(s *sample) float64 { return s.wanted[i] }))
		if c.now.Sub(v.since) >= c.rests.calm {
			seen.CPUCalmCores = cluster.Known(c.most(i, over.calm))
		}
	}
	if v.moving != nil {
		seen.MigratingTo = c.hosts[v.moving.to].name
	}
	if v.stopped {
		seen.State, seen.Movable, seen.ImmovableReason = cluster.VMUnknown, false, "its host gives no data"
	}
	for _, m := range v.moves {
		age := c.now.Sub(m.at)
		if age < day {
			seen.MovesLastDay++
			seen.MovedAt = m.at
		}
		if age < recent && m.from != v.at {
			seen.RecentHosts = append(seen.RecentHosts, c.hosts[m.from].name)
		}
	}
	seen.RecentHosts = sorted(seen.RecentHosts)
	return seen
}

// sorted returns the words in order and without doubles, apart from the list that was given.
func sorted(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return slices.Compact(words)
}

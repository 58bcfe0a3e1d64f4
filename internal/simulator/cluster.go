// Package simulator is a cluster that does not exist: hosts with power curves, VMs whose loads follow
// generators or recorded traces, migrations that take time and CPU, and failures. It stands behind the
// same interfaces as the real thing and has no clock: time is an argument, all chance comes from a seed,
// and the same scenario gives the same history to the last bit. It judges nothing and decides nothing.
// What it leaves out is listed in docs/simulator.md.
package simulator

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Cluster is a simulated cluster at one instant, which Step moves on. It is not safe for concurrent use;
// Live is.
type Cluster struct {
	scenario Scenario
	rules    []cluster.Rule
	window   time.Duration
	now      time.Time
	hosts    []*host
	vms      []*vm
	byID     []int   // the VMs' places in the order of their IDs
	events   []Event // those to come, in the order of their times
	begun    uint64  // migrations, shutdowns and wakes begun, for their share of chance
	history  []sample
	hours    hours
	rests    rests
	totals   Totals
}

// host is one host. Its counters never go back.
type host struct {
	Host
	name  string
	state cluster.HostState
	rest
	// used is CPU time of VMs, own that of the host itself and of copying, in core-seconds; stalled is time in
	// which VMs on it waited, weighted with the share of what they wanted.
	used, own, stalled float64
}

// vm is one VM. Its counters never go back.
type vm struct {
	VM
	id, name string
	load     loadFunc
	at       int // the place of its host, -1 while it is not there
	since    time.Time
	stopped  bool
	fell     time.Time // when it stopped
	moving   *migration
	moves    []move
	last     *cluster.MigrationCost
	// wanted, got and stolen are core-seconds: what it would have used, did, and waited for.
	wanted, got, stolen float64
	// began is what it had got, and waited, when its process on the present host began.
	began, beganStolen float64
}

// move is one migration that succeeded.
type move struct {
	at       time.Time
	from, to int
}

// Totals is what happened since the beginning.
type Totals struct {
	// WantedCoreSeconds is what running VMs wanted and LostCoreSeconds what of it they did not get, for want of
	// CPU or because they were being moved.
	WantedCoreSeconds, LostCoreSeconds float64
	// RunningVMSeconds is time in which VMs ran, and ContendedVMSeconds that in which they got less than 95 % of what they wanted.
	RunningVMSeconds, ContendedVMSeconds float64
	// StoppedVMSeconds is time in which VMs did not run because their host had failed, WaitingVMSeconds that in which new ones
	// found no host with room.
	StoppedVMSeconds, WaitingVMSeconds float64
	Joules                             float64
	Migrations                         int
	FailedMigrations                   int
	CopiedBytes                        float64
	// Sleeps, Wakes and FailedWakes are those that came to an end; AsleepSeconds is time in which hosts slept.
	Sleeps, Wakes, FailedWakes int
	AsleepSeconds              float64
}

// Less is what happened since an earlier time.
func (t Totals) Less(before Totals) Totals {
	return Totals{
		WantedCoreSeconds: t.WantedCoreSeconds - before.WantedCoreSeconds, LostCoreSeconds: t.LostCoreSeconds - before.LostCoreSeconds,
		RunningVMSeconds: t.RunningVMSeconds - before.RunningVMSeconds, ContendedVMSeconds: t.ContendedVMSeconds - before.ContendedVMSeconds,
		StoppedVMSeconds: t.StoppedVMSeconds - before.StoppedVMSeconds, WaitingVMSeconds: t.WaitingVMSeconds - before.WaitingVMSeconds,
		Joules: t.Joules - before.Joules, Migrations: t.Migrations - before.Migrations, FailedMigrations: t.FailedMigrations - before.FailedMigrations,
		CopiedBytes: t.CopiedBytes - before.CopiedBytes, Sleeps: t.Sleeps - before.Sleeps, Wakes: t.Wakes - before.Wakes,
		FailedWakes: t.FailedWakes - before.FailedWakes, AsleepSeconds: t.AsleepSeconds - before.AsleepSeconds,
	}
}

// usualWindow is what use is averaged over where it is not said.
const usualWindow = 5 * time.Minute

// New returns the cluster as the scenario begins it. The window is what snapshots average use over; 0
// means 5 minutes.
func New(s Scenario, window time.Duration) (*Cluster, error) {
	if window <= 0 {
		window = usualWindow
	}
	c := &Cluster{scenario: s, rules: s.clusterRules(), window: window, now: s.Start, events: slices.Clone(s.Events)}
	slices.SortStableFunc(c.events, func(a, b Event) int { return int(a.At - b.At) })
	for _, group := range s.Hosts {
		for _, name := range members(group.Name, group.Count) {
			h := &host{Host: group, name: name, state: cluster.HostUp}
			if group.Standby {
				h.state = cluster.HostStandby
			}
			c.hosts = append(c.hosts, h)
		}
	}
	for _, group := range s.VMs {
		loads, err := group.Load.loads(s, len(c.vms), group.Count)
		if err != nil {
			return nil, err
		}
		for i, name := range members(group.Name, group.Count) {
			v := &vm{VM: group, id: uuid(s.Seed, name), name: name, load: joins(loads[i], s, len(c.vms)), at: -1, since: s.Start}
			if group.From == 0 && !c.place(v) {
				return nil, fmt.Errorf("place VM %s (%s): no host that is up has room for its memory, its storage and its networks", v.name, v.Place)
			}
			c.vms = append(c.vms, v)
		}
	}
	for i := range c.vms {
		c.byID = append(c.byID, i)
	}
	slices.SortFunc(c.byID, func(a, b int) int { return strings.Compare(c.vms[a].id, c.vms[b].id) })
	c.settle()
	c.recall()
	c.note()
	return c, nil
}

// uuid makes an identity of a VM's name that is the same in every run.
func uuid(seed uint64, name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s", seed, name))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// place puts a VM where the scenario wants it, and tells whether there is room.
func (c *Cluster) place(v *vm) bool {
	best, most := -1, int64(-1)
	for i, h := range c.hosts {
		room := int64(h.Memory) - c.promised(i) - int64(v.Memory)
		if h.state != cluster.HostUp || h.retiring || room < 0 || !reaches(v.VM, h.Host) {
			continue
		}
		switch {
		case v.Place == h.name, v.Place == placePacked && best < 0, v.Place == placeSpread && room > most:
			best, most = i, room
		}
	}
	if best >= 0 {
		v.at = best
	}
	return best >= 0
}

func reaches(v VM, h Host) bool {
	missing := func(have []string) func(string) bool {
		return func(want string) bool { return !slices.Contains(have, want) }
	}
	return !slices.ContainsFunc(v.Storage, missing(h.Storage)) && !slices.ContainsFunc(v.Networks, missing(h.Networks))
}

// promised is the memory that VMs on the host have, those included that are coming.
func (c *Cluster) promised(host int) int64 {
	var sum int64
	for _, v := range c.vms {
		if v.at == host || v.moving != nil && v.moving.to == host {
			sum += int64(v.Memory)
		}
	}
	return sum
}

// Hosts are the names of the hosts.
func (c *Cluster) Hosts() []string {
	var names []string
	for _, h := range c.hosts {
		names = append(names, h.name)
	}
	return names
}

// Now is the time that the cluster has come to.
func (c *Cluster) Now() time.Time { return c.now }

// Totals is what happened since the beginning.
func (c *Cluster) Totals() Totals { return c.totals }

// Moves are the times and ways of a VM's migrations, oldest first.
func (c *Cluster) Moves() [][]Move {
	var all [][]Move
	for _, v := range c.vms {
		var moves []Move
		for _, m := range v.moves {
			moves = append(moves, Move{At: m.at, VM: v.name, From: c.hosts[m.from].name, To: c.hosts[m.to].name})
		}
		all = append(all, moves)
	}
	return all
}

// Move is one migration that succeeded.
type Move struct {
	At           time.Time
	VM, From, To string
}

func (c *Cluster) hostAt(name string) int {
	return slices.IndexFunc(c.hosts, func(h *host) bool { return h.name == name })
}

func (c *Cluster) vmByID(id string) *vm {
	for _, v := range c.vms {
		if v.id == id {
			return v
		}
	}
	return nil
}

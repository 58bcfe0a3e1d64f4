package year

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/simulator"
)

// witness holds what happens against what must never happen. It looks at the cluster as it is, keeps its own books, and asks neither
// planner nor gate.
type witness struct {
	world World
	log   func(line string)
	// proven are hosts that woke the last time, off those that evenkeel turned off, gone those of them that have gone off since, waking
	// those that it is waking.
	proven, off, gone, waking map[string]bool
	last                      time.Time
	// well tells that what is to be survived was so when it was looked last, ran what ran then.
	well   bool
	ran    []string
	short  time.Duration
	broken []string
}

func newWitness(w World, log func(line string)) *witness {
	seen := &witness{world: w, log: log, proven: map[string]bool{}, off: map[string]bool{}, gone: map[string]bool{}, waking: map[string]bool{}, last: w.Scenario.Start}
	for _, h := range w.Scenario.Hosts {
		seen.proven[h.Name] = !h.Unproven
	}
	return seen
}

func (w *witness) tell(c *simulator.Cluster, format string, args ...any) {
	if w.log != nil {
		w.log(c.Now().Format("Mon 15:04:05 ") + fmt.Sprintf(format, args...))
	}
}

func (w *witness) breaks(c *simulator.Cluster, format string, args ...any) {
	w.broken = append(w.broken, c.Now().Format("Mon 15:04:05 ")+fmt.Sprintf(format, args...))
	w.tell(c, "BROKEN: "+format, args...)
}

// Begins is told of an action just before it begins.
func (w *witness) Begins(a cluster.Action, c *simulator.Cluster) {
	w.tell(c, "%s", a)
	switch a.Kind {
	case cluster.Wake:
		if !w.off[a.From] {
			w.breaks(c, "%s is woken, and evenkeel did not turn it off", a.From)
		}
		w.waking[a.From] = true
	case cluster.Standby:
		if !w.proven[a.From] {
			w.breaks(c, "%s is put into standby, and did not wake the last time or was never woken", a.From)
		}
	case cluster.Migrate:
		if w.off[a.To] {
			w.breaks(c, "%s is moved to %s, which is off", a.Name, a.To)
		}
	default:
		w.breaks(c, "%s, which is no business of power management or balancing", a)
	}
}

// Off is told of a host just before it is told to shut down.
func (w *witness) Off(host string, c *simulator.Cluster) {
	w.tell(c, "%s is told to shut down", host)
	stands := c.Stands()
	at := slices.IndexFunc(stands, func(s simulator.Stand) bool { return s.Host == host })
	if n := len(stands[at].VMs); n > 0 {
		w.breaks(c, "%s is turned off with %d VMs on it or on their way there", host, n)
	}
	if !w.proven[host] {
		w.breaks(c, "%s is turned off, and did not wake the last time or was never woken", host)
	}
	w.off[host] = true
	if on := len(w.on(stands)); on < w.world.MinHostsOn {
		w.breaks(c, "%d hosts are left on, and %d are to be", on, w.world.MinHostsOn)
	}
	if why := w.unsurvived(stands); why != "" {
		w.breaks(c, "%s is turned off, and without it %s", host, why)
	}
}

// Passed looks at the cluster when time has passed.
func (w *witness) Passed(c *simulator.Cluster) {
	stands := c.Stands()
	for _, s := range stands {
		w.follow(s, c)
	}
	why, is := w.unsurvived(stands), w.running(stands)
	if why != "" {
		w.short += c.Now().Sub(w.last)
		if w.well && slices.Equal(is, w.ran) { // no VM came and no host failed: it is what was moved
			w.breaks(c, "%s, and it could before VMs were moved", why)
		}
	}
	w.last, w.well, w.ran = c.Now(), why == "", is
}

// running names the hosts that are on and the VMs that run.
func (w *witness) running(stands []simulator.Stand) []string {
	var names []string
	for _, s := range w.on(stands) {
		names = append(names, s.Host)
	}
	vms := len(names)
	for _, s := range stands {
		for _, v := range s.VMs {
			if !v.Going && !v.Stopped {
				names = append(names, v.ID)
			}
		}
	}
	slices.Sort(names[vms:])
	return names
}

// follow notes what has become of a host.
func (w *witness) follow(s simulator.Stand, c *simulator.Cluster) {
	switch {
	case s.State == cluster.HostStandby && len(s.VMs) > 0:
		w.breaks(c, "%s is off with %d VMs on it", s.Host, len(s.VMs))
	case s.Stuck && w.waking[s.Host]:
		w.tell(c, "%s did not wake", s.Host)
		w.proven[s.Host] = false
		delete(w.waking, s.Host)
	case s.State != cluster.HostUp:
		w.gone[s.Host] = true
	case w.waking[s.Host]:
		w.tell(c, "%s is back", s.Host)
		w.proven[s.Host] = true
		delete(w.waking, s.Host)
		delete(w.off, s.Host)
	case w.gone[s.Host]: // it failed, or a person turned it on
		delete(w.off, s.Host)
	}
	if s.State == cluster.HostUp {
		delete(w.gone, s.Host)
	}
}

// on are the hosts that are on and were not told to shut down.
func (w *witness) on(stands []simulator.Stand) []simulator.Stand {
	return slices.DeleteFunc(slices.Clone(stands), func(s simulator.Stand) bool { return s.State != cluster.HostUp || w.off[s.Host] })
}

// unsurvived says which hosts could not fail at once without a VM of theirs finding no memory on the others, or "".
func (w *witness) unsurvived(stands []simulator.Stand) string {
	on := w.on(stands)
	for a := range on {
		if w.world.HostFailures == 1 {
			if !w.survives(on, a, a) {
				return fmt.Sprintf("%s could not fail", on[a].Host)
			}
			continue
		}
		for b := range a {
			if !w.survives(on, a, b) {
				return fmt.Sprintf("%s and %s could not fail at once", on[a].Host, on[b].Host)
			}
		}
	}
	return ""
}

// maxMemory is how much of a host's memory may be promised.
const maxMemory = 0.95

// survives tells whether the VMs of two hosts, or of one, find a place on the others.
func (w *witness) survives(on []simulator.Stand, a, b int) bool {
	p := packing{world: w.world, tries: mostTries}
	for i, s := range on {
		free, names := int64(maxMemory*float64(s.Memory)), []string{}
		for _, v := range s.VMs {
			switch {
			case v.Going || v.Stopped:
			case i == a || i == b:
				p.items = append(p.items, v)
			default:
				free -= v.Memory
				names = append(names, v.Name)
			}
		}
		if i != a && i != b {
			p.free, p.names = append(p.free, free), append(p.names, names)
		}
	}
	slices.SortFunc(p.items, func(x, y simulator.VMStand) int {
		return cmp.Or(cmp.Compare(y.Memory, x.Memory), cmp.Compare(x.Name, y.Name))
	})
	return p.place(0)
}

// mostTries bounds the search for a place for all: what is not found within it counts as not there.
const mostTries = 20_000

// packing tries to place VMs on hosts, all ways one after the other.
type packing struct {
	world World
	items []simulator.VMStand
	free  []int64
	names [][]string
	tries int
}

func (p *packing) place(i int) bool {
	if i == len(p.items) {
		return true
	}
	order := make([]int, len(p.free))
	for h := range order {
		order[h] = h
	}
	slices.SortFunc(order, func(x, y int) int { return cmp.Compare(p.free[x], p.free[y]) }) // the fullest first
	for _, h := range order {
		v := p.items[i]
		if p.tries--; p.tries < 0 {
			return false
		}
		if p.free[h] < v.Memory || p.shuns(v.Name, p.names[h]) {
			continue
		}
		p.free[h], p.names[h] = p.free[h]-v.Memory, append(p.names[h], v.Name)
		if p.place(i + 1) {
			return true
		}
		p.free[h], p.names[h] = p.free[h]+v.Memory, p.names[h][:len(p.names[h])-1]
	}
	return false
}

// shuns tells whether the VM must not be with one of those.
func (p *packing) shuns(name string, others []string) bool {
	return slices.ContainsFunc(p.world.Apart, func(pair [2]string) bool {
		return pair[0] == name && slices.Contains(others, pair[1]) || pair[1] == name && slices.Contains(others, pair[0])
	})
}

package detect

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// mostFailures bounds how many sets of hosts are tried where several may fail at once.
const mostFailures = 2000

// reserveBroken tries the failure of every host, or of every set of as many hosts as the policy names, and
// finds the first VM that would have no room on those that are left. VMs are placed the largest first, each
// on the host with most memory left that it may run on, within the host's memory and cores.
func reserveBroken(p *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	var hosts []int
	for h := range s.Hosts {
		if p.UsableAt(h) {
			hosts = append(hosts, h)
		}
	}
	if pol.HostFailures < 1 || len(hosts) <= pol.HostFailures {
		return nil
	}
	on := make([][]int, len(s.Hosts))
	for v := range s.VMs {
		if h := p.At(v); h >= 0 {
			on[h] = append(on[h], v)
		}
	}
	room := func(h int) int64 { return s.Hosts[h].MemoryBytes - p.Promised(h) }
	slices.SortStableFunc(hosts, func(a, b int) int { return cmp.Compare(room(b), room(a)) })
	d := &disaster{place: cluster.NewPlacement(s), snap: s, on: on, hosts: hosts, limits: cluster.Limits{MaxCPUUtilisation: 1, MaxMemoryUtilisation: 1, BreakShould: true}}
	for _, failed := range failures(hosts, pol.HostFailures, p) {
		if v, why := d.strike(failed); v >= 0 {
			vm := &s.VMs[v]
			return []cluster.Finding{{Detector: "reserve_broken", Subject: "cluster",
				Reason: fmt.Sprintf("the cluster would not survive the failure of %s: %s (%.1f GiB, %.2f cores) would have no room, %s",
					names(s, failed), vm.Label(), float64(vm.MemoryBytes)/(1<<30), vm.CPUDemandCores, why),
				Evidence: []cluster.Evidence{{Name: "host_failures", Value: float64(len(failed)), Limit: cluster.Known(float64(pol.HostFailures)), Unit: "hosts", Query: s.Query("host")}}}}
		}
	}
	return nil
}

func names(s cluster.Snapshot, hosts []int) string {
	var list []string
	for _, h := range hosts {
		list = append(list, s.Hosts[h].ID)
	}
	return some(list)
}

// failures lists the sets of hosts to try, those with the most promised memory first.
func failures(hosts []int, k int, p *cluster.Placement) [][]int {
	order := slices.Clone(hosts)
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.Promised(b), p.Promised(a)) })
	var sets [][]int
	var choose func(from int, set []int)
	choose = func(from int, set []int) {
		if len(set) == k {
			sets = append(sets, slices.Clone(set))
			return
		}
		for i := from; i < len(order) && len(sets) < mostFailures; i++ {
			choose(i+1, append(set, order[i]))
		}
	}
	choose(0, nil)
	return sets
}

// disaster places the VMs of failed hosts on the others, on paper.
type disaster struct {
	place  *cluster.Placement
	snap   cluster.Snapshot
	on     [][]int
	hosts  []int // those with the most memory left first
	limits cluster.Limits
}

// strike returns the VM that finds no room when the hosts fail, -1 when all do, and leaves the placement as
// it was.
func (d *disaster) strike(failed []int) (vm int, why string) {
	var left, homeless []int
	for _, h := range d.hosts {
		if slices.Contains(failed, h) {
			homeless = append(homeless, d.on[h]...)
		} else {
			left = append(left, h)
		}
	}
	room := func(h int) int64 { return d.snap.Hosts[h].MemoryBytes - d.place.Promised(h) }
	slices.SortStableFunc(homeless, func(a, b int) int { return cmp.Compare(d.snap.VMs[b].MemoryBytes, d.snap.VMs[a].MemoryBytes) })
	var moved, from []int
	vm = -1
	for _, v := range homeless {
		if !d.snap.VMs[v].State.Active() {
			continue
		}
		at := slices.IndexFunc(left, func(h int) bool { return d.place.Fits(v, h, d.limits) })
		if at < 0 {
			vm, why = v, d.why(v, left)
			break
		}
		moved, from = append(moved, v), append(from, d.place.At(v))
		d.place.MoveAt(v, left[at])
		// The host goes back to where its room puts it.
		for h := left[at]; at+1 < len(left) && room(left[at+1]) > room(h); at++ {
			left[at], left[at+1] = left[at+1], h
		}
	}
	for i := len(moved) - 1; i >= 0; i-- {
		d.place.MoveAt(moved[i], from[i])
	}
	return vm, why
}

// why says what keeps the VM from the host with the most room.
func (d *disaster) why(v int, left []int) string {
	if len(left) == 0 {
		return "no host is left"
	}
	_, why := d.place.Obstacle(v, left[0], d.limits)
	return why
}

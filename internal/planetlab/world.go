package planetlab

import "math"

const (
	// migrationBandwidth is what one migration copies, in MB/s: half of a Gbit/s, the other half is the VMs'.
	migrationBandwidth = 1_000_000.0 / (2 * 8000)
	// lostByMigrating is the share of what it wants that a VM does not get while it is copied.
	lostByMigrating = 0.1
	// reservedForArrival is the share that the target puts aside meanwhile.
	reservedForArrival = 0.1
)

// vm is a VM in the world.
type vm struct {
	VM
	host, to  int // to is where it is moving, -1 for nowhere
	gone      bool
	requested float64
	allocated float64 // where it runs
	samples   []float64
}

func (v *vm) moving() bool { return v.to >= 0 }

// host is a host in the world.
type host struct {
	HostType
	// vms lists those that are here or on their way to it, in the order in which they came.
	vms []int
	// load is what is charged for, and requested what all VMs wanted, those on their way included.
	load, requested float64
}

func (h *host) utilisation() float64 {
	u := h.load / h.Capacity()
	if u > 1 && u < 1.01 {
		return 1 // rounding
	}
	return u
}

// world is the cluster at an instant.
type world struct {
	memory bool
	now    float64
	hosts  []host
	vms    []vm
}

// see reads what every VM wants now.
func (w *world) see() {
	for i := range w.vms {
		if v := &w.vms[i]; !v.gone {
			v.requested = v.demand(w.now)
		}
	}
}

// share divides the CPU of every host.
func (w *world) share() {
	for i := range w.hosts {
		w.divide(i)
	}
}

// divide gives the VMs of a host what they want, nobody more than one core does, or where that is more than
// there is to each the same share of it, in whole MIPS. A VM that is moving away loses a tenth, for which the host
// is charged; one on its way takes a tenth already.
func (w *world) divide(i int) {
	h := &w.hosts[i]
	wanted := 0.0
	for _, id := range h.vms {
		wanted += w.wanted(i, id)
	}
	scale := 1.0
	if over := wanted > h.Capacity(); over {
		scale = h.Capacity() / wanted
	}
	h.load, h.requested = 0, 0
	for _, id := range h.vms {
		v := &w.vms[id]
		got := w.wanted(i, id)
		if v.moving() && v.to != i {
			got = got * scale * (1 - lostByMigrating)
		} else {
			got *= scale
		}
		if scale < 1 {
			got = math.Floor(got)
		}
		if v.to != i {
			v.allocated = got
		}
		if v.moving() && v.to != i {
			got /= 1 - lostByMigrating
		}
		h.load += got
		h.requested += v.requested
	}
}

// wanted is the VM's part in what is wanted of the host.
func (w *world) wanted(i, id int) float64 {
	v := &w.vms[id]
	want := min(v.requested, w.hosts[i].MIPS)
	if v.to == i {
		want *= reservedForArrival
	}
	return want
}

// retire takes away VMs that want nothing and are not moving: they have ended.
func (w *world) retire() {
	for i := range w.vms {
		if v := &w.vms[i]; !v.gone && !v.moving() && v.requested == 0 {
			v.gone = true
			w.leave(i, v.host)
		}
	}
}

func (w *world) leave(id, from int) {
	h := &w.hosts[from]
	kept := h.vms[:0]
	for _, other := range h.vms {
		if other != id {
			kept = append(kept, other)
		}
	}
	h.vms = kept
}

// depart begins a migration.
func (w *world) depart(id, to int) {
	w.vms[id].to = to
	w.hosts[to].vms = append(w.hosts[to].vms, id)
}

// arrive ends it.
func (w *world) arrive(id int) {
	v := &w.vms[id]
	w.leave(id, v.host)
	w.leave(id, v.to)
	v.host, v.to = v.to, -1
	w.hosts[v.host].vms = append(w.hosts[v.host].vms, id)
}

// memoryMB is what the VMs on the host and those on their way to it have.
func (w *world) memoryMB(i int) int {
	sum := 0
	for _, id := range w.hosts[i].vms {
		sum += w.vms[id].MemoryMB
	}
	return sum
}

// place is where the VMs begin.
func (w *world) place(start Start) {
	for id := range w.vms {
		to := -1
		least := math.Inf(1)
		for i := range w.hosts {
			load, ok := w.room(id, i)
			if !ok {
				continue
			}
			h := &w.hosts[i]
			more := h.Power((load+w.vms[id].MIPS)/h.Capacity()) - h.Power(0)
			if start == FirstFit {
				more = 0
			}
			if more < least {
				to, least = i, more
			}
		}
		if to < 0 {
			w.vms[id].gone = true // as CloudSim, which says so in its log and goes on
			continue
		}
		w.vms[id].host = to
		w.hosts[to].vms = append(w.hosts[to].vms, id)
	}
}

// room tells whether the VM could have all of its MIPS and memory on the host, and what the others there have.
func (w *world) room(id, i int) (load float64, ok bool) {
	h, v := &w.hosts[i], &w.vms[id]
	for _, other := range h.vms {
		load += w.vms[other].MIPS
	}
	return load, v.MIPS <= h.MIPS && load+v.MIPS <= h.Capacity() && w.memoryMB(i)+v.MemoryMB <= h.MemoryMB
}

package calamity

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// world is the truth, which nobody sees as a whole.
type world struct {
	rng    *rand.Rand
	now    time.Time
	hosts  []*host
	vms    []*vm
	events events
	seq    int
	// prometheus tells that Prometheus runs.
	prometheus bool
	// changed is when anything happened last.
	changed time.Time
	report  *Report
	tell    func(string)
}

// host is a machine as it is.
type host struct {
	at         int
	id, domain string
	cores      float64
	memory     int64
	// power and kernel are the machine: one with power whose kernel is down has crashed, or boots.
	power, kernel, frozen bool
	// net is the way to the server, the rest are the programs on it and the stamps that it writes.
	net, libvirtd, exporter, heartbeat bool
	// bmc tells that the BMC answers, slow how long that takes, unfenceable that it does not do as it is told.
	bmc         bool
	slow        time.Duration
	unfenceable bool
	// storage tells that the host reaches its VMs' disks.
	storage bool
	booting int // counts boots, so that one that was interrupted comes to nothing
	stamped time.Time
	// version changes with what its libvirt would say of its VMs.
	version int
	said    []cluster.VMSeen
	saidOf  int
	scraped time.Time
	sample  *sample
	fails   time.Time
}

// sample is what Prometheus has of a host.
type sample struct {
	at time.Time
	// libvirt tells that the exporter could read libvirt; ages are how old it saw the stamps of the others.
	libvirt bool
	vms     []cluster.VMSeen
	ages    []time.Duration
	// busy are the VMs for which a job is under way.
	busy []string
}

// vm is a VM as it is, and as people want it.
type vm struct {
	at       int
	id, name string
	size     cluster.VM
	priority string
	needs    []string
	// lock tells that its disks can be opened by one host only, local that only its host has them, kept that its definition is kept.
	lock, local, kept bool
	// wanted tells that people want it to run, suspended that one paused it. heard is whether evenkeel can know: a word that died with the
	// host that took it is known to nobody.
	wanted, suspended bool
	unheard           int // the host that has the word and has not told, or -1
	unknowable        bool
	copies            []copyOf
	downSince         time.Time
	starts            int
	failures          int
}

// copyOf is what one host has of one VM.
type copyOf struct {
	defined, autostart bool
	// process tells that there is one: running, paused, starting or waiting for its memory.
	process  bool
	incoming bool
	state    cluster.VMState
	reason   string
}

func (h *host) runs() bool       { return h.power && h.kernel && !h.frozen }
func (h *host) answers() bool    { return h.runs() && h.net && h.libvirtd }
func (h *host) refuses() bool    { return h.runs() && h.net && !h.libvirtd }
func (h *host) readable() bool   { return h.runs() && h.net && h.exporter }
func (h *host) manageable() bool { return h.answers() && h.storage }

// at are the hosts that have a process of the VM that is more than a place for what arrives.
func (v *vm) places() []int {
	var list []int
	for i := range v.copies {
		if c := &v.copies[i]; c.process && !c.incoming {
			list = append(list, i)
		}
	}
	return list
}

// well is the host that the VM runs on as people want it, -1 for none.
func (v *vm) well() int {
	for i := range v.copies {
		if c := &v.copies[i]; c.process && !c.incoming && (c.state == cluster.VMRunning || v.suspended) {
			return i
		}
	}
	return -1
}

func (w *world) put(v *vm, h int, c copyOf) {
	v.copies[h] = c
	w.hosts[h].version++
	w.changed = w.now
}

// end takes the process away and leaves the definition, where there is one.
func (w *world) end(v *vm, h int, reason string) {
	c := v.copies[h]
	if !c.process {
		return
	}
	w.put(v, h, copyOf{defined: c.defined, autostart: c.autostart, state: cluster.VMShutoff, reason: reason})
	if len(v.places()) == 0 {
		v.downSince = w.now
	}
}

// launch makes a process on the host, unless the lock is held elsewhere. It says in how many other places the VM lives.
func (w *world) launch(v *vm, h int, state cluster.VMState, reason string) (elsewhere int, ok bool) {
	for i := range v.copies {
		if c := &v.copies[i]; i != h && c.process && !c.incoming { // what arrives has no disk open before it is there
			elsewhere++
		}
	}
	if elsewhere > 0 && v.lock {
		return elsewhere, false
	}
	w.put(v, h, copyOf{defined: true, autostart: v.copies[h].autostart, process: true, state: state, reason: reason})
	return elsewhere, true
}

// off takes the power away.
func (w *world) off(h *host) {
	h.power, h.kernel, h.frozen = false, false, false
	h.booting++
	w.changed = w.now
	w.clear(h)
}

// crash stops the kernel and leaves the power.
func (w *world) crash(h *host) {
	h.kernel, h.frozen = false, false
	h.booting++
	w.changed = w.now
	w.clear(h)
}

// clear ends all processes, and what the host knew of why.
func (w *world) clear(h *host) {
	for _, v := range w.vms {
		c := v.copies[h.at]
		w.end(v, h.at, "")
		if c.process && !c.defined {
			v.copies[h.at] = copyOf{}
		}
		if !v.copies[h.at].process && v.copies[h.at].defined {
			v.copies[h.at].reason = "" // libvirt keeps no reasons over a boot
		}
		if v.unheard == h.at {
			v.unknowable = true
		}
	}
	h.version++
}

// boot turns the host on; it is up a while later, with what starts by itself.
func (w *world) boot(h *host) {
	if h.kernel && h.power {
		return
	}
	h.power = true
	h.booting++
	mine := h.booting
	w.changed = w.now
	w.after(time.Duration(60+w.rng.IntN(120))*time.Second, func() {
		if h.booting != mine {
			return
		}
		h.kernel, h.libvirtd, h.exporter, h.storage = true, true, true, true
		h.version++
		w.changed = w.now
		for _, v := range w.vms {
			if c := v.copies[h.at]; c.defined && c.autostart && !c.process {
				w.autostart(v, h.at)
			}
		}
	})
}

func (w *world) autostart(v *vm, h int) {
	if !v.wanted {
		return // a person who shuts it down for good takes the mark away
	}
	elsewhere, ok := w.launch(v, h, cluster.VMRunning, "booted")
	switch {
	case elsewhere > 0 && ok:
		w.report.AutostartDoubles++
		w.end(v, h, "destroyed") // the day goes on as if somebody had seen it at once
	case elsewhere > 0:
		w.report.AutostartStopped++
		v.copies[h].reason = "failed"
	default:
		v.suspended = false
		v.downSince = time.Time{}
	}
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return cmp.Or(e[i].at.Compare(e[j].at), cmp.Compare(e[i].seq, e[j].seq)) < 0
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push is part of heap.Interface.
func (e *events) Push(x any) { *e = append(*e, x.(event)) }

// Pop is part of heap.Interface.
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.events, event{at: w.now.Add(d), seq: w.seq, do: do})
}

// run lets happen what happens until then.
func (w *world) run(until time.Time) {
	for len(w.events) > 0 && !w.events[0].at.After(until) {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = until
}

const gib = 1 << 30

// build makes a cluster at random in which everything runs and there is room for a host less or two.
func build(rng *rand.Rand, start time.Time, hosts int, r *Report) *world {
	w := &world{rng: rng, now: start, prometheus: true, report: r, changed: start}
	domains := 1 + rng.IntN(3)
	for i := range hosts {
		h := &host{at: i, id: fmt.Sprintf("h%02d", i), domain: fmt.Sprintf("rack%d", i%domains), cores: 16, memory: 64 * gib,
			power: true, kernel: true, net: true, libvirtd: true, exporter: true, heartbeat: true, bmc: true, storage: true, slow: 500 * time.Millisecond, scraped: start.Add(-scrapeInterval * time.Duration(i) / time.Duration(hosts))}
		w.hosts = append(w.hosts, h)
	}
	free := make([]int64, hosts)
	for i := range free {
		free[i] = int64(float64(64*gib) * (0.35 + 0.3*rng.Float64())) // how full each is at first
	}
	for i := range free {
		for free[i] > 0 {
			size := int64(2*gib) << rng.IntN(4)
			free[i] -= size
			w.add(i, size)
		}
	}
	for _, v := range w.vms { // what is needed has a lower number, so that no circle comes about
		if v.at > 0 && rng.IntN(6) == 0 {
			v.needs = []string{w.vms[rng.IntN(v.at)].name}
		}
	}
	return w
}

// plain makes a cluster in which all hosts have as many VMs of the same size.
func plain(hosts, each int, r *Report) *world {
	w := build(rand.New(rand.NewPCG(1, 1)), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), hosts, r)
	w.vms = nil
	for i := range hosts * each {
		w.add(i%hosts, 4*gib)
		w.vms[i].priority, w.vms[i].size.RestartPriority, w.vms[i].kept = "", "", true
	}
	return w
}

func (w *world) add(h int, size int64) {
	rng, n := w.rng, len(w.vms)
	v := &vm{at: n, id: fmt.Sprintf("%08x-0000-4000-8000-%012x", n*7919, n), name: fmt.Sprintf("vm%03d", n), wanted: true, kept: rng.IntN(25) > 0,
		lock: rng.IntN(3) > 0, local: rng.IntN(20) == 0, unheard: -1, copies: make([]copyOf, len(w.hosts))}
	v.priority = []string{"", "", "lowest", "low", "medium", "medium", "high", "highest", "disabled"}[rng.IntN(9)]
	cores := float64(size) / (8 * gib)
	v.size = cluster.VM{ID: v.id, Name: v.name, VCPUs: max(1, int(2*cores)), MemoryBytes: size, MemoryDemandBytes: size / 2, CPUDemandCores: cores * (0.2 + 0.8*rng.Float64()), Storage: []string{"shared"},
		Movable: true, RestartPriority: v.priority}
	if v.local {
		v.size.Storage, v.size.Movable, v.size.ImmovableReason = []string{}, false, "its disk /var/lib/libvirt/images/"+v.name+" is not shared"
	}
	v.copies[h] = copyOf{defined: v.kept, autostart: v.kept && rng.IntN(4) == 0, process: true, state: cluster.VMRunning, reason: "booted"}
	w.vms = append(w.vms, v)
}

// moving lists the VMs on the host that are being migrated away.
func (w *world) moving(h *host) []string {
	var list []string
	for _, v := range w.vms {
		if c := v.copies[h.at]; c.process && !c.incoming && slices.ContainsFunc(v.copies, func(o copyOf) bool { return o.incoming }) {
			list = append(list, v.id)
		}
	}
	return list
}

// says is what the host's libvirt says of its VMs.
func (w *world) says(h *host) []cluster.VMSeen {
	if h.said != nil && h.saidOf == h.version {
		return h.said
	}
	list := make([]cluster.VMSeen, 0, 16)
	for _, v := range w.vms {
		if c := &v.copies[h.at]; c.process || c.defined {
			state := c.state
			if !c.process && state != cluster.VMCrashed {
				state = cluster.VMShutoff
			}
			list = append(list, cluster.VMSeen{VM: v.id, Name: v.name, State: state, Reason: c.reason})
		}
	}
	slices.SortFunc(list, func(a, b cluster.VMSeen) int { return cmp.Compare(a.VM, b.VM) })
	h.said, h.saidOf = list, h.version
	return list
}

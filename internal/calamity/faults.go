package calamity

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// fault is one sort of trouble. It begins it, and returns what ends it.
type fault struct {
	name  string
	begin func(d *day) (heal func())
}

func faults() []fault {
	return []fault{
		{"power cut", func(d *day) func() { return d.powerCut(d.any()) }},
		{"power cut", func(d *day) func() { return d.powerCut(d.any()) }},
		{"kernel crash", func(d *day) func() { return d.kernelCrash(d.any()) }},
		{"kernel crash and reboot", func(d *day) func() { h := d.any(); d.w.crash(h); d.w.boot2(h); return func() {} }},
		{"freeze that thaws", func(d *day) func() { return d.freeze(d.any()) }},
		{"management network cut", func(d *day) func() { return d.cut(d.any()) }},
		{"heartbeat lost", func(d *day) func() { h := d.any(); h.heartbeat = false; return func() { h.heartbeat = true } }},
		{"network cut and heartbeat lost", func(d *day) func() {
			h := d.any()
			h.heartbeat = false
			heal := d.cut(h)
			return func() { heal(); h.heartbeat = true }
		}},
		{"power cut, BMC dead", func(d *day) func() { h := d.any(); h.bmc = false; return d.powerCut(h) }},
		{"kernel crash, BMC dead", func(d *day) func() { h := d.any(); h.bmc = false; return d.kernelCrash(h) }},
		{"BMC dead", func(d *day) func() { h := d.any(); h.bmc = false; return func() { h.bmc = true } }},
		{"slow BMC", func(d *day) func() {
			h := d.any()
			h.slow = time.Duration(5+d.w.rng.IntN(40)) * time.Second
			return func() { h.slow = 500 * time.Millisecond }
		}},
		{"fence that fails", func(d *day) func() {
			h := d.any()
			h.unfenceable = true
			heal := d.kernelCrash(h)
			return func() { h.unfenceable = false; heal() }
		}},
		{"exporter dead", func(d *day) func() { h := d.any(); h.exporter = false; return func() { h.exporter = true } }},
		{"all exporters dead", func(d *day) func() {
			for _, h := range d.w.hosts {
				h.exporter = false
			}
			return func() {
				for _, h := range d.w.hosts {
					h.exporter = true
				}
			}
		}},
		{"libvirtd dead", func(d *day) func() { h := d.any(); h.libvirtd = false; return func() { d.daemon(h) } }},
		{"Prometheus dead", func(d *day) func() { d.w.prometheus = false; return func() { d.w.prometheus = true } }},
		{"two hosts at once", func(d *day) func() {
			a, b := d.powerCut(d.any()), d.powerCut(d.any())
			return func() { a(); b() }
		}},
		{"domain at once", func(d *day) func() {
			var heals []func()
			of := d.any().domain
			for _, h := range d.w.hosts {
				if h.domain == of {
					heals = append(heals, d.powerCut(h))
				}
			}
			return func() {
				for _, heal := range heals {
					heal()
				}
			}
		}},
		{"two networks cut", func(d *day) func() { a, b := d.cut(d.any()), d.cut(d.any()); return func() { a(); b() } }},
		{"storage lost", func(d *day) func() { return d.stall(d.any()) }},
		{"QEMU killed", (*day).kill},
		{"guest panic", (*day).panic},
		{"shutdown by a person", (*day).shutdown},
		{"suspended by a person", (*day).suspend},
		{"started by a person", (*day).startByHand},
		{"migrated by a person", (*day).migrate},
		{"migrated by a person, and the host fails", (*day).migrateAndFail},
		{"migrated by a person to a host that is cut off", (*day).migrateToCut},
		{"server restarted", func(d *day) func() { d.s.restart(); return func() {} }},
		{"server restarted while a host is down", func(d *day) func() {
			heal := d.powerCut(d.any())
			d.w.after(time.Duration(d.w.rng.IntN(60))*time.Second, func() { d.s.restart(); d.w.changed = d.w.now })
			return heal
		}},
	}
}

func (d *day) any() *host { return d.w.hosts[d.w.rng.IntN(len(d.w.hosts))] }

func (d *day) powerCut(h *host) func() {
	d.w.off(h)
	d.person(h)
	return func() { d.mend(h) }
}

func (d *day) kernelCrash(h *host) func() {
	d.w.crash(h)
	d.person(h)
	return func() { d.mend(h) }
}

// boot2 is the watchdog's boot, which turns nothing on.
func (w *world) boot2(h *host) {
	if h.power {
		w.boot(h)
	}
}

func (d *day) freeze(h *host) func() {
	if h.kernel {
		h.frozen = true
	}
	d.person(h)
	return func() {
		h.frozen = false
		d.mend(h)
	}
}

func (d *day) cut(h *host) func() {
	h.net = false
	d.person(h)
	return func() { h.net = true; d.mend(h) }
}

func (d *day) stall(h *host) func() {
	h.storage = false
	for _, v := range d.w.vms {
		if c := v.copies[h.at]; c.process && c.state == cluster.VMRunning && !v.local {
			c.state, c.reason = cluster.VMPaused, "ioerror"
			d.w.put(v, h.at, c)
			v.downSince = d.w.now
		}
	}
	return func() { h.storage = true }
}

// mend is a person who has the host as it should be: whatever was confirmed of it is taken back before it is turned on.
func (d *day) mend(h *host) {
	h.bmc = true
	if h.power && h.kernel {
		return
	}
	d.lift(h)
	d.w.boot(h)
}

func (d *day) lift(h *host) {
	var rest cluster.Orders
	for _, o := range d.s.orders {
		if o.Subject != cluster.HostSubject(h.id) {
			rest = append(rest, o)
		}
	}
	d.s.orders = rest
}

// person is somebody who comes to look at a host that cannot be turned off: makes certain that it is off, and says so.
func (d *day) person(h *host) {
	d.w.after(time.Duration(3+d.w.rng.IntN(12))*time.Minute, func() {
		k := d.s.watched[h.at]
		if v := k.finding.Verdict; v != "unproven" && v != "hung" || h.bmc && !h.unfenceable {
			return
		}
		if h.power {
			d.w.off(h)
		}
		d.lift(h)
		d.s.orders = append(d.s.orders, cluster.Order{Kind: cluster.OrderOff, Subject: cluster.HostSubject(h.id), Word: cluster.Approval{Who: "anna", At: d.w.now}})
		d.w.report.Confirmed++
	})
}

// daemon is libvirtd that is started again. It has forgotten why what does not run ended.
func (d *day) daemon(h *host) {
	if h.libvirtd {
		return
	}
	h.libvirtd = true
	for _, v := range d.w.vms {
		if c := &v.copies[h.at]; !c.process && c.defined {
			c.reason = ""
		}
		if v.unheard == h.at {
			v.unknowable = true
		}
	}
	h.version++
}

// somebody picks a VM that stands as asked for, and its host.
func (d *day) somebody(want func(v *vm, h int) bool) (v *vm, h int) {
	first := d.w.rng.IntN(len(d.w.vms))
	for i := range d.w.vms {
		v := d.w.vms[(first+i)%len(d.w.vms)]
		for h := range d.w.hosts {
			if want(v, h) {
				return v, h
			}
		}
	}
	return nil, -1
}

func (d *day) running(v *vm, h int) bool {
	c := &v.copies[h]
	return v.wanted && !v.suspended && c.process && !c.incoming && c.state == cluster.VMRunning && d.w.hosts[h].runs() && len(v.places()) == 1
}

func (d *day) kill() func() {
	if v, h := d.somebody(d.running); v != nil && d.w.hosts[h].libvirtd {
		d.dies(v, h, "crashed")
	}
	return func() {}
}

// dies ends a VM; one that is not persistent leaves nothing behind.
func (d *day) dies(v *vm, h int, reason string) {
	d.w.end(v, h, reason)
	if !v.copies[h].defined {
		d.w.put(v, h, copyOf{})
	}
	for i := range v.copies {
		if v.copies[i].incoming {
			d.arrivesNot(v, i)
		}
	}
}

func (d *day) panic() func() {
	v, h := d.somebody(d.running)
	switch {
	case v == nil || !d.w.hosts[h].libvirtd:
	case d.w.rng.IntN(2) == 0 && v.kept:
		c := v.copies[h]
		c.process, c.state, c.reason = true, cluster.VMCrashed, "panicked"
		d.w.put(v, h, c)
		v.downSince = d.w.now
		for i := range v.copies {
			if v.copies[i].incoming {
				d.arrivesNot(v, i)
			}
		}
	default:
		d.dies(v, h, "crashed")
	}
	return func() {}
}

func (d *day) shutdown() func() {
	v, h := d.somebody(func(v *vm, h int) bool { return d.running(v, h) && d.w.hosts[h].libvirtd })
	if v == nil {
		return func() {}
	}
	v.wanted, v.unheard, v.unknowable = false, h, false
	v.copies[h].autostart = false
	d.dies(v, h, []string{"shutdown", "destroyed"}[d.w.rng.IntN(2)])
	return func() { d.startIt(v) }
}

func (d *day) suspend() func() {
	v, h := d.somebody(func(v *vm, h int) bool { return d.running(v, h) && d.w.hosts[h].libvirtd })
	if v == nil {
		return func() {}
	}
	v.suspended, v.unheard, v.unknowable = true, h, false
	c := v.copies[h]
	c.state, c.reason = cluster.VMPaused, "user"
	d.w.put(v, h, c)
	return func() {
		if c := v.copies[h]; v.suspended && c.process && c.reason == "user" && d.w.hosts[h].runs() {
			c.state, c.reason = cluster.VMRunning, "unpaused"
			d.w.put(v, h, c)
			v.suspended = false
		} else if v.suspended {
			d.startIt(v)
		}
	}
}

func (d *day) startByHand() func() {
	if v, _ := d.somebody(func(v *vm, _ int) bool { return len(v.places()) == 0 }); v != nil {
		d.startIt(v)
	}
	return func() {}
}

// startIt is a person who starts a VM that runs nowhere, on a host that has its definition; nothing is done where that is not certain.
func (d *day) startIt(v *vm) {
	for h := range v.copies {
		if v.copies[h].process {
			return
		}
	}
	for _, t := range d.s.tries {
		if t.Action.VM == v.id && (t.Pending || t.Result == cluster.ResultUnknown) {
			return
		}
	}
	for h, c := range v.copies {
		if c.defined && d.w.hosts[h].manageable() && d.w.hosts[h].net {
			d.w.launch(v, h, cluster.VMRunning, "booted")
			v.wanted, v.suspended, v.downSince = true, false, time.Time{}
			return
		}
	}
}

func (d *day) migrate() func() {
	d.move(func(to *host) bool { return to.answers() })
	return func() {}
}

// move begins a migration that a person asked for, to a host of that sort.
func (d *day) move(want func(*host) bool) (v *vm, from, to int) {
	v, from = d.somebody(func(v *vm, h int) bool {
		return d.running(v, h) && !v.local && d.w.hosts[h].libvirtd && d.w.hosts[h].storage && v.kept
	})
	if v == nil {
		return nil, -1, -1
	}
	to = d.w.rng.IntN(len(d.w.hosts))
	h := d.w.hosts[to]
	if to == from || !want(h) || !h.runs() || !h.libvirtd || !h.storage || v.copies[to].process || d.used(to)+v.size.MemoryBytes > h.memory {
		return nil, -1, -1
	}
	c := v.copies[to]
	c.process, c.incoming, c.state, c.reason = true, true, cluster.VMPaused, "migrating"
	d.w.put(v, to, c)
	undefine := d.w.rng.IntN(2) == 0
	d.w.after(time.Duration(5+d.w.rng.IntN(40))*time.Second, func() { d.arrives(v, from, to, undefine) })
	return v, from, to
}

func (d *day) used(h int) int64 {
	used := int64(0)
	for _, v := range d.w.vms {
		if v.copies[h].process {
			used += v.size.MemoryBytes
		}
	}
	return used
}

func (d *day) arrivesNot(v *vm, to int) {
	if c := v.copies[to]; c.incoming {
		d.w.put(v, to, copyOf{defined: c.defined, autostart: c.autostart, state: cluster.VMShutoff, reason: "failed"})
	}
}

func (d *day) arrives(v *vm, from, to int, undefine bool) {
	c := v.copies[to]
	if !c.incoming {
		return
	}
	src := v.copies[from]
	if a, b := d.w.hosts[from], d.w.hosts[to]; !a.runs() || !b.runs() || !a.libvirtd || !b.libvirtd || !src.process || src.state != cluster.VMRunning || src.incoming {
		d.arrivesNot(v, to)
		return
	}
	d.w.put(v, to, copyOf{defined: true, autostart: src.autostart, process: true, state: cluster.VMRunning, reason: "migrated"})
	if !d.w.hosts[to].answers() { // that it is there is known to nobody before the host is heard
		v.unheard, v.unknowable = to, false
	}
	if undefine {
		d.w.put(v, from, copyOf{})
	} else {
		d.w.put(v, from, copyOf{defined: true, autostart: src.autostart && d.w.rng.IntN(2) == 0, state: cluster.VMShutoff, reason: "migrated"})
	}
	v.downSince = time.Time{}
}

// migrateAndFail has one of the two hosts fail about when the VM arrives.
func (d *day) migrateAndFail() func() {
	v, from, to := d.move(func(to *host) bool { return to.answers() })
	if v == nil {
		return func() {}
	}
	heal := func() {}
	one := d.w.hosts[[]int{from, to}[d.w.rng.IntN(2)]]
	d.w.after(time.Duration(4000+d.w.rng.IntN(45000))*time.Millisecond, func() {
		d.w.changed = d.w.now
		heal = []func(*host) func(){d.powerCut, d.kernelCrash, d.cut, d.freeze}[d.w.rng.IntN(4)](one)
	})
	return func() { heal() }
}

// migrateToCut moves a VM to a host that the server does not hear, over a network that the server does not use; then the other one fails.
func (d *day) migrateToCut() func() {
	v, from, to := d.move(func(to *host) bool { return true })
	if v == nil {
		return func() {}
	}
	a := d.cut(d.w.hosts[to])
	b := func() {}
	d.w.after(time.Duration(10+d.w.rng.IntN(120))*time.Second, func() {
		d.w.changed = d.w.now
		b = d.powerCut(d.w.hosts[from])
	})
	return func() { a(); b() }
}

func (w *world) broken(format string, args ...any) {
	w.report.Broken = append(w.report.Broken, w.now.Format("15:04:05 ")+fmt.Sprintf(format, args...))
	w.log("BROKEN: "+format, args...)
}

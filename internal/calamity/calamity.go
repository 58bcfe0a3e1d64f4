// Package calamity is a world in which things break: a cluster on a virtual clock with faults at random, the judgement on failures and the gates as
// they are, and somebody who holds all that happens against what must never happen. The same seed gives the same day.
package calamity

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Options say what sort of day it is.
type Options struct {
	// Hosts is how many there are, Faults how many begin; 0 for any number.
	Hosts, Faults int
	// Log is told what happens, where it is set.
	Log func(line string)
}

// Report is what came of a day.
type Report struct {
	Seed       uint64
	Hosts, VMs int
	// Faults and Actions are how many there were of each sort, Looks how often the hosts were looked at.
	Faults, Actions map[string]int
	Looks           int
	// DoubleStarts are VMs that evenkeel started while they lived elsewhere, LockStops those of which only the lock on their disks kept it.
	DoubleStarts, LockStops int
	// AutostartDoubles and AutostartStopped are VMs that a host started by itself when it came back although they ran elsewhere: without a lock on
	// their disks, and kept from it by one. Evenkeel has no part in it.
	AutostartDoubles, AutostartStopped int
	// Confirmed are hosts that a person said are off, Unknowable starts of VMs that a person had stopped so shortly before their host failed that
	// nobody had seen it.
	Confirmed, Unknowable int
	// Protected are the VMs that should have been running at the end; NoRoom, NotKept and Waits are those that did not because no host could take
	// them, no definition of them was kept, or what they need did not run for one of these reasons.
	Protected, NoRoom, NotKept, Waits int
	// Unseen are VMs that fell with a host that a person had moved them to and that was not heard meanwhile: nobody knew that they were there.
	Unseen int
	// Down is for how long VMs did not run that evenkeel brought back.
	Down []time.Duration
	// Broken is what happened that must never.
	Broken []string
}

// down notes that a VM is back.
func (r *Report) down(now time.Time, v *vm) {
	if !v.downSince.IsZero() {
		r.Down = append(r.Down, now.Sub(v.downSince))
	}
	v.downSince = time.Time{}
}

// day is one in the making.
type day struct {
	w    *world
	s    *server
	opts Options
}

const (
	// lastFault is until when faults begin, healed when all have ended.
	lastFault, healed, whole = 20 * time.Hour, 22 * time.Hour, 24 * time.Hour
	// quiet is for how long nothing must have changed before time is skipped.
	quiet = 30 * time.Second
)

// Day runs one.
func Day(seed uint64, o Options) Report {
	rng := rand.New(rand.NewPCG(seed, 0))
	r := Report{Seed: seed, Faults: map[string]int{}, Actions: map[string]int{}}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if o.Hosts == 0 {
		o.Hosts = 3 + rng.IntN(10)
	}
	if o.Faults == 0 {
		o.Faults = 1 + rng.IntN(8)
	}
	w := build(rng, start, o.Hosts, &r)
	r.Hosts, r.VMs, w.tell = len(w.hosts), len(w.vms), o.Log
	d := &day{w: w, s: newServer(w), opts: o}
	d.plan()
	for w.now.Before(start.Add(whole)) {
		d.step()
	}
	d.atTheEnd()
	return r
}

// plan spreads the faults over the day. Half of them come close to another one.
func (d *day) plan() {
	kinds := faults()
	at := time.Duration(0)
	for range d.opts.Faults {
		if at == 0 || d.w.rng.IntN(2) == 0 {
			at = 2*time.Minute + time.Duration(d.w.rng.Int64N(int64(lastFault)))
		} else {
			at += time.Duration(d.w.rng.IntN(400)) * time.Second
		}
		f, lasts := kinds[d.w.rng.IntN(len(kinds))], time.Duration(10+d.w.rng.ExpFloat64()*900)*time.Second
		d.w.after(at, func() {
			d.w.report.Faults[f.name]++
			d.w.log("fault: %s", f.name)
			d.w.changed = d.w.now
			heal := f.begin(d)
			d.w.after(min(lasts, 90*time.Minute), func() {
				d.w.log("mended: %s", f.name)
				d.w.changed = d.w.now
				heal()
			})
		})
	}
	d.w.after(healed, func() {
		for _, h := range d.w.hosts { // whatever came of it all, a person sees to it in the end
			h.frozen, h.net, h.exporter, h.heartbeat, h.bmc, h.storage, h.unfenceable = false, true, true, true, true, true, false
			d.daemon(h)
			d.mend(h)
		}
		d.w.prometheus, d.w.changed = true, d.w.now
	})
}

func (w *world) log(format string, args ...any) {
	if w.tell != nil {
		w.tell(w.now.Format("15:04:05 ") + fmt.Sprintf(format, args...))
	}
}

// step looks once, and skips the time in which nothing can happen.
func (d *day) step() {
	w := d.w
	d.stamps()
	d.s.turn()
	w.report.Looks++
	d.check()
	next := w.now.Add(interval)
	if w.now.Sub(w.changed) > quiet && w.now.Sub(d.s.latest) > quiet {
		next = d.skip(next)
	}
	w.run(next)
}

// skip is when something can happen next. What stands still meanwhile is made to look as it would have.
func (d *day) skip(next time.Time) time.Time {
	w, until := d.w, d.w.now.Add(24*time.Hour)
	if len(w.events) > 0 {
		until = w.events[0].at
	}
	if d.s.wishes+len(d.s.waiting) > 0 || len(d.s.inFlight()) > 0 || slices.ContainsFunc(w.hosts, func(h *host) bool { return !h.answers() }) {
		// What waits for its time waits the longer the longer it has: the longest back-off is eleven minutes.
		until = w.now.Add(min(until.Sub(w.now), max(10*time.Second, min(w.now.Sub(w.changed)/4, 5*time.Minute))))
	}
	if !until.After(next) {
		return next
	}
	past := until.Sub(w.now)
	for i, k := range d.s.watched {
		k.answered, k.asked = k.answered.Add(past), k.asked.Add(past)
		if h := w.hosts[i]; h.sample != nil && h.readable() && w.prometheus {
			one := *h.sample
			one.at = one.at.Add(past)
			h.sample = &one
		}
	}
	return until
}

// stamps are written every other second by all hosts that can.
func (d *day) stamps() {
	for _, h := range d.w.hosts {
		if h.runs() && h.heartbeat && h.exporter {
			h.stamped = d.w.now
		}
	}
}

// check holds the world against what must be so at any time.
func (d *day) check() {
	for _, v := range d.w.vms {
		if at := v.places(); len(at) > 1 {
			d.w.broken("%s runs on %v at once", v.name, at)
		}
	}
}

// atTheEnd looks whether everything runs that should and can.
func (d *day) atTheEnd() {
	w, r := d.w, d.w.report
	down := map[string]*vm{}
	for _, v := range w.vms {
		if v.priority == cluster.RestartDisabled || !v.wanted || v.suspended {
			continue
		}
		r.Protected++
		if v.well() < 0 {
			down[v.name] = v
		}
		if most := 6 * (1 + d.opts.Faults); v.starts > most {
			w.broken("%s was started %d times in a day with %d faults", v.name, v.starts, d.opts.Faults)
		}
	}
	if most := 12 * r.VMs * (1 + d.opts.Faults); r.Actions["forget"]+r.Actions["resume"] > most {
		w.broken("%v was done in a day with %d faults", r.Actions, d.opts.Faults)
	}
	if most := 30 * (1 + d.opts.Faults); r.Actions["fence"] > most {
		w.broken("hosts were turned off %d times in a day with %d faults", r.Actions["fence"], d.opts.Faults)
	}
	if len(down) == 0 {
		return
	}
	lacks := d.lacking(down)
	for name, v := range down {
		switch {
		case lacks[name] == "room":
			r.NoRoom++
		case lacks[name] == "definition":
			r.NotKept++
		case lacksNeed(v, down, lacks):
			r.Waits++
		case v.unknowable:
			r.Unseen++
		default:
			w.broken("%s is lost: %s", name, d.why(v))
		}
	}
}

// lacksNeed tells whether one that the VM needs, or that this needs in turn, is down for want of something. Nobody needs themselves.
func lacksNeed(v *vm, down map[string]*vm, lacks map[string]string) bool {
	return slices.ContainsFunc(v.needs, func(n string) bool {
		return down[n] != nil && (lacks[n] != "" || lacksNeed(down[n], down, lacks))
	})
}

func (d *day) why(v *vm) string {
	var words []string
	for _, one := range d.s.waiting {
		if one.Subject == cluster.VMSubject(v.id) {
			words = append(words, one.Cause+": "+one.Reason)
		}
	}
	for _, t := range d.s.tracker.Troubles() {
		if t.VM.ID == v.id {
			words = append(words, "trouble "+t.Cause+" "+t.Host)
		}
	}
	return strings.Join(append(words, fmt.Sprintf("%+v", v.copies)), "; ")
}

// lacking says what is missing for each that is down: by the truth, and with all that evenkeel may not use left out.
func (d *day) lacking(down map[string]*vm) map[string]string {
	w := d.w
	s := cluster.Snapshot{Cluster: "truth", At: w.now}
	for _, h := range w.hosts {
		one := cluster.Host{ID: h.id, State: cluster.HostUp, CPUCores: h.cores, MemoryBytes: h.memory, Storage: []string{"shared"}, FailureDomain: h.domain}
		if fails := d.s.tracker.Failures(h.id); len(fails) >= 3 {
			one.State = cluster.HostMaintenance
		}
		s.Hosts = append(s.Hosts, one)
	}
	lacks := map[string]string{}
	var wants []plan.Want
	for _, v := range w.vms {
		one := v.size
		one.State, one.Movable, one.ImmovableReason = cluster.VMRunning, true, ""
		want := plan.Want{VM: v.id}
		if at := v.places(); len(at) > 0 && down[v.name] == nil {
			one.Host = w.hosts[at[0]].id
		} else if len(at) > 0 { // what is left of it keeps it there
			want.Only = w.hosts[at[0]].id
		}
		s.VMs = append(s.VMs, one)
		if down[v.name] == nil {
			continue
		}
		if v.local {
			want.Only = "nowhere"
			for i, c := range v.copies {
				if c.defined {
					want.Only = w.hosts[i].id
				}
			}
		}
		if !v.kept && !slices.ContainsFunc(v.copies, func(c copyOf) bool { return c.defined }) {
			lacks[v.name] = "definition"
			continue
		}
		wants = append(wants, want)
	}
	s.Sort()
	_, refused := plan.Restarts(s, d.s.recovery.Plan, wants)
	for _, no := range refused {
		lacks[w.vms[w.find(no.Subject[len(cluster.VMSubject("")):])].name] = "room"
	}
	return lacks
}

package recovery

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Tracker remembers where VMs ran, and tells which of them should and do not. It is not safe for concurrent use.
type Tracker struct {
	homes    map[string]home
	troubles map[string]Trouble
	// known are the VMs as they were seen last with all their numbers.
	known map[string]cluster.VM
	rolls map[string]cluster.Roll
	// away are the hosts of which nothing was heard since their last roll; failed is when each host was found off.
	away   map[string]bool
	off    map[string]bool
	failed map[string][]time.Time
}

// home is where a VM was last seen alive.
type home struct {
	host, name string
	at, since  time.Time
}

// NewTracker returns a tracker that knows nothing yet.
func NewTracker() *Tracker {
	return &Tracker{homes: map[string]home{}, troubles: map[string]Trouble{}, known: map[string]cluster.VM{}, rolls: map[string]cluster.Roll{},
		away: map[string]bool{}, off: map[string]bool{}, failed: map[string][]time.Time{}}
}

// Remember takes the VMs' sizes, needs and numbers from a snapshot, for the day on which nobody can measure them. Of hosts that have not called
// their roll it takes where their VMs were as well: that is how a server that starts after a failure knows what ran there.
func (t *Tracker) Remember(s cluster.Snapshot) {
	for i := range s.VMs {
		v := &s.VMs[i]
		if v.MemoryBytes == 0 || v.Host == "" { // of a host that gives no data nothing but the name is known
			continue
		}
		t.known[v.ID] = *v
		if _, called := t.rolls[v.Host]; called || !v.State.Active() {
			continue
		}
		if _, seen := t.homes[v.ID]; !seen {
			t.homes[v.ID] = home{host: v.Host, name: v.Name, at: s.At, since: s.At}
		}
	}
}

// Incomplete are the hosts on which VMs failed of which no sizes are known.
func (t *Tracker) Incomplete() map[string]time.Time {
	hosts := map[string]time.Time{}
	for id, tr := range t.troubles {
		if tr.VM.MemoryBytes == 0 {
			hosts[tr.Host] = t.homes[id].at
		}
	}
	return hosts
}

// Complete gives the troubled VMs the numbers that have become known since.
func (t *Tracker) Complete() {
	for id, tr := range t.troubles {
		if v, known := t.known[id]; known && tr.VM.MemoryBytes == 0 {
			tr.VM = v
			t.troubles[id] = tr
		}
	}
}

// Unknown are the hosts that have not called their roll since the tracker began.
func (t *Tracker) Unknown(hosts []cluster.HostWatch) []string {
	var list []string
	for _, h := range hosts {
		if _, called := t.rolls[h.Host]; !called {
			list = append(list, h.Host)
		}
	}
	return list
}

// See takes what the hosts said last of their VMs, and what has become of the hosts.
func (t *Tracker) See(rolls []cluster.Roll, hosts []cluster.HostWatch, orders cluster.Orders, now time.Time) {
	for _, h := range hosts {
		if h.Libvirt != "yes" {
			t.away[h.Host] = true
		}
	}
	fresh := slices.DeleteFunc(slices.Clone(rolls), func(r cluster.Roll) bool { return !r.At.After(t.rolls[r.Host].At) })
	for _, r := range fresh { // first who runs, so that what moved is not missed
		t.runs(r)
	}
	for _, r := range fresh {
		t.stopped(r)
		t.rolls[r.Host] = r
		delete(t.away, r.Host)
		delete(t.off, r.Host)
	}
	for _, h := range hosts {
		if _, off := gate.Off(hosts, orders, h.Host, now); off && !t.off[h.Host] {
			t.off[h.Host] = true
			t.failed[h.Host] = append(t.failed[h.Host], now)
		}
	}
	for vm, at := range t.homes {
		if t.off[at.host] {
			t.trouble(vm, at.name, at.host, HostOff, now)
		}
	}
}

// runs notes the VMs that the host runs. One that waits there for its memory has not arrived.
func (t *Tracker) runs(r cluster.Roll) {
	for _, v := range r.VMs {
		if !v.State.Active() || arriving(v) {
			continue
		}
		at, known := t.homes[v.VM]
		if !known || at.host != r.Host || t.troubles[v.VM].VM.ID != "" {
			at = home{host: r.Host, since: r.At}
		}
		at.name, at.at = v.Name, r.At
		t.homes[v.VM] = at
		if v.State == cluster.VMPaused && v.Reason == "ioerror" {
			t.trouble(v.VM, v.Name, r.Host, Stalled, r.At)
		} else {
			delete(t.troubles, v.VM)
		}
	}
}

func arriving(v cluster.VMSeen) bool {
	return v.State == cluster.VMPaused && (v.Reason == "migrating" || v.Reason == "starting-up")
}

// stopped looks for VMs that the host ran and does not run any more.
func (t *Tracker) stopped(r cluster.Roll) {
	for _, v := range r.VMs {
		at, known := t.homes[v.VM]
		if v.State.Active() || !known || at.host != r.Host {
			continue
		}
		switch {
		case v.State == cluster.VMCrashed:
			t.trouble(v.VM, v.Name, r.Host, Panicked, r.At)
		case v.Reason == "crashed" || v.Reason == "failed":
			t.trouble(v.VM, v.Name, r.Host, Crashed, r.At)
		case v.Reason == "" || v.Reason == "daemon": // libvirt has forgotten why, because it was started anew
			t.trouble(v.VM, v.Name, r.Host, HostBack, r.At)
		case v.Reason == "migrated": // it is on its way to be seen elsewhere
		default: // a person's doing
			t.forget(v.VM)
		}
	}
	for vm, at := range t.homes {
		if at.host == r.Host && !slices.ContainsFunc(r.VMs, func(v cluster.VMSeen) bool { return v.VM == vm }) && t.gone(vm, r.At) {
			t.forget(vm)
		}
	}
}

// movingTime is how long a VM may be between two hosts.
const movingTime = time.Minute

// gone tells whether the VM is known to its host no longer and to no other: somebody took it away.
func (t *Tracker) gone(vm string, now time.Time) bool {
	_, down := t.troubles[vm]
	return !down && now.Sub(t.homes[vm].at) > movingTime
}

// Forget lets go of a VM: it need not run.
func (t *Tracker) forget(vm string) {
	delete(t.homes, vm)
	delete(t.troubles, vm)
}

func (t *Tracker) trouble(vm, name, host, cause string, now time.Time) {
	was, down := t.troubles[vm]
	if down && (was.Cause == cause || cause == HostBack) {
		return // it was down before the host came back
	}
	v, known := t.known[vm]
	if !known {
		v = cluster.VM{ID: vm}
	}
	v.Name = name
	one := Trouble{VM: v, Cause: cause, Host: host, Since: now}
	if down {
		one.Since = was.Since
	}
	t.troubles[vm] = one
}

// Troubles are the VMs that should run and do not, the longest first.
func (t *Tracker) Troubles() []Trouble {
	return slices.SortedFunc(maps.Values(t.troubles), func(a, b Trouble) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.VM.ID, b.VM.ID))
	})
}

// On are the VMs that were last seen alive on the host, sorted.
func (t *Tracker) On(host string) []string {
	var list []string
	for vm, at := range t.homes {
		if at.host == host {
			list = append(list, vm)
		}
	}
	slices.Sort(list)
	return list
}

// VM is a VM as it was seen last, and known tells that it was.
func (t *Tracker) VM(id string) (v cluster.VM, known bool) {
	v, known = t.known[id]
	if v.ID == "" {
		v.ID, v.Name = id, t.homes[id].name
	}
	return v, known
}

// Failures are the times at which the host was found off, oldest first.
func (t *Tracker) Failures(host string) []time.Time { return t.failed[host] }

// Since is from when on the VM has been running where it is, zero where it is not known to run.
func (t *Tracker) Since(vm string) time.Time {
	at, known := t.homes[vm]
	if _, down := t.troubles[vm]; !known || down {
		return time.Time{}
	}
	return at.since
}

// ID finds a VM by its UUID or name.
func (t *Tracker) ID(key string) (id string, ok bool) {
	if _, ok := t.homes[key]; ok {
		return key, true
	}
	for vm, at := range t.homes {
		if at.name == key {
			return vm, true
		}
	}
	return "", false
}

// Down brings a snapshot in line with what is known of the VMs that should run and do not: they run nowhere, and have the numbers that they had.
func (t *Tracker) Down(s cluster.Snapshot) cluster.Snapshot {
	if len(t.troubles) == 0 {
		return s
	}
	s.VMs, s.Gaps = slices.Clone(s.VMs), slices.Clone(s.Gaps)
	seen := map[string]bool{}
	for i := range s.VMs {
		v := &s.VMs[i]
		seen[v.ID] = true
		if tr, down := t.troubles[v.ID]; down && (v.Host == tr.Host || v.Host == "" || t.off[v.Host] || !v.State.Active()) {
			*v = absent(tr)
			s.Gaps = slices.DeleteFunc(s.Gaps, func(g cluster.Gap) bool { return g.Subject == cluster.VMSubject(tr.VM.ID) })
		}
	}
	for id, tr := range t.troubles {
		if !seen[id] {
			s.VMs = append(s.VMs, absent(tr))
		}
	}
	s.Sort()
	return s
}

func absent(tr Trouble) cluster.VM {
	v := tr.VM
	v.Host, v.MigratingTo, v.State, v.Movable, v.ImmovableReason = "", "", cluster.VMShutoff, true, ""
	if tr.Cause == Stalled { // which takes its room where it is
		v.Host, v.State = tr.Host, cluster.VMPaused
	}
	return v
}

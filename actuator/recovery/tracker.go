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
	// learned is of when that is, recalled of when it is where VMs ran on a host that has not called its roll.
	learned, recalled map[string]time.Time
	rolls             map[string]cluster.Roll
	// kept are the hosts of which it is known from before this server's start what ran there.
	kept map[string]bool
	// coming is where each VM waits for its memory.
	coming map[string]string
	// off is when the hosts that have not called their roll since were last found off; failed is when each host was first found so.
	off    map[string]time.Time
	failed map[string][]time.Time
}

// home is where a VM was last seen alive.
type home struct {
	host, name string
	at, since  time.Time
	// held tells that a person paused it, so that it is not started when that is lost; left that its host let go of it, and nobody has said yet
	// where it is.
	held, left bool
}

// there tells whether the VM is on its host and should run.
func (h home) there() bool { return !h.held && !h.left }

// NewTracker returns a tracker that knows nothing yet.
func NewTracker() *Tracker {
	return &Tracker{homes: map[string]home{}, troubles: map[string]Trouble{}, known: map[string]cluster.VM{}, learned: map[string]time.Time{}, recalled: map[string]time.Time{},
		rolls: map[string]cluster.Roll{}, coming: map[string]string{}, off: map[string]time.Time{}, failed: map[string][]time.Time{}, kept: map[string]bool{}}
}

// Remember takes the VMs' sizes, needs and numbers from a snapshot, for the day on which nobody can measure them. Of hosts that have not called
// their roll it takes where their VMs were as well: that is how a server that starts after a failure knows what ran there.
func (t *Tracker) Remember(s cluster.Snapshot) {
	gaps := map[string]bool{}
	for _, g := range s.Gaps {
		gaps[g.Subject] = true
	}
	news := map[string]bool{} // the hosts of which nothing newer is known
	for i := range s.Hosts {
		h := &s.Hosts[i]
		_, called := t.rolls[h.ID]
		if called || gaps[cluster.HostSubject(h.ID)] || h.State == cluster.HostUnknown || !s.At.After(t.recalled[h.ID]) {
			continue
		}
		news[h.ID], t.recalled[h.ID] = true, s.At
	}
	stopped := map[string]string{}
	for i := range s.VMs {
		if v := &s.VMs[i]; !v.State.Active() {
			stopped[v.ID] = v.Host
		}
	}
	for vm, at := range t.homes { // what was there in an older snapshot need not be there in this one
		_, down := t.troubles[vm]
		fell := t.kept[at.host] && stopped[vm] == at.host // with its host, while nobody looked, or not: that host's roll will tell
		if news[at.host] && !down && !fell {
			delete(t.homes, vm)
		}
	}
	for i := range s.VMs {
		v := &s.VMs[i]
		if v.MemoryBytes == 0 || v.Host == "" { // of a host that gives no data nothing but the name is known
			continue
		}
		if !s.At.Before(t.learned[v.ID]) {
			t.known[v.ID], t.learned[v.ID] = *v, s.At
		}
		if !news[v.Host] || !v.State.Active() {
			continue
		}
		if at, seen := t.homes[v.ID]; !seen || t.recalled[at.host].Before(s.At) && t.rolls[at.host].At.IsZero() {
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
	t.Complete()
	fresh := map[string]cluster.Roll{}
	for _, r := range rolls {
		if r.At.After(t.rolls[r.Host].At) {
			fresh[r.Host] = r
		}
	}
	for vm, host := range t.coming {
		if r, called := fresh[host]; called && !arriving(r.Of(vm)) {
			delete(t.coming, vm)
		}
	}
	for _, r := range rolls { // first who runs, so that what moved is not missed
		if _, new := fresh[r.Host]; new {
			t.runs(r)
		}
	}
	for _, r := range rolls {
		if _, new := fresh[r.Host]; new {
			t.stopped(r)
			t.rolls[r.Host] = r
			delete(t.off, r.Host)
		}
	}
	for vm, at := range t.homes {
		if r, called := fresh[at.host]; called && at.at.Before(r.At) && r.Of(vm).Name == "" {
			t.missing(vm, r)
		}
	}
	for _, h := range hosts {
		if _, off := gate.Off(hosts, orders, h.Host, now); off {
			if t.off[h.Host].IsZero() {
				t.failed[h.Host] = append(t.failed[h.Host], now)
			}
			t.off[h.Host] = now
		}
	}
	if len(t.off) == 0 {
		return
	}
	for vm, at := range t.homes {
		if !t.off[at.host].IsZero() && at.there() {
			t.trouble(vm, at.name, at.host, HostOff, now)
		}
	}
}

// runs notes the VMs that the host runs. One that waits there for its memory has not arrived.
func (t *Tracker) runs(r cluster.Roll) {
	for _, v := range r.VMs {
		if arriving(v) && v.Reason == "migrating" {
			t.coming[v.VM] = r.Host
		}
		if !v.State.Active() || arriving(v) {
			continue
		}
		at, known := t.homes[v.VM]
		if !known || at.host != r.Host || t.troubles[v.VM].VM.ID != "" {
			at = home{host: r.Host, since: r.At}
		}
		at.name, at.at, at.left, at.held = v.Name, r.At, false, v.State == cluster.VMPaused && v.Reason == "user"
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
		if before := t.rolls[r.Host]; at.left && !v.State.Active() && !before.At.IsZero() && before.Of(v.VM).Name == "" {
			at.host, at.left = r.Host, false // it went there, and stopped before anybody saw it
			t.homes[v.VM] = at
		}
		if v.State.Active() || !known || at.host != r.Host {
			continue
		}
		switch {
		case v.Reason == "migrated":
			t.went(v.VM)
		case at.held: // it does not run on, but a person did not want it to
			t.forget(v.VM)
		case v.State == cluster.VMCrashed:
			t.trouble(v.VM, v.Name, r.Host, Panicked, r.At)
		case v.Reason == "crashed" || v.Reason == "failed":
			t.trouble(v.VM, v.Name, r.Host, Crashed, r.At)
		case (v.Reason == "" || v.Reason == "daemon") && at.left: // it had gone before its host forgot that
		case v.Reason == "" || v.Reason == "daemon": // libvirt has forgotten why, because it was started anew
			t.trouble(v.VM, v.Name, r.Host, HostBack, r.At)
		default: // a person's doing
			t.forget(v.VM)
		}
	}
}

// went notes that the VM has left its host: for where it was seen to wait for its memory, or nobody knows where to.
func (t *Tracker) went(vm string) {
	at := t.homes[vm]
	if to := t.coming[vm]; to != "" && to != at.host {
		at.host, at.since, at.left = to, at.at, false
	} else {
		at.left = true
	}
	t.homes[vm] = at
}

// movingTime is how long a VM may be between two hosts.
const movingTime = time.Minute

// missing is for a VM that its host knows no longer: it moved, or somebody took it away. One that fell with its host may be started elsewhere
// although the host has come back without it.
func (t *Tracker) missing(vm string, r cluster.Roll) {
	at, tr := t.homes[vm], t.troubles[vm]
	switch {
	case tr.Cause == HostOff:
	case tr.Cause == "" && t.coming[vm] != "" && t.coming[vm] != r.Host:
		t.went(vm)
	case r.At.Sub(at.at) > movingTime:
		t.forget(vm)
	case tr.Cause == "":
		t.went(vm)
	}
}

// forget lets go of a VM: it need not run.
func (t *Tracker) forget(vm string) {
	delete(t.homes, vm)
	delete(t.troubles, vm)
}

func (t *Tracker) trouble(vm, name, host, cause string, now time.Time) {
	was, down := t.troubles[vm]
	if down && (was.Cause == cause && was.Host == host || cause == HostBack && was.Cause != Stalled) {
		return // it was down before the host came back, where it was not only paused
	}
	v := t.VM(vm)
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

// On are the VMs that were last seen alive on the host and that should run, sorted.
func (t *Tracker) On(host string) []string {
	var list []string
	for vm, at := range t.homes {
		if at.host == host && at.there() {
			list = append(list, vm)
		}
	}
	slices.Sort(list)
	return list
}

// VM is a VM as it was seen last with all its numbers, or its name alone.
func (t *Tracker) VM(id string) cluster.VM {
	if v, known := t.known[id]; known {
		return v
	}
	return cluster.VM{ID: id, Name: t.homes[id].name}
}

// OffAt is when the host was last found off, if it has not called its roll since.
func (t *Tracker) OffAt(host string) time.Time { return t.off[host] }

// CalledAt is when the host called its roll last.
func (t *Tracker) CalledAt(host string) time.Time { return t.rolls[host].At }

// Failures are the times at which the host was found off, oldest first.
func (t *Tracker) Failures(host string) []time.Time { return t.failed[host] }

// Since is from when on the VM has been running where it is, zero where it is not known to run.
func (t *Tracker) Since(vm string) time.Time {
	at, known := t.homes[vm]
	if _, down := t.troubles[vm]; !known || down || at.left {
		return time.Time{}
	}
	return at.since
}

// runsOn is where the VM runs, "" where it is not known to run or a person paused it.
func (t *Tracker) runsOn(vm string) string {
	at := t.homes[vm]
	if t.Since(vm).IsZero() || at.held {
		return ""
	}
	return at.host
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
		if tr, down := t.troubles[v.ID]; down && (v.Host == tr.Host || v.Host == "" || !t.off[v.Host].IsZero() || !v.State.Active()) {
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

package recovery

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// View is all that a decision may know.
type View struct {
	Now time.Time
	// Snapshot is the cluster now, with what was done and what is under way, and with the troubled VMs as the tracker has them.
	Snapshot cluster.Snapshot
	Hosts    []cluster.HostWatch
	Rolls    []cluster.Roll
	Orders   cluster.Orders
	Tries    []Try
	// Fenceable are the hosts that have a way to be turned off.
	Fenceable map[string]bool
	// Guests are the signs of guests by VM: of those whose agents do not answer and, where the agents of started VMs are waited for, of these.
	// It is nil when nobody can tell.
	Guests map[string]cluster.GuestSigns
	// GuestsAt is when the signs were asked for, Asked the VMs that they were asked of, silent or not.
	GuestsAt time.Time
	Asked    []string
	// Kept tells whether a definition of a VM is kept.
	Kept func(vm string) bool
}

// Decision is what should be done now, and what not yet or not at all.
type Decision struct {
	Recommendations []cluster.Recommendation
	Waiting         []Waiting
}

// decision is one in the making.
type decision struct {
	View
	policy Policy
	track  *Tracker
	out    Decision
}

// Decide says what to do about the failures that the tracker has seen.
func Decide(t *Tracker, v View, p Policy) Decision {
	d := &decision{View: v, policy: p, track: t}
	for _, h := range v.Hosts {
		d.fence(h)
	}
	d.restart()
	d.guests()
	d.cleanUp()
	return d.out
}

func (d *decision) waits(subject, name, cause, reason string, since time.Time, stuck bool) {
	d.out.Waiting = append(d.out.Waiting, Waiting{Subject: subject, Name: name, Cause: cause, Reason: reason, Since: since, Stuck: stuck})
}

func (d *decision) advise(a cluster.Action, policy string, priority int, reason string, because cluster.Finding) {
	d.out.Recommendations = append(d.out.Recommendations, cluster.Recommendation{Cluster: d.Snapshot.Cluster, Policy: policy, Priority: priority, Reason: reason, Because: []cluster.Finding{because}, Action: a,
		Made: d.Now, Expires: d.Now.Add(d.policy.Plan.Lifetime)}.Identified())
}

// fence looks whether a host should be turned off: one of which nothing is heard although nothing proves that it is off, and on which VMs were.
func (d *decision) fence(h cluster.HostWatch) {
	switch h.Verdict {
	case "isolated", "blind", "hung", "unproven":
	default:
		return
	}
	vms := d.on(h.Host)
	if len(vms) == 0 {
		return
	}
	_, off := gate.Off(d.Hosts, d.Orders, h.Host, d.Now)
	wasOff := d.track.OffAt(h.Host)
	subject := cluster.HostSubject(h.Host)
	wait := func(stuck bool, format string, args ...any) {
		d.waits(subject, h.Host, h.Verdict, fmt.Sprintf(format, args...), h.Since, stuck)
	}
	a := cluster.Action{Kind: cluster.Fence, From: h.Host}
	failed, last, pending := d.tried(a, h.HeardAt)
	switch {
	case off:
	case h.Verdict == "isolated":
		wait(true, "%d VMs run there, cut off from here; mend its network. They are not started elsewhere while they live", len(vms))
	case h.Verdict == "blind":
		wait(true, "%s", h.Reason)
	case d.disarmed(h.Host) != "":
		wait(true, "%s", d.disarmed(h.Host))
	case d.justDone(a, h.HeardAt) != nil:
		wait(false, "it was turned off, and that is to be seen once more")
	case !wasOff.IsZero() && d.Now.Sub(wasOff) < booting:
		wait(false, "it was off until %s ago, and may be booting; it is turned off when it has not come up after %s", d.Now.Sub(wasOff).Round(time.Second), booting)
	case !d.Fenceable[h.Host]:
		wait(true, "nothing can turn it off (no fence under hosts). Turn it off by hand, be certain that it is, and say so: evenkeel fence confirm %s", h.Host)
	case failed >= d.policy.Tries:
		wait(true, "turning it off failed %d times (%s). Turn it off by hand, be certain that it is, and say so: evenkeel fence confirm %s", failed, last.Reason, h.Host)
	case d.Now.Sub(h.Since) < d.policy.FenceAfter:
		wait(false, "it is turned off when it has been %s for %s", h.Verdict, d.policy.FenceAfter)
	case !pending && failed > 0 && d.Now.Before(last.At.Add(d.backOff(failed))):
		wait(false, "turning it off failed (%s); it is tried again after %s", last.Reason, d.backOff(failed))
	default:
		reason := fmt.Sprintf("%s is %s (%s); %d VMs were there, and they can start elsewhere only when it is certain that it is off", h.Host, h.Verdict, h.Reason, len(vms))
		d.advise(a, cluster.Fence.Policy(), 2, reason, hostFinding(h, d.Now))
	}
}

// booting is how long a host that was off may take to come up.
const booting = 10 * time.Minute

// on are the protected VMs that may be on the host: those last seen there, and those started there of which it has not told since.
func (d *decision) on(host string) []string {
	vms := d.track.On(host)
	for _, t := range d.Tries {
		if t.Action.Kind == cluster.Start && t.Action.To == host && t.Result != cluster.ResultFailed && !t.At.Before(d.track.CalledAt(host)) && t.At.After(d.track.OffAt(host)) && !slices.Contains(vms, t.Action.VM) {
			vms = append(vms, t.Action.VM)
		}
	}
	return slices.DeleteFunc(vms, func(id string) bool { return !d.protects(id) })
}

func hostFinding(h cluster.HostWatch, now time.Time) cluster.Finding {
	return cluster.Finding{Detector: "host_" + h.Verdict, Subject: cluster.HostSubject(h.Host), Reason: h.Reason,
		Evidence: []cluster.Evidence{{Name: "silent", Value: now.Sub(h.HeardAt).Seconds(), Unit: "seconds", Query: fmt.Sprintf(`evenkeel_host_silent_seconds{host=%q}`, h.Host)}}}
}

// disarmed says who has disarmed the host, or "".
func (d *decision) disarmed(host string) string {
	for _, o := range d.Orders.InForce(d.Now) {
		if o.Kind == cluster.OrderDisarm && (o.Subject == "cluster" || o.Subject == cluster.HostSubject(host)) {
			return fmt.Sprintf("%s disarmed %s: nothing is done about failures until it is armed again (evenkeel arm)", o.Word.Who, o.Subject)
		}
	}
	return ""
}

func (d *decision) protects(vm string) bool {
	v := d.track.VM(vm)
	return d.policy.Protects(&v)
}

// tried counts how often the same failed since then, and returns the last try; what was refused was not tried.
func (d *decision) tried(a cluster.Action, since time.Time) (failed int, last Try, pending bool) {
	for _, t := range d.Tries {
		if !t.Action.Alike(a) || t.At.Before(since) {
			continue
		}
		pending = pending || t.Pending
		if !t.Pending && t.Result == cluster.ResultFailed {
			failed++
			if t.At.After(last.At) {
				last = t
			}
		}
	}
	return failed, last, pending
}

// unseen is for how long something may have been done without having been seen from outside.
const unseen = 10 * time.Second

// justDone returns the same that was done since then and so short a while ago that it need not have been seen yet, or nil.
func (d *decision) justDone(a cluster.Action, since time.Time) *Try {
	for i, t := range d.Tries {
		if t.Action.Alike(a) && !t.Pending && t.Result == cluster.ResultDone && !t.At.Before(since) && d.Now.Sub(t.At) < unseen {
			return &d.Tries[i]
		}
	}
	return nil
}

// unknown tells whether nobody knows what came of starting the VM.
func (d *decision) unknown(t Trouble) bool {
	return slices.ContainsFunc(d.Tries, func(try Try) bool {
		return try.Action.Kind == cluster.Start && try.Action.VM == t.VM.ID && !try.At.Before(t.Since) && !try.Pending && try.Result == cluster.ResultUnknown
	})
}

func (d *decision) backOff(failed int) time.Duration {
	return d.policy.BackOff << min(max(failed-1, 0), 6)
}

// restart brings the troubled VMs back: those of the highest priority first, those that others depend on before these.
func (d *decision) restart() {
	var now []Trouble
	down := map[string]bool{}
	for _, t := range d.track.Troubles() {
		if !d.protects(t.VM.ID) {
			continue
		}
		down[t.VM.ID] = true
		if d.possible(t) {
			now = append(now, t)
		}
	}
	by := map[string]Trouble{}
	for _, t := range now {
		switch on := d.unready(t, down); {
		case on != "":
			d.waits(cluster.VMSubject(t.VM.ID), t.VM.Name, t.Cause, "it waits for "+on, t.Since, false)
		case t.Cause == Stalled:
			d.resume(t)
		default:
			by[t.VM.ID] = t
		}
	}
	d.place(by)
}

// possible tells whether a VM could be started now; of the others it says why not.
func (d *decision) possible(t Trouble) bool {
	subject := cluster.VMSubject(t.VM.ID)
	wait := func(stuck bool, format string, args ...any) bool {
		d.waits(subject, t.VM.Name, t.Cause, fmt.Sprintf(format, args...), t.Since, stuck)
		return false
	}
	failed, last, pending := d.tried(cluster.Action{Kind: cluster.Start, VM: t.VM.ID}, t.Since)
	switch {
	case d.disarmed(t.Host) != "":
		return wait(true, "%s", d.disarmed(t.Host))
	case t.Cause == Stalled: // resuming it harms nothing, however often
		return true
	case pending:
		return true
	case t.VM.MemoryBytes == 0: // its priority may be that it is not started at all
		return wait(false, "nothing is known yet of its size and its priority; Prometheus is asked for them")
	case d.justDone(cluster.Action{Kind: cluster.Start, VM: t.VM.ID}, t.Since) != nil:
		return wait(false, "it was started, and its host has not called its roll since")
	case d.unknown(t):
		return wait(true, "nobody knows what came of starting it; it is looked at again until that is clear")
	case t.Cause == HostOff && !d.Kept(t.VM.ID) && !d.hostAnswers(t.Host):
		return wait(true, "its host is off and no definition of it is kept: it was not persistent, or was never seen while this server ran")
	case !d.Kept(t.VM.ID) && d.hostAnswers(t.Host) && !d.defines(t.Host, t.VM.ID): // it would take room on paper that others could have
		return wait(true, "%s knows it no longer and no definition of it is kept: define it there by hand", t.Host)
	case failed >= d.policy.Tries && !d.hostBack(last.At):
		return wait(true, "starting it failed %d times, last on %s: %s. Start it by hand: evenkeel vm start %s", failed, last.Action.To, last.Reason, t.VM.Name)
	case failed > 0 && d.Now.Before(last.At.Add(d.backOff(failed))):
		return wait(false, "starting it on %s failed (%s); it is tried again after %s", last.Action.To, last.Reason, d.backOff(failed))
	}
	return true
}

// defines tells whether the host has the VM, by what it said last.
func (d *decision) defines(host, vm string) bool {
	return slices.ContainsFunc(d.Rolls, func(r cluster.Roll) bool { return r.Host == host && r.Of(vm).Name != "" })
}

// hostBack tells whether a host has come back since then: what failed on the others may go well there.
func (d *decision) hostBack(since time.Time) bool {
	return slices.ContainsFunc(d.Hosts, func(h cluster.HostWatch) bool { return h.Verdict == "alive" && h.Since.After(since) })
}

// patience is for how long VMs hold up those of a lower priority although none of them begins to start: a gate may keep them for longer than that.
const patience = time.Minute

// first is the lowest rank that may start now: that of the highest VMs for which there is a host and which get on, or of those that are getting ready.
func (d *decision) first(ready map[string]Trouble) int {
	moved := map[int]time.Time{} // when the VMs of a rank that wait got on last
	for _, t := range ready {
		if rank := d.policy.rank(&t.VM); t.Since.After(moved[rank]) {
			moved[rank] = t.Since
		}
	}
	first := -1
	for _, try := range d.Tries {
		if try.Action.Kind != cluster.Start {
			continue
		}
		v := d.track.VM(try.Action.VM)
		rank := d.policy.rank(&v)
		if try.Pending || try.Result == cluster.ResultDone && !d.ready(try.Action.VM, try.At) {
			first = max(first, rank) // one that starts is not ready
		}
		if at, waits := moved[rank]; waits && try.At.After(at) {
			moved[rank] = try.At
		}
	}
	for rank, at := range moved {
		if d.Now.Sub(at) < patience {
			first = max(first, rank)
		}
	}
	return first
}

// unready names a VM that must be ready before this one and is not, or returns "".
func (d *decision) unready(t Trouble, down map[string]bool) string {
	for _, key := range append(slices.Clone(d.policy.Dependencies[t.VM.ID]), d.policy.Dependencies[t.VM.Name]...) {
		id, known := d.track.ID(key)
		switch since := d.track.Since(id); {
		case known && (down[id] || !since.IsZero() && !d.ready(id, since)):
			return key
		}
	}
	return ""
}

// want is where the VM should start: where it was, when its process alone failed, and then elsewhere.
func (d *decision) want(t Trouble) plan.Want {
	w := plan.Want{VM: t.VM.ID}
	for _, try := range d.Tries {
		if try.Action.Kind == cluster.Start && try.Action.VM == t.VM.ID && !try.At.Before(t.Since) && !try.Pending && try.Result == cluster.ResultFailed {
			w.Avoid = append(w.Avoid, try.Action.To)
		}
	}
	if t.Cause != HostOff && !slices.Contains(w.Avoid, t.Host) {
		w.Prefer = t.Host
	}
	// What is left of a guest that panicked still has its disks open; it goes when the VM starts where it is.
	if !d.Kept(t.VM.ID) || bound(t.VM) || t.Cause == Panicked {
		w.Only = t.Host
	}
	return w
}

// bound tells whether the VM has something of its host without which it cannot start: more than what only keeps it from moving while it runs.
func bound(v cluster.VM) bool {
	if v.LocalDisk != "" {
		return true
	}
	if v.Movable || v.ImmovableReason == "" {
		return false
	}
	for why := range strings.SplitSeq(v.ImmovableReason, "; ") {
		if !slices.ContainsFunc([]string{"it is a paravirtual guest", "its memory is encrypted", "its CPU ", "a disk of it is being copied", "a job is under way", "its process on the host does not answer", "its definition has not been read"},
			func(passing string) bool { return strings.HasPrefix(why, passing) }) {
			return true
		}
	}
	return false
}

// place finds hosts for the VMs, and turns the steps into advice. Those for which there is none hold up nobody.
func (d *decision) place(by map[string]Trouble) {
	if len(by) == 0 {
		return
	}
	s := d.Snapshot
	s.Hosts = slices.Clone(s.Hosts)
	for i := range s.Hosts {
		switch id := s.Hosts[i].ID; {
		case d.quarantined(id):
			s.Hosts[i].State = cluster.HostMaintenance
		case !d.hostAnswers(id): // which Prometheus may not have noticed yet
			s.Hosts[i].State = cluster.HostDown
		}
	}
	s.VMs = slices.Clone(s.VMs)
	var wants []plan.Want
	for i := range s.VMs { // a placement counts what is to run, and these are to
		t, want := by[s.VMs[i].ID]
		if !want || s.VMs[i].State.Active() { // it is starting
			continue
		}
		s.VMs[i].State = cluster.VMRunning
		wants = append(wants, d.want(t))
	}
	slices.SortStableFunc(wants, func(a, b plan.Want) int {
		x, y := by[a.VM].VM, by[b.VM].VM
		return cmp.Or(cmp.Compare(d.policy.rank(&y), d.policy.rank(&x)), cmp.Compare(y.MemoryBytes, x.MemoryBytes), cmp.Compare(a.VM, b.VM))
	})
	steps, refused := plan.Restarts(s, d.policy.Plan, wants)
	ready := map[string]Trouble{}
	for _, step := range steps {
		ready[step.VM] = by[step.VM]
	}
	first := d.first(ready)
	steps = slices.DeleteFunc(steps, func(step plan.Step) bool {
		t := by[step.VM]
		if d.policy.rank(&t.VM) >= first {
			return false
		}
		d.waits(cluster.VMSubject(step.VM), t.VM.Name, t.Cause, fmt.Sprintf("its restart priority is %s; those above it come first", d.policy.priorityOf(&t.VM)), t.Since, false)
		return true
	})
	made := plan.Plan{Cluster: s.Cluster, At: d.Now, Actions: steps}
	recs := made.Recommendations(s, nil, d.policy.Plan)
	for i := range recs {
		t := by[recs[i].Action.VM]
		recs[i].Because = []cluster.Finding{d.finding(t), {Detector: "ran_on", Subject: cluster.HostSubject(t.Host), Reason: "it is where the VM ran"}}
		recs[i].Reason = fmt.Sprintf("%s: %s", d.finding(t).Reason, recs[i].Reason)
		d.out.Recommendations = append(d.out.Recommendations, recs[i].Identified())
	}
	for _, r := range refused {
		id := strings.TrimPrefix(r.Subject, cluster.VMSubject(""))
		d.waits(r.Subject, by[id].VM.Name, by[id].Cause, r.Reason+". It is tried again when there is room", by[id].Since, true)
	}
}

func (d *decision) finding(t Trouble) cluster.Finding {
	reason := fmt.Sprintf(map[string]string{
		Crashed: "its process on %s ended by itself", Panicked: "its guest on %s panicked", Stalled: "its storage failed on %s, and the hypervisor paused it",
		HostBack: "%s was away and came back without it", HostOff: "it ran on %s, which is off",
	}[t.Cause], t.Host)
	if t.Cause == HostOff {
		by, _ := gate.Off(d.Hosts, d.Orders, t.Host, d.Now)
		reason += ": " + cmp.Or(by, "it was found off before")
	}
	return cluster.Finding{Detector: "vm_" + strings.ReplaceAll(t.Cause, "-", "_"), Subject: cluster.VMSubject(t.VM.ID), Reason: reason,
		Evidence: []cluster.Evidence{{Name: "down", Value: d.Now.Sub(t.Since).Seconds(), Unit: "seconds", Query: fmt.Sprintf(`evenkeel_vm_down_seconds{vm=%q}`, t.VM.ID)}}}
}

// quarantined tells whether the host failed so often of late that nothing is started on it.
func (d *decision) quarantined(host string) bool {
	n := 0
	for _, at := range d.track.Failures(host) {
		if d.Now.Sub(at) < d.policy.QuarantineWindow {
			n++
		}
	}
	return d.policy.QuarantineFailures > 0 && n >= d.policy.QuarantineFailures
}

// maxResumes is how many times a VM is resumed within the longest pause, for the pauses to reach that.
const maxResumes = 7

// resume lets a VM run again that was paused because its storage failed: where that has not come back, it is paused again.
func (d *decision) resume(t Trouble) {
	a := cluster.Action{Kind: cluster.Resume, VM: t.VM.ID, Name: t.VM.Name, From: t.Host}
	n := 0
	var last time.Time
	for _, try := range d.Tries {
		// Since when it stands does not tell: it may run for a moment each time.
		if try.Action.Alike(a) && !try.Pending && d.Now.Sub(try.At) < d.backOff(maxResumes) {
			n++
			last = try.At
		}
	}
	if until := last.Add(d.backOff(n)); n > 0 && d.Now.Before(until) {
		d.waits(cluster.VMSubject(t.VM.ID), t.VM.Name, t.Cause, fmt.Sprintf("it was resumed %d times and its storage is not back; it is tried again after %s", n, d.backOff(n)), t.Since, n > d.policy.Tries)
		return
	}
	d.advise(a, cluster.Restart, 1, d.finding(t).Reason+"; it goes on when the storage is back", d.finding(t))
}

// cleanUp takes the definitions of VMs that were started elsewhere away from the hosts that they were on, when these are back.
func (d *decision) cleanUp() {
	started := map[string]Try{}
	for _, t := range d.Tries {
		if t.Action.Kind == cluster.Start && !t.Pending && t.Result == cluster.ResultDone && t.At.After(started[t.Action.VM].At) {
			started[t.Action.VM] = t
		}
	}
	for _, vm := range slices.Sorted(maps.Keys(started)) {
		t := started[vm]
		if d.track.Since(vm).IsZero() {
			continue // it does not run now
		}
		for _, r := range d.Rolls {
			left := r.Of(vm)
			if r.Host == t.Action.To || r.Host != t.From || left.Name == "" || left.State.Active() || left.State == cluster.VMCrashed || !r.At.After(t.At) || !d.hostAnswers(r.Host) {
				continue
			}
			a := cluster.Action{Kind: cluster.Forget, VM: vm, Name: left.Name, From: r.Host}
			if failed, last, _ := d.tried(a, t.At); failed > 0 && d.Now.Before(last.At.Add(d.backOff(failed))) {
				continue
			}
			f := cluster.Finding{Detector: "stale_definition", Subject: cluster.VMSubject(vm), Reason: fmt.Sprintf("it was started on %s after %s had failed, which still knows it and could start it a second time", t.Action.To, r.Host)}
			d.advise(a, cluster.Restart, 1, f.Reason, f)
		}
	}
}

func (d *decision) hostAnswers(host string) bool {
	return slices.ContainsFunc(d.Hosts, func(h cluster.HostWatch) bool { return h.Host == host && h.Libvirt == "yes" })
}

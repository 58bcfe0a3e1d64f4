package libvirt

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/virt"
	"libvirt.org/go/libvirt"
)

// found is one domain in a reading.
type found struct {
	vm stat.VM
	// id is the domain's ID on its host, 0 while it is not active.
	id uint
	// arriving tells that the domain may be the incoming side of a migration, left that it is what a
	// migration left behind.
	arriving, left bool
	// control tells that it is the hypervisor's own domain.
	control bool
	// asked is when the call began that told of the domain; old tells that none did now.
	asked time.Time
	old   bool
}

// hangingSome and hangingMany are how many hanging calls show that asking everybody, and asking anybody,
// only makes more of them.
const hangingSome, hangingMany = 3, 6

// readDomains reads all domains: by one call where the driver has it, else by calls for each.
func (r *Reader) readDomains(ctx context.Context) ([]found, error) {
	r.mu.Lock()
	single := r.single
	r.mu.Unlock()
	if !single {
		all, err := r.readBulk(ctx)
		if !unsupported(err) {
			return all, err
		}
		r.mu.Lock()
		r.single = true
		r.mu.Unlock()
	}
	return r.readEach(ctx)
}

// readBulk reads all domains by one call. libvirt sets itself no limit there: a VM's process that is
// stopped would hold up everybody, and so does a domain that libvirt keeps locked, because it is being
// started or ended. So narrower calls are made beside one that takes longer than usual, and what is
// complete first is taken.
func (r *Reader) readBulk(ctx context.Context) ([]found, error) {
	// Opening a connection is no domain's fault.
	if err := open(ctx, r.fast); err != nil {
		return nil, err
	}
	start, groups, names := time.Now(), r.groups(), r.lastKnown()
	hanging := r.hangs.Count()
	narrower := []width{present}
	if len(names) > 0 && hanging < hangingMany {
		narrower = append(narrower, free)
	}
	a := collect(ctx, r.limits(ctx), hanging < hangingSome, narrower, func(ctx context.Context, w width, part func(answer)) answer {
		switch w {
		case free:
			return r.byName(ctx, names, groups, part)
		case present:
			all, err := r.bulk(ctx, r.narrower[w], nil, groups&^askingGroups, false)
			return answer{of: w, found: all, err: err}
		}
		all, err := r.bulk(ctx, r.fast, nil, groups, true)
		return answer{of: w, found: all, err: err, gaps: len(passedOver(all, r.answered())) > 0}
	})
	r.reopen(a)
	all, err := r.join(a, names)
	if err != nil {
		return nil, err
	}
	return r.askAgain(ctx, all, groups, time.Since(start)), nil
}

// namedAtOnce is how many VMs are asked by name in one call: so many have to wait for one that is locked
// after all, and so much goes on when nobody waits for the others any more.
const namedAtOnce = 5

// byName asks VMs by name, some at a time, and tells of those that have answered.
func (r *Reader) byName(ctx context.Context, names []string, groups libvirt.DomainStatsTypes, part func(answer)) answer {
	a := answer{of: free}
	start := time.Now()
	for some := range slices.Chunk(names, namedAtOnce) {
		got, err := r.bulk(ctx, r.narrower[free], some, groups, false)
		if err != nil {
			a.more, a.err = false, err
			return a
		}
		// What was told is read elsewhere.
		a.found, a.asked = slices.Concat(a.found, got), slices.Concat(a.asked, some)
		a.more, a.gaps = len(a.asked) < len(names), a.gaps || len(passedOver(got, r.answered())) > 0
		if a.more {
			part(a)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pace.took(time.Since(start))
	return a
}

// reopen gives the connections up on which calls were left. The next reading finds other ones open.
func (r *Reader) reopen(a answers) {
	for w, c := range map[width]*virt.Conn{everything: r.fast, free: r.narrower[free], present: r.narrower[present]} {
		if !a.pending(w) {
			continue
		}
		c.Renew()
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patienceMost)
			defer cancel()
			_ = open(ctx, c) // the next reading will say
		}()
	}
}

func open(ctx context.Context, c *virt.Conn) error {
	return c.Call(ctx, "open the connection", func(*libvirt.Connect) error { return nil })
}

// join makes one reading of what came back. The fuller of two answers counts. Where no call told of all
// VMs, those that were not asked are told as they were last: something locks them now.
func (r *Reader) join(a answers, names []string) ([]found, error) {
	answered := r.answered()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !a.ok(everything) {
		r.heldUp++
	}
	var all []found
	switch {
	case a.ok(everything):
		all = a.got[everything].found
	case a.ok(present):
		all = a.got[present].found
	case a.ok(free):
		return unasked(slices.Concat(a.got[free].found, r.others(a.got[free].asked)), answered), nil
	default:
		return nil, a.err()
	}
	if a.ok(free) {
		all = merge(all, a.got[free].found)
	}
	if !a.ok(everything) {
		r.fillCPU(all, names)
	}
	return unasked(all, answered), nil
}

// fillCPU tells the CPU time of the few VMs that were not to be asked as it was last: that takes an answer
// from their processes as well.
func (r *Reader) fillCPU(all []found, names []string) {
	for i := range all {
		f := &all[i]
		m := r.memory[f.vm.UUID]
		if m == nil || !m.home || m.id != f.id || !f.vm.State.Active() || f.vm.CPUSeconds.Known || slices.Contains(names, f.vm.UUID) {
			continue
		}
		f.vm.CPUSeconds, f.vm.UserSeconds, f.vm.SystemSeconds = m.now.CPUSeconds, m.now.UserSeconds, m.now.SystemSeconds
	}
}

// askAgain asks VMs once more that were passed over and had answered before: something, and be it our own
// background, kept them busy for a moment.
func (r *Reader) askAgain(ctx context.Context, all []found, groups libvirt.DomainStatsTypes, spent time.Duration) []found {
	again := passedOver(all, r.answered())
	if len(again) == 0 || r.hangs.Count() >= hangingMany {
		return all
	}
	r.mu.Lock()
	limit := r.pace.again(spent)
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got, err := r.bulk(ctx, r.fast, again, groups, false)
	if err != nil {
		return all
	}
	return merge(all, got)
}

// passedOver are the VMs that did not answer now and did when they were asked last.
func passedOver(all []found, answered map[string]*bool) []string {
	var uuids []string
	for _, f := range all {
		was := answered[f.vm.UUID]
		if f.vm.Answers != nil && !*f.vm.Answers && !f.old && was != nil && *was {
			uuids = append(uuids, f.vm.UUID)
		}
	}
	return uuids
}

// merge takes of each domain the fuller reading: one that was passed over in the second one and answered
// in the first is told as in the first.
func merge(bare, full []found) []found {
	told := map[string]found{}
	for _, f := range full {
		told[f.vm.UUID] = f
	}
	for i, b := range bare {
		f, ok := told[b.vm.UUID]
		if answers := b.vm.Answers != nil && *b.vm.Answers; ok && !(answers && f.vm.Answers != nil && !*f.vm.Answers) {
			bare[i] = f
		}
	}
	return bare
}

// unasked tells of VMs that were not asked for an answer whether they gave one last.
func unasked(all []found, answered map[string]*bool) []found {
	for i := range all {
		if f := &all[i]; f.vm.Answers == nil && f.vm.State.Active() {
			f.vm.Answers = answered[f.vm.UUID]
		}
	}
	return all
}

// answered tells which VMs answered when they were asked last.
func (r *Reader) answered() map[string]*bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := map[string]*bool{}
	for uuid, m := range r.memory {
		known[uuid] = m.now.Answers
	}
	return known
}

// lastKnown are the VMs of the last reading that ran and that nothing should lock or hold up now.
func (r *Reader) lastKnown() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var uuids []string
	for uuid, m := range r.memory {
		// libvirt locks a VM while its process is started and ended, which a migration does at either side.
		busy := m.job != nil || time.Since(m.stirredAt) < stirsFor
		// What did not answer is asked again when the calls that hang there have come back.
		stuck := m.now.Answers != nil && !*m.now.Answers
		if r.here(m) && m.now.State.Active() && !busy && !stuck {
			uuids = append(uuids, uuid)
		}
	}
	return uuids
}

// here tells whether the last reading had the VM.
func (r *Reader) here(m *memory) bool { return m.home && m.seen.Equal(r.lastSeen) }

const (
	// stirsFor is how long after an event of its life a VM may be locked, if no look at its job says more.
	stirsFor = jobEvery
	// toldFor is how long a VM that runs is told as it was last.
	toldFor = time.Minute
)

// others tells of the VMs of the last reading as they were told last, but for those that were asked now. One
// of which an event tells that it has left is not there any more, and where no events are heard nobody
// knows.
func (r *Reader) others(asked []string) []found {
	now := time.Now()
	var all []found
	for uuid, m := range r.memory {
		switch {
		case !r.here(m) || slices.Contains(asked, uuid) || m.goneAt.After(m.askedAt):
		case !m.now.State.Active():
			all = append(all, found{vm: m.now, id: m.id, old: true})
		case r.hearing.IsZero() || r.hearing.After(m.askedAt) || now.Sub(m.askedAt) > toldFor:
		default:
			f := found{vm: m.now, id: m.id, old: true}
			if m.handedAt.After(m.askedAt) {
				f.state(libvirt.DOMAIN_PAUSED, m.handedFor)
			}
			// It was not asked, and what only it can tell is for it to tell.
			no := false
			f.vm.Answers, f.vm.Memory, f.vm.PerVCPU, f.vm.Blocks = &no, stat.VMMemory{}, nil, nil
			all = append(all, f)
		}
	}
	return all
}

// limits are how long a reading of all may take. Before the first one nothing is known of the pace, and it
// has half of the time that there is.
func (r *Reader) limits(ctx context.Context) limits {
	r.mu.Lock()
	defer r.mu.Unlock()
	if deadline, ok := ctx.Deadline(); ok && r.lastSeen.IsZero() {
		half := time.Until(deadline) / 2
		return limits{hedge: half, budget: half, last: 2 * half}
	}
	return r.pace.limits()
}

// askingGroups are what libvirt asks the VMs' processes for. That is true of the CPU time as well, in which
// libvirt 9 counts how long they polled.
const askingGroups = libvirt.DOMAIN_STATS_CPU_TOTAL | libvirt.DOMAIN_STATS_BALLOON | libvirt.DOMAIN_STATS_VCPU | libvirt.DOMAIN_STATS_BLOCK

// groups are the groups of statistics that the collectors need.
func (r *Reader) groups() libvirt.DomainStatsTypes {
	groups := libvirt.DOMAIN_STATS_STATE
	for _, g := range []struct {
		collector string
		groups    libvirt.DomainStatsTypes
	}{
		{"vm_cpu", libvirt.DOMAIN_STATS_CPU_TOTAL | libvirt.DOMAIN_STATS_VCPU}, {"vm_memory", libvirt.DOMAIN_STATS_BALLOON},
		{"vm_info", libvirt.DOMAIN_STATS_BALLOON}, // which shows whether the process answers
		{"vm_block", libvirt.DOMAIN_STATS_BLOCK}, {"vm_network", libvirt.DOMAIN_STATS_INTERFACE},
	} {
		if r.opts.Collect(g.collector) {
			groups |= g.groups
		}
	}
	return groups
}

// bulk makes the call for the VMs of the UUIDs, or for all where that is nil. The pace may learn from it.
func (r *Reader) bulk(ctx context.Context, c *virt.Conn, uuids []string, groups libvirt.DomainStatsTypes, paced bool) ([]found, error) {
	var all []found
	err := c.Call(ctx, "read domain statistics", func(c *libvirt.Connect) error {
		start := time.Now()
		var got []found
		err := virt.Stats(c, uuids, groups, libvirt.CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT, func(rec virt.Record) {
			f := fromRecord(rec)
			f.asked = start
			if groups&libvirt.DOMAIN_STATS_CPU_TOTAL != 0 {
				fillIn(rec, &f.vm)
			}
			got = append(got, f)
		})
		if err != nil {
			return err
		}
		if paced && groups&askingGroups != 0 {
			r.mu.Lock()
			r.pace.took(time.Since(start))
			r.mu.Unlock()
		}
		all = got
		return nil
	})
	if err != nil {
		return nil, err // the call may still be writing
	}
	return all, nil
}

// fillIn asks for what a driver's bulk call does not have although the domain is active: libvirt's
// test driver gives nothing but states there.
func fillIn(rec virt.Record, vm *stat.VM) {
	if !vm.State.Active() || vm.CPUSeconds.Known || vm.VCPUs > 0 {
		return
	}
	info, err := rec.Info()
	if err != nil {
		return
	}
	vm.VCPUs, vm.CPUSeconds = info.VCPUs, nanoseconds(info.CPUTime)
	vm.Memory.Maximum, vm.Memory.Balloon = kibibytes(info.MaxMemory), kibibytes(info.Memory)
}

// identify reads what a domain is; its handle knows all that by itself.
func identify(d *libvirt.Domain) (found, error) {
	var f found
	var err error
	if f.vm.UUID, err = d.GetUUIDString(); err != nil {
		return f, fmt.Errorf("read a domain's UUID: %w", err)
	}
	if f.vm.Name, err = d.GetName(); err != nil {
		return f, fmt.Errorf("read the name of domain %s: %w", f.vm.UUID, err)
	}
	if id, err := d.GetID(); err == nil {
		f.id = id
	}
	f.control = f.vm.UUID == controlUUID
	return f, nil
}

// controlUUID is the UUID of Xen's Domain-0.
const controlUUID = "00000000-0000-0000-0000-000000000000"

// state sets the VM's state and what it says about migrations.
func (f *found) state(s libvirt.DomainState, reason int) {
	f.vm.State, f.vm.Reason = virt.State(s), virt.Reason(s, reason)
	f.arriving = s == libvirt.DOMAIN_PAUSED && (f.vm.Reason == virt.MigratingReason || f.vm.Reason == virt.StartingReason)
	// After the switch of a post-copy migration the VM runs on its new host, and its old process stays paused.
	f.left = s == libvirt.DOMAIN_SHUTOFF && f.vm.Reason == virt.MigratedReason || s == libvirt.DOMAIN_PAUSED && f.vm.Reason == virt.PostCopyReason
}

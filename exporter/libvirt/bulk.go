package libvirt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
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
}

// pace knows how long readings take, and from that how long one may take before a domain must be
// holding it up.
type pace struct{ usual time.Duration }

const (
	// patienceFloor and patienceMost bound what a domain that does not answer can add to a reading.
	patienceFloor, patienceMost = 500 * time.Millisecond, 2 * time.Second
	// patienceTimes is how many times longer than usual a reading may take.
	patienceTimes = 1.5
	// hangingSome and hangingMany are how many hanging calls show that asking everybody, and asking
	// anybody, only makes more of them.
	hangingSome, hangingMany = 3, 6
	// askingAtOnce is how many VMs are asked again at once: a daemon serves five calls of a connection, and
	// others may hang already. againEvery is the pause between two questions to one.
	askingAtOnce = 3
	againEvery   = 50 * time.Millisecond
)

func (p *pace) patience() time.Duration {
	return max(min(time.Duration(patienceTimes*float64(p.usual)), p.usual+patienceMost), patienceFloor)
}

// second is how long the second attempt may take, which leaves out what held the first one up.
func (p *pace) second() time.Duration { return max(p.usual, 2*patienceFloor) }

// took also learns from calls that nobody waited for any more: a host that has become slower for good
// must not be taken for a stuck one for ever. One that hung for hours says little about the pace.
func (p *pace) took(d time.Duration) {
	d = min(d, max(2*p.usual, 2*patienceFloor))
	if p.usual == 0 {
		p.usual = d
	}
	p.usual += (d - p.usual) / 8
}

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
// stopped would hold up everybody, and so does a domain while it is being started, which libvirt keeps
// locked. So when it takes far longer than usual the same is asked in another way beside it, and what is
// complete first counts.
func (r *Reader) readBulk(ctx context.Context) ([]found, error) {
	groups := r.groups()
	// Opening a connection is no domain's fault.
	if err := r.fast.Call(ctx, "open the connection", func(*libvirt.Connect) error { return nil }); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // what is not waited for any more is left hanging
	if r.hangs.Count() >= hangingSome {
		return r.withoutTheSlow(ctx, groups, nil)
	}
	patience := r.patience(ctx)
	first := r.start(ctx, nil, groups, patience+r.second())
	var got answer
	select {
	case got = <-first:
	case <-time.After(patience):
		return r.withoutTheSlow(ctx, groups, first)
	}
	switch {
	case got.err == nil:
		return r.askAgain(ctx, got.all, groups), nil
	case ctx.Err() != nil || unsupported(got.err):
		return nil, got.err
	}
	// The daemon was restarted, most likely: it may be back already.
	return r.bulk(ctx, nil, groups, patience)
}

// answer is what a bulk call gave.
type answer struct {
	all []found
	err error
}

// start makes a bulk call and gives its result later.
func (r *Reader) start(ctx context.Context, uuids []string, groups libvirt.DomainStatsTypes, limit time.Duration) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		all, err := r.bulk(ctx, uuids, groups, limit)
		done <- answer{all, err}
	}()
	return done
}

// withoutTheSlow reads what can be read although something holds a reading of all up, by three calls side
// by side. One asks the VMs that ran in the last reading, by their names: a VM whose process is stopped
// is busy now, with the call that hangs there, and is passed over; one with a job is often slow to answer
// and is not asked. The other two read what needs no answer from the processes, which has to do for the
// VMs that gave none: of all VMs, and, in case that one is locked because it is just being started, of
// those that ran before. VMs that did not run are then told as they were. Should the first reading end
// before them, it is taken.
func (r *Reader) withoutTheSlow(ctx context.Context, groups libvirt.DomainStatsTypes, first <-chan answer) ([]found, error) {
	active, calm, rest := r.lastKnown()
	limit, began := r.second(), time.Now()
	all := r.start(ctx, nil, groups&^askingGroups, limit)
	var full, known <-chan answer
	if r.hangs.Count() < hangingMany && len(calm) > 0 {
		full = r.start(ctx, calm, groups, limit)
	}
	remembered := answer{err: errors.New("no VM ran before")}
	if len(active) > 0 {
		known = r.start(ctx, active, groups&^askingGroups, limit)
	}
	var asked, told answer
	finish := func(bare, rest []found) ([]found, error) {
		if asked.err != nil { // one of them held up the others: each is asked by itself
			asked.all = passedOver(bare, calm)
		}
		return append(merge(bare, r.askAgain(ctx, asked.all, groups), r.answered()), rest...), nil
	}
	var enough <-chan time.Time // ends the wait for all, once there is what can be told without
	late := false
	for {
		switch {
		case full != nil: // whose numbers are worth waiting for
		case all == nil && told.err == nil:
			return finish(told.all, nil)
		case known == nil && remembered.err == nil && (all == nil || late):
			return finish(remembered.all, rest)
		case known == nil && all == nil:
			return nil, told.err
		}
		select {
		case got := <-first:
			if first = nil; got.err == nil {
				return r.askAgain(ctx, got.all, groups), nil
			}
		case asked = <-full: // where that failed the others' numbers are told without
			full = nil
		case told = <-all:
			all = nil
		case remembered = <-known:
			known = nil
			enough = time.After(max(time.Since(began), patienceFloor/5))
		case <-enough:
			late = true
		}
	}
}

// passedOver are those of the domains that were to answer and did not.
func passedOver(all []found, uuids []string) []found {
	silent := false
	var list []found
	for _, f := range all {
		if slices.Contains(uuids, f.vm.UUID) {
			f.vm.Answers = &silent
			list = append(list, f)
		}
	}
	return list
}

// askAgain asks VMs once more that were passed over and had answered before: something, and be it our own
// background, kept them busy for a moment. Each is asked by itself, for one of them may be what holds up all.
func (r *Reader) askAgain(ctx context.Context, all []found, groups libvirt.DomainStatsTypes) []found {
	answered := r.answered()
	again := make(chan string, len(all))
	for _, f := range all {
		was := answered[f.vm.UUID]
		if f.vm.Answers != nil && !*f.vm.Answers && was != nil && *was {
			again <- f.vm.UUID
		}
	}
	close(again)
	if len(again) == 0 || r.hangs.Count() >= hangingMany {
		return all
	}
	ctx, cancel := context.WithTimeout(ctx, patienceFloor)
	defer cancel()
	var parts [askingAtOnce][]found
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			for uuid := range again {
				parts[i] = append(parts[i], r.untilItAnswers(ctx, uuid, groups)...)
			}
		})
	}
	wg.Wait()
	return merge(all, slices.Concat(parts[:]...), nil)
}

// untilItAnswers asks one VM as long as it is passed over and there is time.
func (r *Reader) untilItAnswers(ctx context.Context, uuid string, groups libvirt.DomainStatsTypes) []found {
	for {
		got, err := r.bulk(ctx, []string{uuid}, groups, patienceFloor)
		if err != nil || len(got) != 1 || got[0].vm.Answers == nil || *got[0].vm.Answers {
			return got
		}
		select {
		case <-ctx.Done():
			return got
		case <-time.After(againEvery):
		}
	}
}

// merge takes of each domain the fuller reading. Whether one answers that was not asked is told as it
// was known, where that is given.
func merge(bare, full []found, answered map[string]*bool) []found {
	told := map[string]found{}
	for _, f := range full {
		told[f.vm.UUID] = f
	}
	for i := range bare {
		if f, ok := told[bare[i].vm.UUID]; ok {
			bare[i] = f
		} else if answered != nil {
			bare[i].vm.Answers = answered[bare[i].vm.UUID]
		}
	}
	return bare
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

// lastKnown are the VMs that ran in the last reading, those of them without a job, and those that did not
// run.
func (r *Reader) lastKnown() (active, calm []string, rest []found) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heldUp++
	for uuid, m := range r.memory {
		switch {
		case !m.home || !m.seen.Equal(r.lastSeen):
		case !m.now.State.Active():
			rest = append(rest, found{vm: m.now, id: m.id})
		default:
			active = append(active, uuid)
			// What did not answer is asked again when the calls that hang there have come back.
			if stuck := m.now.Answers != nil && !*m.now.Answers; m.job == nil && !stuck {
				calm = append(calm, uuid)
			}
		}
	}
	return active, calm, rest
}

// patience is how long a reading of all may take. Before the first one nothing is known of the pace, and
// it has half of the time that there is.
func (r *Reader) patience(ctx context.Context) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if deadline, ok := ctx.Deadline(); ok && r.lastSeen.IsZero() {
		return time.Until(deadline) / 2
	}
	return r.pace.patience()
}

// second is how long asking in another way may take.
func (r *Reader) second() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pace.second()
}

// askingGroups are what libvirt asks the VMs' processes for.
const askingGroups = libvirt.DOMAIN_STATS_BALLOON | libvirt.DOMAIN_STATS_VCPU | libvirt.DOMAIN_STATS_BLOCK

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

func (r *Reader) bulk(ctx context.Context, uuids []string, groups libvirt.DomainStatsTypes, limit time.Duration) ([]found, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var all []found
	err := r.fast.Call(ctx, "read domain statistics", func(c *libvirt.Connect) error {
		start := time.Now()
		var got []found
		err := virt.Stats(c, uuids, groups, libvirt.CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT, func(rec virt.Record) {
			f := fromRecord(rec)
			if groups&libvirt.DOMAIN_STATS_CPU_TOTAL != 0 {
				fillIn(rec, &f.vm)
			}
			got = append(got, f)
		})
		if err != nil {
			return err
		}
		if uuids == nil && groups&askingGroups != 0 {
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

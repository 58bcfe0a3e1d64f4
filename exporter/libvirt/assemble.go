package libvirt

import (
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// assemble joins a reading with what is remembered.
func (r *Reader) assemble(all []found, n node, domains stat.Reading) stat.Host {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.lastSeen = now
	h := r.inv.host
	total := h.Memory
	h.Time, h.Memory = n.time, n.memory
	if h.Memory == nil && !(r.opts.Kernel && h.Local) {
		h.Memory = total // the size alone
	}
	missing := false
	h.VMs = make([]stat.VM, 0, len(all))
	for _, f := range all {
		switch {
		case f.control:
			h.Control = &stat.Control{CPUSeconds: f.vm.CPUSeconds, MemoryBytes: f.vm.Memory.Balloon, VCPUs: f.vm.VCPUs}
		case f.left:
			h.Also = append(h.Also, f.vm)
		case r.remember(&f, now):
			missing = missing || f.vm.Definition == nil
			h.VMs = append(h.VMs, f.vm)
		default:
			// Its numbers are those of the other host until it has arrived.
			f.vm.State = cluster.VMPaused
			h.Also = append(h.Also, f.vm)
		}
	}
	r.forget(now)
	if missing {
		r.nudge()
	}
	h.Connection = r.connection()
	h.Connection.InventoryAge = now.Sub(r.oldest(now))
	h.Readings = append(r.background(), domains)
	h.Readings = append(h.Readings, n.readings...)
	return h
}

// remember writes a VM of this host down and completes it with what was known of it. It is false for
// one that is just arriving: until it runs here, it runs elsewhere.
func (r *Reader) remember(f *found, now time.Time) bool {
	vm := &f.vm
	m, ok := r.memory[vm.UUID]
	if !ok {
		m = newMemory(now)
		r.memory[vm.UUID] = m
		r.news.domains++ // the lists do not have it
	}
	m.missing = false
	if f.arriving && !(m.home && m.id == f.id) {
		m.seen = now // an event may be on its way that tells of its arrival
		return false
	}
	if m.id != f.id {
		m.anotherLife()
	}
	m.seen, m.now, m.id, m.home = now, *vm, f.id, true
	if r.inv.listAt.After(m.first) {
		persistent, autostart := r.inv.persistent[vm.UUID], r.inv.autostart[vm.UUID]
		vm.Persistent, vm.Autostart = &persistent, &autostart
	}
	r.complete(vm, m, now)
	return true
}

// anotherLife forgets what was measured of a VM's last life. What was counted goes on.
func (m *memory) anotherLife() {
	m.job, m.jobAt, m.blockJobs, m.dirty, m.arrival = nil, time.Time{}, nil, nil, nil
	m.agent, m.agentSilent, m.agentAt, m.agentFull = stat.Agent{}, time.Time{}, time.Time{}, time.Time{}
	m.changes++
}

func (r *Reader) complete(vm *stat.VM, m *memory, now time.Time) {
	vm.Definition = m.definition
	if d := m.definition; d != nil && vm.VCPUs == 0 {
		vm.VCPUs = d.VCPUs
	}
	if d := m.definition; d != nil && !vm.Memory.Maximum.Known && d.MemoryBytes > 0 {
		vm.Memory.Maximum = cluster.Known(d.MemoryBytes)
	}
	r.happened(vm, m)
	vm.Arrival = m.arrival
	if !vm.State.Active() {
		return
	}
	if now.Sub(m.jobAt) < freshTimes*jobEvery {
		// A driver without a bulk call does not tell what a job is.
		vm.Job, vm.Jobs, vm.BlockJobs = m.job, !r.single, m.blockJobs
	}
	vm.DirtyRate = m.dirty
	if d := m.definition; d != nil && d.AgentChannel && m.agent.Answers != nil && now.Sub(m.agentAt) < freshTimes*r.opts.AgentEvery+agentLimit {
		a := m.agent
		a.SilentSeconds = cluster.Known(0)
		if !m.agentSilent.IsZero() {
			a.SilentSeconds = cluster.Known(now.Sub(m.agentSilent).Seconds())
		}
		vm.Agent = &a
	}
}

// happened gives a VM the counts of its events. A driver without a bulk call (libxl) takes registrations
// for all events and sends those of the life cycle alone: its other counts would be a lie.
func (r *Reader) happened(vm *stat.VM, m *memory) {
	if r.single {
		vm.Events = slices.Clone(m.events[:stat.LifecycleEvents])
		return
	}
	vm.Events, vm.IOErrors = slices.Clone(m.events), maps.Clone(m.ioErrors)
	for _, b := range vm.Blocks {
		if _, ok := vm.IOErrors[b.Device]; !ok {
			vm.IOErrors[b.Device] = 0
		}
	}
}

// freshTimes is how many times the pause between two looks in the background what they found is told
// for.
const freshTimes = 4

// forget drops what is known of VMs that are gone. It is kept for a while, because a VM may be missing
// in one reading and back in the next, and its counters must not start again.
func (r *Reader) forget(now time.Time) {
	for uuid, m := range r.memory {
		if now.Sub(m.seen) > forgetAfter {
			delete(r.memory, uuid)
			r.handles.forget(uuid)
		}
	}
}

// oldest is when the oldest part of the inventory in use was read.
func (r *Reader) oldest(now time.Time) time.Time {
	oldest := r.inv.poolAt
	for _, m := range r.memory {
		if m.definition != nil && m.seen.Equal(now) && m.definitionAt.Before(oldest) {
			oldest = m.definitionAt
		}
	}
	return oldest
}

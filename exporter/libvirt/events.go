package libvirt

import (
	"errors"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"libvirt.org/go/libvirt"
)

// listen registers for events on a new connection and returns what takes the registrations back. A
// driver that does not have an event says so; its counter then stays at 0.
func (r *Reader) listen(c *libvirt.Connect) (closing func()) {
	r.mu.Lock()
	r.inv.poolAt, r.inv.relist = time.Time{}, true // events may have been missed
	for _, m := range r.memory {
		m.stale = true
	}
	r.mu.Unlock()
	var ids []int
	keep := func(id int, err error) {
		if err == nil {
			ids = append(ids, id)
		}
	}
	keep(c.DomainEventLifecycleRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, e *libvirt.DomainEventLifecycle) { r.lifecycle(d, e) }))
	keep(c.DomainEventRebootRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain) { r.count(d, "rebooted") }))
	keep(c.DomainEventWatchdogRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventWatchdog) { r.count(d, "watchdog") }))
	keep(c.DomainEventIOErrorReasonRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, e *libvirt.DomainEventIOErrorReason) { r.ioError(d, e) }))
	keep(c.DomainEventMemoryFailureRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventMemoryFailure) {
		r.count(d, "memory-failure")
	}))
	keep(c.DomainEventControlErrorRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain) { r.count(d, "control-error") }))
	keep(c.DomainEventAgentLifecycleRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, e *libvirt.DomainEventAgentLifecycle) {
		r.agentLifecycle(d, e)
	}))
	keep(c.DomainEventDeviceAddedRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventDeviceAdded) { r.changed(d) }))
	keep(c.DomainEventDeviceRemovedRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventDeviceRemoved) { r.changed(d) }))
	keep(c.DomainEventDiskChangeRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventDiskChange) { r.changed(d) }))
	keep(c.DomainEventTrayChangeRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventTrayChange) { r.changed(d) }))
	keep(c.DomainEventTunableRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventTunable) { r.changed(d) }))
	keep(c.DomainEventBlockJob2Register(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventBlockJob) { r.changed(d) }))
	keep(c.DomainEventMetadataChangeRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventMetadataChange) { r.changed(d) }))
	var err error
	if len(ids) == 0 {
		err = errors.New("the driver tells no events")
	}
	r.note(reading("vm_events", time.Now(), err))
	return func() {
		for _, id := range ids {
			_ = c.DomainEventDeregister(id) // on a connection that was lost it is taken back on our side alone
		}
	}
}

func (r *Reader) lifecycle(d *libvirt.Domain, e *libvirt.DomainEventLifecycle) {
	name, arrived := "", false
	switch e.Event {
	case libvirt.DOMAIN_EVENT_STARTED:
		name = "started"
		if e.Detail == int(libvirt.DOMAIN_EVENT_STARTED_MIGRATED) {
			name = "migrated-in"
		}
	case libvirt.DOMAIN_EVENT_SUSPENDED, libvirt.DOMAIN_EVENT_PMSUSPENDED:
		name = "suspended"
	case libvirt.DOMAIN_EVENT_RESUMED:
		name = "resumed"
		arrived = e.Detail == int(libvirt.DOMAIN_EVENT_RESUMED_MIGRATED)
	case libvirt.DOMAIN_EVENT_STOPPED:
		name = "stopped"
		if e.Detail == int(libvirt.DOMAIN_EVENT_STOPPED_CRASHED) {
			name = "crashed"
		}
	case libvirt.DOMAIN_EVENT_CRASHED:
		name = "crashed"
		if e.Detail == int(libvirt.DOMAIN_EVENT_CRASHED_PANICKED) {
			name = "panicked"
		}
	}
	r.event(d, func(m *memory) {
		if name != "" {
			m.events[slices.Index(stat.EventNames(), name)]++
		}
		m.arrived = m.arrived || arrived
		m.stale = true
	})
	r.relist()
}

// relist has the lists of domains read again: one was defined, undefined, started or stopped.
func (r *Reader) relist() {
	r.mu.Lock()
	r.inv.relist = true
	r.mu.Unlock()
	r.nudge()
}

func (r *Reader) agentLifecycle(d *libvirt.Domain, e *libvirt.DomainEventAgentLifecycle) {
	name := "agent-disconnected"
	if e.State == libvirt.CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED {
		name = "agent-connected"
	}
	r.event(d, func(m *memory) {
		m.events[slices.Index(stat.EventNames(), name)]++
		m.agentAt = time.Time{} // to be asked at once
	})
}

func (r *Reader) ioError(d *libvirt.Domain, e *libvirt.DomainEventIOErrorReason) {
	r.event(d, func(m *memory) {
		m.events[slices.Index(stat.EventNames(), "io-error")]++
		if m.definition == nil {
			return
		}
		for _, k := range m.definition.Disks {
			if k.Path == e.SrcPath {
				m.ioErrors[k.Device]++
			}
		}
	})
}

func (r *Reader) count(d *libvirt.Domain, name string) {
	r.event(d, func(m *memory) { m.events[slices.Index(stat.EventNames(), name)]++ })
}

// changed has a VM's definition read again.
func (r *Reader) changed(d *libvirt.Domain) {
	r.event(d, func(m *memory) { m.stale = true })
	r.nudge()
}

// event writes something down on the VM of an event. A VM that no reading has had yet is remembered
// from now on: its first events are often over before that.
func (r *Reader) event(d *libvirt.Domain, f func(*memory)) {
	uuid, err := d.GetUUIDString()
	if err != nil || uuid == controlUUID {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.memory[uuid]
	if !ok {
		m = newMemory()
		m.seen = time.Now()
		r.memory[uuid] = m
	}
	f(m)
}

func newMemory() *memory {
	return &memory{events: make([]float64, len(stat.EventNames())), ioErrors: map[string]float64{}}
}

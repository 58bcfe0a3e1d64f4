package libvirt

import (
	"errors"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"libvirt.org/go/libvirt"
)

// listener is told of the events of one connection.
type listener struct{ r *Reader }

// listen registers for events on a new connection and returns what takes the registrations back. A
// driver that does not have an event says so; its counter then stays at 0.
func (r *Reader) listen(c *libvirt.Connect) (closing func()) {
	l := &listener{r}
	r.mu.Lock()
	// A connection that was given up while a call hangs there is told of events as well.
	r.listener = l
	r.news.opened++
	for _, m := range r.memory {
		m.changes++
	}
	r.mu.Unlock()
	var ids []int
	keep := func(id int, err error) {
		if err == nil {
			ids = append(ids, id)
		}
	}
	keep(c.DomainEventLifecycleRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, e *libvirt.DomainEventLifecycle) { l.lifecycle(d, e) }))
	keep(c.DomainEventRebootRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain) { l.count(d, "rebooted") }))
	keep(c.DomainEventWatchdogRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventWatchdog) { l.count(d, "watchdog") }))
	keep(c.DomainEventIOErrorReasonRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, e *libvirt.DomainEventIOErrorReason) { l.ioError(d, e) }))
	keep(c.DomainEventMemoryFailureRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventMemoryFailure) {
		l.count(d, "memory-failure")
	}))
	keep(c.DomainEventControlErrorRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain) { l.count(d, "control-error") }))
	keep(c.DomainEventAgentLifecycleRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, e *libvirt.DomainEventAgentLifecycle) {
		l.agentLifecycle(d, e)
	}))
	keep(c.DomainEventDeviceAddedRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventDeviceAdded) { l.changed(d) }))
	keep(c.DomainEventDeviceRemovedRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventDeviceRemoved) { l.changed(d) }))
	keep(c.DomainEventDiskChangeRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventDiskChange) { l.changed(d) }))
	keep(c.DomainEventTrayChangeRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventTrayChange) { l.changed(d) }))
	keep(c.DomainEventTunableRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventTunable) { l.changed(d) }))
	keep(c.DomainEventBlockJob2Register(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventBlockJob) { l.changed(d) }))
	keep(c.DomainEventMetadataChangeRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, _ *libvirt.DomainEventMetadataChange) { l.changed(d) }))
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

func (l *listener) lifecycle(d *libvirt.Domain, e *libvirt.DomainEventLifecycle) {
	l.event(d, func(m *memory) { m.happened(e.Event, e.Detail) })
	l.relist()
}

// happened counts what happened to the domain.
func (m *memory) happened(event libvirt.DomainEventType, detail int) {
	name := ""
	switch event {
	case libvirt.DOMAIN_EVENT_STARTED:
		if m.incoming = detail == int(libvirt.DOMAIN_EVENT_STARTED_MIGRATED); !m.incoming { // it has not arrived yet
			name = "started"
		}
	case libvirt.DOMAIN_EVENT_SUSPENDED, libvirt.DOMAIN_EVENT_PMSUSPENDED:
		name = "suspended"
	case libvirt.DOMAIN_EVENT_RESUMED:
		name = "resumed"
		// The source of a migration that failed in its last moment says the same of the VM that stays.
		if detail == int(libvirt.DOMAIN_EVENT_RESUMED_MIGRATED) && (m.incoming || !m.home) {
			name, m.arrived, m.incoming = "migrated-in", true, false
		}
	case libvirt.DOMAIN_EVENT_STOPPED:
		name, m.incoming = "stopped", false
		if detail == int(libvirt.DOMAIN_EVENT_STOPPED_CRASHED) {
			name = "crashed"
		}
	case libvirt.DOMAIN_EVENT_CRASHED:
		name = "crashed"
		if detail == int(libvirt.DOMAIN_EVENT_CRASHED_PANICKED) {
			name = "panicked"
		}
	}
	if name != "" {
		m.events[slices.Index(stat.EventNames(), name)]++
	}
	m.changes++
}

// relist has the lists of domains read again: one was defined, undefined, started or stopped.
func (l *listener) relist() {
	l.r.mu.Lock()
	l.r.news.domains++
	l.r.mu.Unlock()
	l.r.nudge()
}

func (l *listener) agentLifecycle(d *libvirt.Domain, e *libvirt.DomainEventAgentLifecycle) {
	name := "agent-disconnected"
	if e.State == libvirt.CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED {
		name = "agent-connected"
	}
	l.event(d, func(m *memory) {
		m.events[slices.Index(stat.EventNames(), name)]++
		m.agentAt = time.Time{} // to be asked at once
		m.changes++             // whether it is connected stands in the definition
	})
}

func (l *listener) ioError(d *libvirt.Domain, e *libvirt.DomainEventIOErrorReason) {
	l.event(d, func(m *memory) {
		m.events[slices.Index(stat.EventNames(), "io-error")]++
		if m.definition == nil {
			return
		}
		for _, k := range m.definition.Disks {
			if k.Alias == e.DevAlias || k.Path == e.SrcPath {
				m.ioErrors[k.Device]++
			}
		}
	})
}

func (l *listener) count(d *libvirt.Domain, name string) {
	l.event(d, func(m *memory) { m.events[slices.Index(stat.EventNames(), name)]++ })
}

// changed has a VM's definition read again.
func (l *listener) changed(d *libvirt.Domain) {
	l.event(d, func(m *memory) { m.changes++ })
	l.r.nudge()
}

// event writes something down on the VM of an event. A VM that no reading has had yet is remembered
// from now on, as long as somebody reads: its first events are often over before that.
func (l *listener) event(d *libvirt.Domain, f func(*memory)) {
	uuid, err := d.GetUUIDString()
	if err != nil || uuid == controlUUID {
		return
	}
	idle := l.r.idle()
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	if l.r.listener != l {
		return
	}
	m, ok := l.r.memory[uuid]
	if !ok && idle {
		return
	}
	if !ok {
		m = newMemory(time.Now())
		l.r.memory[uuid] = m
	}
	m.missing = false
	f(m)
}

func newMemory(now time.Time) *memory {
	return &memory{first: now, seen: now, events: make([]float64, len(stat.EventNames())), ioErrors: map[string]float64{}}
}

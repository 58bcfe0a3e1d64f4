package libvirt

import (
	"slices"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"libvirt.org/go/libvirt"
)

type event struct {
	kind   libvirt.DomainEventType
	detail int
}

// What a host hears of a VM that comes, stays or comes back. A migration that fails in its last moment has its source resume the VM with the same words
// with which a target says that it has arrived.
func TestWhoHasArrived(t *testing.T) {
	comes := event{libvirt.DOMAIN_EVENT_STARTED, int(libvirt.DOMAIN_EVENT_STARTED_MIGRATED)}
	runs := event{libvirt.DOMAIN_EVENT_RESUMED, int(libvirt.DOMAIN_EVENT_RESUMED_MIGRATED)}
	leaves := event{libvirt.DOMAIN_EVENT_STOPPED, int(libvirt.DOMAIN_EVENT_STOPPED_MIGRATED)}
	fails := event{libvirt.DOMAIN_EVENT_STOPPED, int(libvirt.DOMAIN_EVENT_STOPPED_FAILED)}
	paused := event{libvirt.DOMAIN_EVENT_SUSPENDED, int(libvirt.DOMAIN_EVENT_SUSPENDED_MIGRATED)}
	for name, c := range map[string]struct {
		home     bool
		events   []event
		arrived  bool
		migrated float64
	}{
		"it comes": {false, []event{comes, runs}, true, 1},
		"it comes, and is seen running before that":        {true, []event{comes, runs}, true, 1},
		"the exporter began while it came":                 {false, []event{runs}, true, 1},
		"it does not come after all":                       {false, []event{comes, fails}, false, 0},
		"it stays":                                         {true, []event{paused, runs}, false, 0},
		"it did not come, is started here, and stays":      {true, []event{comes, fails, {libvirt.DOMAIN_EVENT_STARTED, 0}, paused, runs}, false, 0},
		"it came before, and does not leave now":           {true, []event{comes, runs, paused, runs}, true, 1},
		"it came, left, and is here again as a new domain": {true, []event{comes, runs, leaves, comes, runs}, true, 2},
	} {
		m := newMemory(time.Now())
		m.home = c.home
		for _, e := range c.events {
			m.happened(e.kind, e.detail)
		}
		if got := m.events[slices.Index(stat.EventNames(), "migrated-in")]; m.arrived != c.arrived || got != c.migrated {
			t.Errorf("%s: arrived %v, migrated in %g times", name, m.arrived, got)
		}
	}
}

package libvirt

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"libvirt.org/go/libvirt"
)

const (
	// inventoryEvery is how often it is looked whether something of the inventory is due.
	inventoryEvery = 5 * time.Second
	// inventoryPause is how long it rests at least between two looks.
	inventoryPause = 250 * time.Millisecond
	// renewTimeout bounds each look; it happens in the background.
	renewTimeout = 30 * time.Second
	// listAge, hostAge and definitionAge are after how long pools and networks, the host's identity and
	// a definition are read again, in case that an event was missed. A driver that tells few events
	// has its definitions read more often.
	listAge            = time.Minute
	hostAge            = 10 * time.Minute
	definitionAge      = 5 * time.Minute
	definitionAgeEvent = time.Minute
)

// inventory is what changes rarely.
type inventory struct {
	// hostAt and poolAt are when the host's identity and its pools and networks were read.
	hostAt, poolAt time.Time
	host           stat.Host
	// listAt is when it was read which domains are persistent and which start with the host.
	listAt                time.Time
	persistent, autostart map[string]bool
	// seen is what it is up to date with.
	seen news
	// readings say how reading each part went this time.
	readings []stat.Reading
}

// news counts what told that parts of the inventory changed: connections opened, before which events
// may have been missed, and events of domains that came and went.
type news struct{ opened, domains int }

// renew reads what is due of the inventory: by its age, and what an event told to have changed.
func (r *Reader) renew(ctx context.Context) error {
	select {
	case r.renewing <- struct{}{}:
		defer func() { <-r.renewing }()
	case <-ctx.Done():
		return fmt.Errorf("read the inventory of %s: %w", r.URI(), ctx.Err())
	}
	start := time.Now()
	r.mu.Lock()
	inv, told := r.inv, r.news
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	var fresh inventory
	err := r.slow.Call(ctx, "read the inventory", func(c *libvirt.Connect) error {
		got, err := readInventory(c, inv, told, start)
		fresh = got
		return err
	})
	r.mu.Lock()
	r.stale = err
	r.mu.Unlock()
	if err != nil {
		return err
	}
	r.note(fresh.readings...)
	r.mu.Lock()
	r.inv = fresh
	r.forget(start)
	due := r.dueDefinitions(start)
	r.mu.Unlock()
	if len(due) == 0 {
		return nil
	}
	return r.readDefinitions(ctx, due, fresh.host)
}

func readInventory(c *libvirt.Connect, old inventory, told news, now time.Time) (inventory, error) {
	inv := old
	inv.readings = nil
	if now.Sub(old.hostAt) > hostAge {
		start := time.Now()
		h, err := readHost(c)
		if err != nil {
			return old, err
		}
		h.Pools, h.Networks = old.host.Pools, old.host.Networks
		inv.host, inv.hostAt = h, now
		inv.note(stat.ReadHost, start, nil)
	}
	if now.Sub(old.poolAt) > listAge || told.opened != old.seen.opened {
		inv.lists(c)
		inv.poolAt = now
	}
	if now.Sub(old.listAt) <= listAge && told == old.seen {
		return inv, nil
	}
	var err error
	if inv.persistent, err = listed(c, libvirt.CONNECT_LIST_DOMAINS_PERSISTENT); err != nil {
		return old, err
	}
	if inv.autostart, err = listed(c, libvirt.CONNECT_LIST_DOMAINS_AUTOSTART); err != nil {
		return old, err
	}
	inv.listAt, inv.seen = now, told
	return inv, nil
}

// lists reads pools and networks. What cannot be read keeps its old value, and is said to be old.
func (inv *inventory) lists(c *libvirt.Connect) {
	start := time.Now()
	pools, err := readPools(c)
	if err == nil {
		inv.host.Pools = pools
	}
	inv.note("storage_pool", start, err)
	start = time.Now()
	networks, err := readNetworks(c)
	if err == nil {
		inv.host.Networks = networks
	}
	inv.note("host_network", start, err)
}

func (inv *inventory) note(collector string, start time.Time, err error) {
	inv.readings = append(inv.readings, reading(collector, start, err))
}

func reading(collector string, start time.Time, err error) stat.Reading {
	n := stat.Reading{Collector: collector, Took: time.Since(start)}
	if err != nil {
		n.Err = err.Error()
	}
	return n
}

// background is how the last readings in the background went. While the inventory cannot be renewed, all
// parts of it are old.
func (r *Reader) background() []stat.Reading {
	all := slices.Collect(maps.Values(r.readings))
	for i := range all {
		if r.stale != nil && slices.Contains([]string{stat.ReadHost, "storage_pool", "host_network", stat.ReadDefinitions}, all[i].Collector) {
			all[i].Err = r.stale.Error()
		}
	}
	return all
}

// note records how a reading in the background went, until the next one.
func (r *Reader) note(readings ...stat.Reading) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range readings {
		r.readings[n.Collector] = n
	}
}

// listed are the UUIDs of the domains that a listing gives.
func listed(c *libvirt.Connect, flags libvirt.ConnectListAllDomainsFlags) (map[string]bool, error) {
	doms, err := c.ListAllDomains(flags)
	if err != nil {
		return nil, fmt.Errorf("list domains: %w", err)
	}
	uuids := make(map[string]bool, len(doms))
	for i := range doms {
		if uuid, err := doms[i].GetUUIDString(); err == nil {
			uuids[uuid] = true
		}
		_ = doms[i].Free() // it frees our handle only; nothing can be done about a failure
	}
	return uuids, nil
}

// dueDefinitions lists the VMs whose definition has to be read: those without one, those that changed,
// and of those that are old so many that all get their turn.
func (r *Reader) dueDefinitions(now time.Time) []string {
	age := definitionAge
	if r.single {
		age = definitionAgeEvent
	}
	var due, old []string
	for uuid, m := range r.memory {
		switch {
		case m.missing:
		case m.definition == nil || m.changes != m.read:
			due = append(due, uuid)
		case now.Sub(m.definitionAt) > age:
			old = append(old, uuid)
		}
	}
	slices.SortFunc(old, func(x, y string) int { return r.memory[x].definitionAt.Compare(r.memory[y].definitionAt) })
	turn := max(4, len(r.memory)*int(inventoryEvery/time.Second)/int(age/time.Second)*2)
	return append(due, old[:min(len(old), turn)]...)
}

// readDefinitions reads the definitions of some VMs and keeps each as soon as it is read. One that cannot
// be read keeps its old one: the next look will say.
func (r *Reader) readDefinitions(ctx context.Context, uuids []string, h stat.Host) error {
	start := time.Now()
	err := r.slow.Call(ctx, "read definitions", func(c *libvirt.Connect) error {
		var failed error
		for _, uuid := range uuids {
			changes := r.changesOf(uuid)
			d, err := readDefinition(c, uuid, h)
			if err != nil {
				failed = err
				continue
			}
			r.keep(uuid, d, changes)
		}
		return failed
	})
	r.note(reading(stat.ReadDefinitions, start, err))
	return err
}

func (r *Reader) changesOf(uuid string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m, ok := r.memory[uuid]; ok {
		return m.changes
	}
	return 0
}

// keep notes a definition that was read after so many changes; nil is for a VM that was not there.
func (r *Reader) keep(uuid string, d *stat.Definition, changes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.memory[uuid]
	if !ok {
		return
	}
	if d == nil {
		m.missing = true
		return
	}
	m.definition, m.definitionAt, m.read = d, time.Now(), changes
}

// readDefinition returns nil for a VM that is not there any more.
func readDefinition(c *libvirt.Connect, uuid string, h stat.Host) (*stat.Definition, error) {
	dom, err := c.LookupDomainByUUIDString(uuid)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look domain %s up: %w", uuid, err)
	}
	defer func() { _ = dom.Free() }() // it frees our handle only; nothing can be done about a failure
	text, err := dom.GetXMLDesc(0)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the definition of %s: %w", uuid, err)
	}
	d, err := parseDefinition(text, h)
	if err != nil {
		return nil, fmt.Errorf("parse the definition of %s: %w", uuid, err)
	}
	completeDefinition(dom, &d)
	return &d, nil
}

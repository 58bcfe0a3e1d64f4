package libvirt

import (
	"fmt"
	"sync"

	"libvirt.org/go/libvirt"
)

// handles keeps the domains' handles of each connection, because looking a domain up is a call to the
// daemon like any other, and the background would make one for every VM every few seconds.
type handles struct {
	mu   sync.Mutex
	open map[*libvirt.Connect]map[string]*libvirt.Domain
}

// keep is to be called with each new connection. What it returns gives the connection's handles back:
// they hold the connection open.
func (h *handles) keep(c *libvirt.Connect) (closing func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil {
		h.open = map[*libvirt.Connect]map[string]*libvirt.Domain{}
	}
	h.open[c] = map[string]*libvirt.Domain{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, dom := range h.open[c] {
			_ = dom.Free() // it frees our handle only; nothing can be done about a failure
		}
		delete(h.open, c)
	}
}

// domain returns a handle that the caller frees.
func (h *handles) domain(c *libvirt.Connect, uuid string) (*libvirt.Domain, error) {
	h.mu.Lock()
	dom := h.open[c][uuid]
	if dom != nil {
		defer h.mu.Unlock()
		return dom, ref(dom)
	}
	h.mu.Unlock()
	dom, err := c.LookupDomainByUUIDString(uuid)
	if err != nil {
		return nil, fmt.Errorf("look domain %s up: %w", uuid, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if kept := h.open[c]; kept != nil && kept[uuid] == nil {
		kept[uuid] = dom
		return dom, ref(dom)
	}
	return dom, nil
}

func ref(dom *libvirt.Domain) error {
	if err := dom.Ref(); err != nil {
		return fmt.Errorf("hold a domain: %w", err)
	}
	return nil
}

// forget gives back what is kept of a domain that is gone.
func (h *handles) forget(uuid string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, kept := range h.open {
		if dom := kept[uuid]; dom != nil {
			_ = dom.Free() // it frees our handle only; nothing can be done about a failure
			delete(kept, uuid)
		}
	}
}

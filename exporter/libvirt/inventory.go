package libvirt

import (
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"libvirt.org/go/libvirt"
)

const (
	// inventoryAge is after how long definitions, pools and networks are read again.
	inventoryAge = time.Minute
	// renewTimeout bounds that reading; it happens in the background.
	renewTimeout = 30 * time.Second
)

// inventory is what changes rarely: the host's identity, its pools and networks, and the VMs'
// definitions by UUID.
type inventory struct {
	at         time.Time
	host       stat.Host
	identities map[string]stat.Identity
}

func (inv inventory) misses(vms []stat.VM) bool {
	for _, v := range vms {
		if _, ok := inv.identities[v.UUID]; !ok {
			return true
		}
	}
	return false
}

func readInventory(c *libvirt.Connect, old inventory) (inventory, error) {
	inv := inventory{at: time.Now(), identities: map[string]stat.Identity{}}
	var err error
	if inv.host, err = readHost(c); err != nil {
		return inventory{}, err
	}
	inv.host.Pools, err = readPools(c)
	inv.note("pools", err)
	inv.host.Networks, err = readNetworks(c)
	inv.note("networks", err)
	doms, err := c.ListAllDomains(0)
	if err != nil {
		return inventory{}, fmt.Errorf("list domains: %w", err)
	}
	for i := range doms {
		uuid, id, err := readIdentity(&doms[i], inv.host)
		if err != nil {
			// A domain that is just being made or undone: the old reading, if any, stands.
			if was, ok := old.identities[uuid]; ok {
				inv.identities[uuid] = was
			}
			inv.note("definitions", err)
		} else {
			inv.identities[uuid] = id
		}
		_ = doms[i].Free() // it frees our handle only; nothing can be done about a failure
	}
	return inv, nil
}

// note records a group that failed, once.
func (inv *inventory) note(group string, err error) {
	if err == nil || slices.ContainsFunc(inv.host.Failed, func(f stat.Failure) bool { return f.Group == group }) {
		return
	}
	inv.host.Failed = append(inv.host.Failed, stat.Failure{Group: group, Reason: err.Error()})
}

package hypervisor

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/virt"
	"libvirt.org/go/libvirt"
)

// Roll asks the host how each of its VMs stands, running or not, in one call: that it answers is a sign of life. Refused
// tells that the machine answers and nothing listens there: the kernel lives and the daemon does not.
func (d *Driver) Roll(ctx context.Context, name string) (roll cluster.Roll, refused bool, err error) {
	h, _, err := d.host(name)
	if err != nil {
		return roll, false, err
	}
	asked := time.Now() // before the answer: what it says was so then or later
	// What a call that is late still writes must not be what the caller reads.
	seen := new([]cluster.VMSeen)
	err = h.conn.Call(ctx, "call the roll of "+name, func(c *libvirt.Connect) (err error) {
		*seen, err = muster(c)
		return err
	})
	if err != nil {
		// libvirt has one error for all that can happen to a socket, and only its text tells.
		return roll, strings.Contains(err.Error(), "Connection refused"), err
	}
	slices.SortFunc(*seen, func(x, y cluster.VMSeen) int { return cmp.Compare(x.VM, y.VM) })
	return cluster.Roll{Host: name, At: asked, VMs: *seen}, false, nil
}

func muster(c *libvirt.Connect) ([]cluster.VMSeen, error) {
	var seen []cluster.VMSeen
	err := virt.Stats(c, nil, libvirt.DOMAIN_STATS_STATE, libvirt.CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT, func(r virt.Record) {
		state, reason := libvirt.DOMAIN_NOSTATE, 0
		r.Each(func(name string, v virt.Value) {
			switch name {
			case "state.state":
				state = libvirt.DomainState(v.Uint())
			case "state.reason":
				reason = int(v.Uint())
			}
		})
		seen = append(seen, cluster.VMSeen{VM: r.UUID, Name: r.Name, State: virt.State(state), Reason: virt.Reason(state, reason)})
	})
	if errors.Is(err, libvirt.ERR_NO_SUPPORT) { // libxl has no such call
		return musterEach(c)
	}
	return seen, err
}

func musterEach(c *libvirt.Connect) ([]cluster.VMSeen, error) {
	doms, err := c.ListAllDomains(0)
	if err != nil {
		return nil, err
	}
	var seen []cluster.VMSeen
	for i := range doms {
		defer free(&doms[i])
		one, err := stand(&doms[i])
		if missing(err) {
			continue // it went meanwhile
		}
		if err != nil {
			return nil, err
		}
		if one.VM != controlDomain {
			seen = append(seen, one)
		}
	}
	return seen, nil
}

// controlDomain is Xen's Domain-0, which is the host itself.
const controlDomain = "00000000-0000-0000-0000-000000000000"

func stand(dom *libvirt.Domain) (v cluster.VMSeen, err error) {
	if v.VM, err = dom.GetUUIDString(); err != nil {
		return v, err
	}
	if v.Name, err = dom.GetName(); err != nil {
		return v, err
	}
	state, reason, err := dom.GetState()
	v.State, v.Reason = virt.State(state), virt.Reason(state, reason)
	return v, err
}

// Definitions returns the inactive definitions of all persistent VMs of the host, with their secrets.
func (d *Driver) Definitions(ctx context.Context, name string) ([]cluster.Definition, error) {
	h, _, err := d.host(name)
	if err != nil {
		return nil, err
	}
	asked, list := time.Now(), new([]cluster.Definition)
	err = h.conn.Call(ctx, "read the definitions of "+name, func(c *libvirt.Connect) error {
		doms, err := c.ListAllDomains(libvirt.CONNECT_LIST_DOMAINS_PERSISTENT)
		if err != nil {
			return err
		}
		for i := range doms {
			defer free(&doms[i])
			one := cluster.Definition{Host: name, At: asked}
			if one.VM, err = doms[i].GetUUIDString(); err == nil {
				one.Name, err = doms[i].GetName()
			}
			if err == nil {
				one.XML, err = doms[i].GetXMLDesc(libvirt.DOMAIN_XML_INACTIVE | libvirt.DOMAIN_XML_SECURE)
			}
			if err == nil {
				one.Autostart, err = doms[i].GetAutostart()
			}
			if missing(err) || one.VM == controlDomain {
				continue
			}
			if err != nil {
				return err
			}
			*list = append(*list, one)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return *list, nil
}

// TakeAutostart has the host not start the VM by itself any more when it comes up.
func (d *Driver) TakeAutostart(ctx context.Context, name, vm string) error {
	h, _, err := d.host(name)
	if err != nil {
		return err
	}
	return d.change(ctx, h, "take autostart from "+vm+" on "+name, vm, func(dom *libvirt.Domain) error { return dom.SetAutostart(false) })
}

// forget takes the definition of a VM away from a host on which it does not run, and leaves its disks, its firmware's variables and
// its TPM alone: they are the VM's, wherever it runs now.
func (d *Driver) forget(ctx context.Context, a cluster.Action) error {
	h, _, err := d.host(a.From)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = d.change(ctx, h, a.String(), a.VM, func(dom *libvirt.Domain) error {
		active, err := dom.IsActive()
		if err != nil {
			return err
		}
		if active {
			return errors.New("it runs there; only the definition of a VM that does not run is taken away")
		}
		flags := libvirt.DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | libvirt.DOMAIN_UNDEFINE_KEEP_NVRAM
		err = dom.UndefineFlags(flags)
		if errors.Is(err, libvirt.ERR_INVALID_ARG) || errors.Is(err, libvirt.ERR_NO_SUPPORT) {
			return dom.Undefine() // libxl knows no flags
		}
		return err
	})
	if missing(err) {
		return nil
	}
	return err
}

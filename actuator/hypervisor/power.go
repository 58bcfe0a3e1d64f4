package hypervisor

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/permit"
	"github.com/evenkeel/evenkeel/internal/virt"
	"libvirt.org/go/libvirt"
)

// callTimeout bounds a call that starts, stops or resets a VM. Starting one waits for its process and its storage.
const callTimeout = time.Minute

// power starts, shuts down, resets, suspends or resumes a VM. A shutdown is over when the VM is off.
func (d *Driver) power(ctx context.Context, a cluster.Action) error {
	h, o, err := d.host(a.At())
	if err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if a.Kind == cluster.Start {
		if err := d.define(call, h, a); err != nil {
			return err
		}
	}
	err = d.change(call, h, a.String(), a.VM, func(dom *libvirt.Domain) error {
		switch a.Kind {
		case cluster.Start:
			if state, _, err := dom.GetState(); err == nil && state == libvirt.DOMAIN_CRASHED { // kept although its guest panicked
				if err := dom.Destroy(); err != nil {
					return err
				}
			}
			return dom.Create()
		case cluster.Shutdown:
			return dom.Shutdown()
		case cluster.Reset:
			return dom.Reset(0)
		case cluster.Suspend:
			return dom.Suspend()
		case cluster.Resume:
			return dom.Resume()
		case cluster.KindNone, cluster.Migrate, cluster.MoveStorage, cluster.Maintenance, cluster.Fence, cluster.Forget, cluster.Standby, cluster.Wake:
		}
		return fmt.Errorf("%s is no such action", a.Kind)
	})
	if err != nil || a.Kind != cluster.Shutdown {
		return err
	}
	return d.awaitOff(ctx, h, a, o.ShutdownTimeout)
}

// define has the host know the VM as it was last where it ran. Where that was here the host knows it already; what it has of one that ran
// elsewhere is older.
func (d *Driver) define(ctx context.Context, h *host, a cluster.Action) error {
	d.mu.Lock()
	kept := d.kept
	d.mu.Unlock()
	if kept == nil {
		return nil
	}
	def, err := kept.Get(a.VM)
	if err != nil { // where nothing is kept, what the host itself has must do
		return nil //nolint:nilerr // and starting it says what is missing
	}
	err = h.conn.Call(ctx, "define "+a.Name+" on "+h.Name, func(c *libvirt.Connect) error {
		if def.Host == h.Name {
			there, err := c.LookupDomainByUUIDString(a.VM)
			if err == nil {
				free(there)
			}
			if !missing(err) {
				return err
			}
		}
		if err := permit.Ask(ctx); err != nil {
			return err
		}
		dom, err := c.DomainDefineXML(def.XML)
		if err == nil {
			free(dom)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("define %s as it was on %s: %w", a.Name, def.Host, err)
	}
	return nil
}

// awaitOff waits until the guest has shut down.
func (d *Driver) awaitOff(ctx context.Context, h *host, a cluster.Action, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	poll := time.NewTicker(progressInterval)
	defer poll.Stop()
	for {
		off := new(bool)
		err := d.onDomain(ctx, h, "look whether "+a.Name+" is off", a.VM, func(dom *libvirt.Domain) error {
			state, _, err := dom.GetState()
			*off = err == nil && !virt.State(state).Active()
			return err
		})
		if missing(err) || err == nil && *off {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: the guest did not shut down within %s; does it listen to ACPI?", a, within)
		}
	}
}

package hypervisor

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
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
	err = d.onDomain(call, h, a.String(), a.VM, func(dom *libvirt.Domain) error {
		switch a.Kind {
		case cluster.Start:
			return dom.Create()
		case cluster.Shutdown:
			return dom.Shutdown()
		case cluster.Reset:
			return dom.Reset(0)
		case cluster.Suspend:
			return dom.Suspend()
		case cluster.Resume:
			return dom.Resume()
		case cluster.KindNone, cluster.Migrate, cluster.MoveStorage, cluster.Maintenance:
		}
		return fmt.Errorf("%s is no such action", a.Kind)
	})
	if err != nil || a.Kind != cluster.Shutdown {
		return err
	}
	return d.awaitOff(ctx, h, a, o.ShutdownTimeout)
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

package hypervisor

import (
	"context"
	"strings"

	"libvirt.org/go/libvirt"
)

// Probe asks whether the host's libvirt answers. Refused tells that the machine answers and nothing listens there: the kernel
// lives and the daemon does not.
func (d *Driver) Probe(ctx context.Context, name string) (answers, refused bool) {
	h, _, err := d.host(name)
	if err != nil {
		return false, false
	}
	err = h.conn.Call(ctx, "ask whether libvirt answers on "+name, func(c *libvirt.Connect) error {
		_, err := c.NumOfDomains()
		return err
	})
	// libvirt has one error for all that can happen to a socket, and only its text tells.
	return err == nil, err != nil && strings.Contains(err.Error(), "Connection refused")
}

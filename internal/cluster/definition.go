package cluster

import (
	"fmt"
	"time"
)

// Definition is what a VM is defined by, as it was at one time. It holds secrets: XML is left out wherever a
// definition is printed or encoded.
type Definition struct {
	// VM is the UUID.
	VM   string `json:"vm"`
	Name string `json:"name"`
	// Host is where it was defined when the definition was last seen there.
	Host string `json:"host"`
	// At is when it was first seen like this.
	At time.Time `json:"at"`
	// Version counts the VM's definitions from 1. It is 0 before one is kept.
	Version uint64 `json:"version"`
	// XML is libvirt's inactive definition with its secrets.
	XML string `json:"-"`
	// Autostart tells whether the host starts the VM by itself when it comes up. It is not kept: it is the host's, not the VM's.
	Autostart bool `json:"-"`
}

// String names the definition, without what is in it.
func (d Definition) String() string {
	name := d.VM
	if d.Name != "" {
		name = fmt.Sprintf("%s (%s)", d.Name, d.VM)
	}
	if d.Version > 0 {
		return fmt.Sprintf("version %d of %s", d.Version, name)
	}
	return name
}

// GoString is the same as String, for what prints values in Go's own words.
func (d Definition) GoString() string { return d.String() }

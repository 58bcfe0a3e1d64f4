package virt

import (
	"github.com/evenkeel/evenkeel/internal/cluster"
	"libvirt.org/go/libvirt"
)

// State translates libvirt's state of a domain. Xen reports a running guest that idles as blocked
// or without a state; both run.
func State(s libvirt.DomainState) cluster.VMState {
	switch s {
	case libvirt.DOMAIN_RUNNING, libvirt.DOMAIN_BLOCKED, libvirt.DOMAIN_NOSTATE:
		return cluster.VMRunning
	case libvirt.DOMAIN_PAUSED:
		return cluster.VMPaused
	case libvirt.DOMAIN_SHUTDOWN:
		return cluster.VMShutdown
	case libvirt.DOMAIN_SHUTOFF:
		return cluster.VMShutoff
	case libvirt.DOMAIN_CRASHED:
		return cluster.VMCrashed
	case libvirt.DOMAIN_PMSUSPENDED:
		return cluster.VMSuspended
	}
	return cluster.VMUnknown
}

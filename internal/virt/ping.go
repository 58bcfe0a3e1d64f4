package virt

import (
	"time"

	"libvirt.org/go/libvirt"
)

// Ping asks a VM's guest agent for a sign of life, and gives it that many whole seconds to answer. It is the one question to an agent that libvirt
// gives a deadline: any other waits until the agent answers or the guest is reset, and keeps all others from asking meanwhile. libvirt notes
// in the VM's log that it was asked in this way (tainted: custom-ga-command); that is harmless.
func Ping(dom *libvirt.Domain, limit time.Duration) error {
	_, err := dom.QemuAgentCommand(`{"execute":"guest-ping"}`, libvirt.DomainQemuAgentCommandTimeout(limit/time.Second), 0)
	return err
}

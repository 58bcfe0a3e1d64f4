package virt

import (
	"errors"
	"time"

	"libvirt.org/go/libvirt"
)

// PingTimeout is about the most that a ping takes, where nobody else asks the agent: libvirt gives an agent 5 s to show that it listens and,
// when it does, as long to answer.
const PingTimeout = 10 * time.Second

// Ping asks a VM's guest agent for a sign of life. It is the one question to an agent that libvirt gives a deadline: any other waits until the
// agent answers or the guest is reset, and keeps all others from asking meanwhile. libvirt notes in the VM's log that it was asked in this way
// (tainted: custom-ga-command); that is harmless.
func Ping(dom *libvirt.Domain) error {
	_, err := dom.QemuAgentCommand(`{"execute":"guest-ping"}`, 5, 0)
	return err
}

// Silent tells whether an error means that an agent did not answer; any other is its answer, or says that it could not be asked.
func Silent(err error) bool {
	return errors.Is(err, libvirt.ERR_AGENT_UNRESPONSIVE) || errors.Is(err, libvirt.ERR_AGENT_UNSYNCED) || errors.Is(err, libvirt.ERR_AGENT_COMMAND_TIMEOUT)
}

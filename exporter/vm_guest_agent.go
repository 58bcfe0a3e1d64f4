package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func vmGuestAgent() family {
	const source = "QemuAgentCommand, GetGuestInfo; in the background"
	up := gauge("evenkeel_vm_guest_agent_up", "", "Whether the guest agent answered when it was asked last (1) or not (0). Absent for a VM without its channel.", source, kvm, "vm")
	connected := gauge("evenkeel_vm_guest_agent_connected", "", "Whether something in the guest has the agent's channel open (1) or not (0): an agent that was stopped closes it, one whose guest hangs does not. Absent for a VM without its channel.", "GetXMLDesc; in the background", kvm, "vm")
	silent := gauge("evenkeel_vm_guest_agent_silent_seconds", "seconds", "For how long the guest agent has left questions unanswered, from the first of them on; 0 while it answers.", source, kvm, "vm")
	guest := info("evenkeel_vm_guest_info", "What the guest says that it is; 1.", source, kvm, "vm", "hostname", "os", "os_name", "os_version", "kernel")
	size := gauge("evenkeel_vm_guest_filesystem_size_bytes", "bytes", "Size of a file system inside the guest.", source, kvm, "vm", "mountpoint")
	used := gauge("evenkeel_vm_guest_filesystem_used_bytes", "bytes", "What of the file system inside the guest is used.", source, kvm, "vm", "mountpoint")
	load1 := gauge("evenkeel_vm_guest_load1", "", "Load of the guest over 1 minute, where its agent tells it (libvirt 11.2, QEMU 9.3).", source, kvm, "vm")
	load5 := gauge("evenkeel_vm_guest_load5", "", "Load of the guest over 5 minutes.", source, kvm, "vm")
	load15 := gauge("evenkeel_vm_guest_load15", "", "Load of the guest over 15 minutes.", source, kvm, "vm")
	return family{name: "vm_guest_agent", metrics: []*metric{up, connected, silent, guest, size, used, load1, load5, load15}, write: func(h *stat.Host, out *page) {
		for _, v := range h.VMs {
			if d := v.Definition; d != nil && d.AgentChannel && v.State.Active() {
				out.put(connected, boolean(d.AgentConnected), v.UUID)
			}
			a := v.Agent
			if a == nil {
				continue
			}
			out.putBool(up, a.Answers, v.UUID)
			out.putIf(silent, a.SilentSeconds, v.UUID)
			if a.Hostname != "" || a.OSName != "" {
				out.put(guest, 1, v.UUID, a.Hostname, a.OSID, a.OSName, a.OSVersion, a.Kernel)
			}
			for _, fs := range a.Filesystems {
				out.put(size, fs.Total, v.UUID, fs.Mountpoint)
				out.put(used, fs.Used, v.UUID, fs.Mountpoint)
			}
			out.putIf(load1, a.Load1, v.UUID)
			out.putIf(load5, a.Load5, v.UUID)
			out.putIf(load15, a.Load15, v.UUID)
		}
	}}
}

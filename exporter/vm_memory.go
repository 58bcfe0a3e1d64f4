package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func vmMemory() family {
	size := desc("evenkeel_vm_memory_bytes", "Configured memory of the VM.", "vm")
	balloon := desc("evenkeel_vm_memory_balloon_bytes", "Memory that the balloon leaves to the VM now.", "vm")
	unused := desc("evenkeel_vm_memory_unused_bytes", "Memory that the guest leaves unused, in its own words.", "vm")
	usable := desc("evenkeel_vm_memory_usable_bytes", "Memory that the guest's programs could have without swapping, in its own words.", "vm")
	available := desc("evenkeel_vm_memory_available_bytes", "Memory that the guest sees, in its own words.", "vm")
	rss := desc("evenkeel_vm_memory_rss_bytes", "Memory of the host that the VM's process holds.", "vm")
	return func(h stat.Host, out *sink) {
		for _, v := range h.VMs {
			out.gaugeIf(size, v.Memory.Maximum, v.UUID)
			out.gaugeIf(balloon, v.Memory.Balloon, v.UUID)
			out.gaugeIf(unused, v.Memory.Unused, v.UUID)
			out.gaugeIf(usable, v.Memory.Usable, v.UUID)
			out.gaugeIf(available, v.Memory.Available, v.UUID)
			out.gaugeIf(rss, v.Memory.RSS, v.UUID)
		}
	}
}

package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func vmMovable() family {
	movable := desc("evenkeel_vm_movable", "Whether nothing in the VM's definition forbids a live migration (1) or something does (0). Absent until the definition has been read.", "vm")
	reason := desc("evenkeel_vm_immovable_info", "Why the VM cannot be migrated live; 1.", "vm", "reason")
	return func(h stat.Host, out *sink) {
		for _, v := range h.VMs {
			if v.Identity == nil {
				continue
			}
			out.gauge(movable, boolean(v.Identity.Immovable == ""), v.UUID)
			if v.Identity.Immovable != "" {
				out.gauge(reason, 1, v.UUID, v.Identity.Immovable)
			}
		}
	}
}

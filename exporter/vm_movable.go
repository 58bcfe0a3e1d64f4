package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func vmMovable() family {
	movable := gauge("evenkeel_vm_movable", "", "Whether nothing in the VM's definition forbids a live migration (1) or something does (0). Absent until the definition has been read.", "GetXMLDesc", everywhere, "vm")
	reason := info("evenkeel_vm_immovable_info", "What forbids a live migration of the VM, a series a reason; 1.", "GetXMLDesc", everywhere, "vm", "reason")
	return family{name: "vm_movable", reads: stat.ReadDefinitions, metrics: []*metric{movable, reason}, write: func(h *stat.Host, out *page) {
		for _, v := range h.VMs {
			if v.Definition == nil {
				continue
			}
			out.put(movable, boolean(len(v.Definition.Immovable) == 0), v.UUID)
			for _, why := range v.Definition.Immovable {
				out.put(reason, 1, v.UUID, why)
			}
		}
	}}
}

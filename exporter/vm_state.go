package exporter

import (
	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func vmState() family {
	state := gauge("evenkeel_vm_state", "", "The VM's state: 1 for the state that it is in, 0 for the others.", "GetAllDomainStats state, or GetState", everywhere, "vm", "state")
	reason := info("evenkeel_vm_state_reason_info", "How the VM came into its state, in libvirt's words; 1.", "GetAllDomainStats state, or GetState", everywhere, "vm", "reason")
	persistent := gauge("evenkeel_vm_persistent", "", "Whether the VM's definition outlives the VM (1) or goes with it (0).", "ListAllDomains flags", everywhere, "vm")
	autostart := gauge("evenkeel_vm_autostart", "", "Whether the VM starts with its host (1) or not (0).", "ListAllDomains flags", everywhere, "vm")
	names := cluster.VMStates()
	return family{name: "vm_state", reads: stat.ReadDomains, metrics: []*metric{state, reason, persistent, autostart}, write: func(h *stat.Host, out *page) {
		for _, v := range h.VMs {
			for i, name := range names {
				out.put(state, boolean(cluster.VMState(i) == v.State), v.UUID, name)
			}
			if v.Reason != "" {
				out.put(reason, 1, v.UUID, v.Reason)
			}
			out.putBool(persistent, v.Persistent, v.UUID)
			out.putBool(autostart, v.Autostart, v.UUID)
		}
	}}
}

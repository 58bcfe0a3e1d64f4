package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func vmInfo() family {
	place := info("evenkeel_vm_info", "Which VM stands on which host; with evenkeel_vm_also_on_info the one series of a VM that carries a host; 1.",
		"GetAllDomainStats, or ListAllDomains", everywhere, "vm", "name", "host")
	also := info("evenkeel_vm_also_on_info", "Another host that holds the VM as well, in the state of the label: a migration is under way, left its definition behind, or the VM runs twice. All other series of the VM are about the host of evenkeel_vm_info; 1.",
		"GetAllDomainStats, or ListAllDomains", everywhere, "vm", "name", "host", "state")
	answers := gauge("evenkeel_vm_hypervisor_up", "", "Whether the VM answers to its hypervisor (1) or is stuck, or busy with a job (0); what only it can tell is absent then.",
		"GetAllDomainStats balloon.rss on KVM; or BlockStatsFlags, InterfaceStats", everywhere, "vm")
	return family{name: "vm_info", reads: stat.ReadDomains, metrics: []*metric{place, also, answers}, write: func(h *stat.Host, out *page) {
		for _, v := range h.Also {
			out.put(also, 1, v.UUID, v.Name, h.Name, v.State.String())
		}
		for _, v := range h.VMs {
			out.put(place, 1, v.UUID, v.Name, h.Name)
			out.putBool(answers, v.Answers, v.UUID)
		}
	}}
}

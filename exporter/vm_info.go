package exporter

import (
	"strconv"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

func vmInfo() family {
	info := desc("evenkeel_vm_info", "Which VM stands on which host; with evenkeel_vm_also_on_info the one series of a VM that carries a host; 1.", "vm", "name", "host")
	also := desc("evenkeel_vm_also_on_info", "A second host of the same exporter that holds the VM as well, in the state of the label: a migration is under way, or the VM runs twice. All other series of the VM are about the first host; 1.",
		"vm", "name", "host", "state")
	cpu := desc("evenkeel_vm_cpu_info", "The VM's CPU as its definition has it; compat is the group of hosts that it can run on, empty for any; 1.",
		"vm", "machine", "mode", "model", "compat")
	disk := desc("evenkeel_vm_disk_info", "A disk of the VM; pool is empty when its path lies in no pool; 1.", "vm", "device", "type", "pool", "path", "format")
	nic := desc("evenkeel_vm_network_info", "A network interface of the VM and what it is plugged into; 1.", "vm", "interface", "mac", "network")
	return func(h stat.Host, out *sink) {
		for _, v := range h.Also {
			out.gauge(also, 1, v.UUID, v.Name, h.Name, v.State.String())
		}
		for _, v := range h.VMs {
			out.gauge(info, 1, v.UUID, v.Name, h.Name)
			if v.Identity == nil {
				continue
			}
			out.gauge(cpu, 1, v.UUID, v.Identity.Machine, v.Identity.CPUMode, v.Identity.CPUModel, v.Identity.CPUCompat)
			for _, d := range v.Identity.Disks {
				out.gauge(disk, 1, v.UUID, d.Device, d.Type, d.Pool, d.Path, d.Format)
			}
			for _, n := range v.Identity.NICs {
				out.gauge(nic, 1, v.UUID, strconv.Itoa(n.Index), n.MAC, n.Network)
			}
		}
	}
}

package exporter

import (
	"strconv"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

func vmDefinition() family {
	cpu := info("evenkeel_vm_cpu_info", "The VM's machine type and CPU as its definition has them; compat is the group of hosts that it can run on, empty for any; 1.",
		"GetXMLDesc", everywhere, "vm", "machine", "mode", "model", "compat")
	disk := info("evenkeel_vm_disk_info", "A disk of the VM; pool is empty when its path lies in no pool, shared tells whether several hosts can reach it by its kind; 1.",
		"GetXMLDesc", everywhere, "vm", "device", "type", "pool", "path", "format", "shared")
	depth := gauge("evenkeel_vm_disk_backing_depth", "", "Images that stand behind the disk's own: 0 for a plain image, 1 for an overlay on a base.", "GetXMLDesc", kvm, "vm", "device")
	nic := info("evenkeel_vm_network_info", "A network interface of the VM and what it is plugged into; 1.", "GetXMLDesc", everywhere, "vm", "interface", "mac", "network")
	huge := gauge("evenkeel_vm_memory_hugepage_bytes", "bytes", "Size of the pages behind the VM's memory, 0 for ordinary ones.", "GetXMLDesc", everywhere, "vm")
	snapshots := gauge("evenkeel_vm_snapshots", "", "Snapshots that the VM has.", "SnapshotNum", kvm, "vm")
	return family{name: "vm_definition", reads: stat.ReadDefinitions, metrics: []*metric{cpu, disk, depth, nic, huge, snapshots}, write: func(h *stat.Host, out *page) {
		for _, v := range h.VMs {
			d := v.Definition
			if d == nil {
				continue
			}
			out.put(cpu, 1, v.UUID, d.Machine, d.CPUMode, d.CPUModel, d.CPUCompat)
			out.put(huge, d.HugePageBytes, v.UUID)
			out.putIf(snapshots, d.Snapshots, v.UUID)
			for _, k := range d.Disks {
				out.put(disk, 1, v.UUID, k.Device, k.Type, k.Pool, k.Path, k.Format, truth(k.Shared))
				out.putIf(depth, k.Depth, v.UUID, k.Device)
			}
			for _, n := range d.NICs {
				out.put(nic, 1, v.UUID, strconv.Itoa(n.Index), n.MAC, n.Network)
			}
		}
	}}
}

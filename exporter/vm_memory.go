package exporter

import (
	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// vmNumber is a metric of a VM with the number that it shows.
type vmNumber struct {
	metric *metric
	of     func(*stat.VM) cluster.Number
}

func vmMemory() family {
	mem := func(of func(stat.VMMemory) cluster.Number) func(*stat.VM) cluster.Number {
		return func(v *stat.VM) cluster.Number { return of(v.Memory) }
	}
	const balloon = "GetAllDomainStats balloon."
	return vmNumbers("vm_memory", stat.ReadDomains,
		vmNumber{gauge("evenkeel_vm_memory_bytes", "bytes", "Configured memory of the VM.", balloon+"maximum, or GetInfo", everywhere, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.Maximum })},
		vmNumber{gauge("evenkeel_vm_memory_balloon_bytes", "bytes", "Memory that the balloon leaves to the VM now.", balloon+"current, or GetInfo", everywhere, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.Balloon })},
		vmNumber{gauge("evenkeel_vm_memory_unused_bytes", "bytes", "Memory that the guest leaves unused, in its own words.", balloon+"unused", kvm, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.Unused })},
		vmNumber{gauge("evenkeel_vm_memory_usable_bytes", "bytes", "Memory that the guest's programs could have without swapping, in its own words.", balloon+"usable", kvm, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.Usable })},
		vmNumber{gauge("evenkeel_vm_memory_available_bytes", "bytes", "Memory that the guest sees, in its own words.", balloon+"available", kvm, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.Available })},
		vmNumber{gauge("evenkeel_vm_memory_disk_caches_bytes", "bytes", "Memory that the guest keeps for its disks and could give back, in its own words.", balloon+"disk_caches", kvm, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.Caches })},
		vmNumber{gauge("evenkeel_vm_memory_rss_bytes", "bytes", "Memory of the host that the VM's process holds.", balloon+"rss", kvm, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.RSS })},
		vmNumber{counter("evenkeel_vm_memory_swap_in_bytes_total", "bytes", "Memory that the guest read back from its swap.", balloon+"swap_in", kvm, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.SwapIn })},
		vmNumber{counter("evenkeel_vm_memory_swap_out_bytes_total", "bytes", "Memory that the guest wrote to its swap.", balloon+"swap_out", kvm, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.SwapOut })},
		vmNumber{counter("evenkeel_vm_memory_major_faults_total", "", "Page faults of the guest that had to wait for a disk.", balloon+"major_fault", kvm, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.MajorFaults })},
		vmNumber{counter("evenkeel_vm_memory_minor_faults_total", "", "Page faults of the guest that waited for no disk.", balloon+"minor_fault", kvm, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.MinorFaults })},
		vmNumber{counter("evenkeel_vm_memory_hugepages_allocated_total", "", "Huge pages that the guest allocated.", balloon+"hugetlb_pgalloc", kvm, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.HugePages })},
		vmNumber{counter("evenkeel_vm_memory_hugepages_failed_total", "", "Huge pages that the guest wanted and did not get.", balloon+"hugetlb_pgfail", kvm, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.HugePagesFailed })},
		vmNumber{gauge("evenkeel_vm_memory_told_timestamp_seconds", "seconds", "When the guest told the numbers above last, in seconds since 1970.", balloon+"last-update", kvm, "vm"), mem(func(m stat.VMMemory) cluster.Number { return m.Told })},
	)
}

// vmNumbers makes a family of one number a metric and VM.
func vmNumbers(name, reads string, numbers ...vmNumber) family {
	f := family{name: name, reads: reads}
	for _, n := range numbers {
		f.metrics = append(f.metrics, n.metric)
	}
	f.write = func(h *stat.Host, out *page) {
		for i := range h.VMs {
			for _, n := range numbers {
				out.putIf(n.metric, n.of(&h.VMs[i]), h.VMs[i].UUID)
			}
		}
	}
	return f
}

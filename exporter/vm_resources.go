package exporter

import (
	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func vmResources() family {
	of := func(of func(stat.Resources) cluster.Number) func(*stat.VM) cluster.Number {
		return func(v *stat.VM) cluster.Number {
			if v.Definition == nil {
				return cluster.Number{}
			}
			return of(v.Definition.Resources)
		}
	}
	const tune = "GetXMLDesc memtune"
	return vmNumbers("vm_resources", stat.ReadDefinitions,
		vmNumber{gauge("evenkeel_vm_cpu_shares", "", "What the VM's CPU weighs against its neighbours', in the hypervisor's own unit (cgroup shares or weight; Xen's weight).", "GetSchedulerParameters", everywhere, "vm"),
			of(func(r stat.Resources) cluster.Number { return r.Shares })},
		vmNumber{gauge("evenkeel_vm_cpu_limit_cores", "", "Cores that all vCPUs of the VM together may use; absent when nothing limits them.", "GetSchedulerParameters", everywhere, "vm"),
			of(func(r stat.Resources) cluster.Number { return r.LimitCores })},
		vmNumber{gauge("evenkeel_vm_memory_hard_limit_bytes", "bytes", "Memory of the host that the VM may use at most; absent when nothing limits it.", tune, kvm, "vm"),
			of(func(r stat.Resources) cluster.Number { return r.HardLimit })},
		vmNumber{gauge("evenkeel_vm_memory_soft_limit_bytes", "bytes", "Memory of the host that the VM may use while memory is short; absent when nothing limits it.", tune, kvm, "vm"),
			of(func(r stat.Resources) cluster.Number { return r.SoftLimit })},
		vmNumber{gauge("evenkeel_vm_memory_swap_hard_limit_bytes", "bytes", "Memory and swap of the host that the VM may use at most; absent when nothing limits it.", tune, kvm, "vm"),
			of(func(r stat.Resources) cluster.Number { return r.SwapHardLimit })},
		vmNumber{gauge("evenkeel_vm_memory_guaranteed_bytes", "bytes", "Memory that the VM is sure of; absent when it is sure of none.", tune, kvm, "vm"),
			of(func(r stat.Resources) cluster.Number { return r.Guaranteed })},
	)
}

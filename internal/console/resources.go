package console

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// unknown is what stands where a number is not known.
const unknown = "not known"

// share is what a VM has, wants and gets of CPU or memory, and what it lacks.
type share struct{ Name, Has, Wants, Gets, Lacks string }

// sharesOf counts as the score does: what a VM gets of CPU is what it wants less what its vCPUs wait for.
func sharesOf(vm cluster.VM) []share {
	cpu := share{"CPU", plural(vm.VCPUs, "vCPU"), cores(vm.CPUDemandCores), unknown, unknown}
	if vm.CPUStealRatio.Known {
		waits := vm.CPUStealRatio.Value * float64(vm.VCPUs)
		cpu.Gets = cores(max(0, vm.CPUDemandCores-waits))
		cpu.Lacks = fmt.Sprintf("waits for %s, %s of the time", cores(waits), percent(vm.CPUStealRatio.Value))
	}
	memory := share{"Memory", size(float64(vm.MemoryBytes)), size(float64(vm.MemoryDemandBytes)), unknown, unknown}
	if vm.MemoryBalloonBytes.Known {
		memory.Gets = size(vm.MemoryBalloonBytes.Value)
		memory.Lacks = "its balloon holds " + size(max(0, float64(vm.MemoryBytes)-vm.MemoryBalloonBytes.Value))
	}
	return []share{cpu, memory}
}

// burden is what a host has, what is wanted of it and what was promised to the VMs on it.
type burden struct{ Name, Has, Wanted, Own, Promised string }

// burdensOf are those of the host at that place of the snapshot.
func burdensOf(s cluster.Snapshot, at int) []burden {
	p, h := cluster.NewPlacement(s), s.Hosts[at]
	vcpus := 0
	for i, vm := range s.VMs {
		if p.At(i) == at {
			vcpus += vm.VCPUs
		}
	}
	ofCores, ofMemory := "", ""
	if h.CPUCores > 0 {
		ofCores = fmt.Sprintf(", %.2f for each core", float64(vcpus)/h.CPUCores)
	}
	promised := float64(p.Promised(at) - h.ReservedMemoryBytes)
	if h.MemoryBytes > 0 {
		ofMemory = ", " + percent(promised/float64(h.MemoryBytes)) + " of it"
	}
	return []burden{
		{"CPU", cores(h.CPUCores), cores(max(0, p.CPU(at))), cores(h.ReservedCPUCores), plural(vcpus, "vCPU") + ofCores},
		{"Memory", size(float64(h.MemoryBytes)), size(max(0, p.Memory(at))), size(float64(h.ReservedMemoryBytes)), size(promised) + ofMemory},
	}
}

func cores(n float64) string { return fmt.Sprintf("%.2f cores", n) }

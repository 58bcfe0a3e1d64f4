package plan

import (
	"fmt"

	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// typicalLoad is the share of its vCPUs that a new VM is taken to use where the cluster has none to learn from.
const typicalLoad = 0.3

// Placement says where a VM should start, and why there.
type Placement struct {
	VM cluster.VM `json:"vm"`
	// Host is where it should start, empty when no host can take it.
	Host   string `json:"host"`
	Reason string `json:"reason"`
	// Candidates are the others that could take it, the best first, and what forbids the rest.
	Candidates []cluster.Candidate `json:"candidates"`
}

// Place finds the host on which a VM that does not run yet costs the cluster least. What it will use is taken
// from what the other VMs use of their sizes, where the VM itself does not say. A host where it would break what
// the cluster is to survive is none for it.
func Place(s cluster.Snapshot, findings []cluster.Finding, p Policy, vm cluster.VM) Placement {
	w := newWork(withVM(s, vm), findings, p)
	v, _ := w.place.VMIndex(vm.ID)
	out := Placement{VM: w.snap.VMs[v], Candidates: []cluster.Candidate{}}
	if !p.IgnoreAdmission {
		w.guard = admission.NewGuard(w.place, p.Admission, p.Limits)
	}
	to := w.cheapest(v, p.Limits)
	if to >= 0 {
		load := w.place.LoadAt(to)
		out.Host = load.Host
		out.Reason = fmt.Sprintf("%s has most room for it: CPU %.0f %% and memory %.0f %% in use before; it is taken to use %.2f cores and %.1f GiB",
			load.Host, 100*load.CPUUtilisation, 100*load.MemoryUtilisation, out.VM.CPUDemandCores, float64(out.VM.MemoryDemandBytes)/(1<<30))
	}
	out.Candidates = append(out.Candidates, w.candidates(v, to, p.Limits)...)
	if to < 0 {
		out.Reason = "no host can take it: " + w.obstacles(v, p.Limits)
	}
	return out
}

// withVM adds a VM that runs nowhere and may run anywhere that it can.
func withVM(s cluster.Snapshot, vm cluster.VM) cluster.Snapshot {
	cpu, memory := typical(s)
	if vm.CPUDemandCores == 0 {
		vm.CPUDemandCores = cpu * float64(vm.VCPUs)
	}
	if vm.MemoryDemandBytes == 0 {
		vm.MemoryDemandBytes = int64(memory * float64(vm.MemoryBytes))
	}
	vm.State, vm.Movable, vm.Host, vm.MigratingTo = cluster.VMRunning, true, "", ""
	all := make([]cluster.VM, 0, len(s.VMs)+1)
	s.VMs = append(append(all, s.VMs...), vm)
	s.Sort()
	return s
}

// typical is which share of its vCPUs, and of its memory, a running VM uses on average.
func typical(s cluster.Snapshot) (cpu, memory float64) {
	var cores, vcpus, used, size float64
	for i := range s.VMs {
		if v := &s.VMs[i]; v.State == cluster.VMRunning {
			cores, vcpus = cores+v.CPUDemandCores, vcpus+float64(v.VCPUs)
			used, size = used+float64(v.MemoryDemandBytes), size+float64(v.MemoryBytes)
		}
	}
	if vcpus == 0 || size == 0 {
		return typicalLoad, 1
	}
	return cores / vcpus, min(1, used/size)
}

package detect

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// contendedVM finds VMs that wait for the CPU, and names the neighbour that uses most of it.
func contendedVM(p *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	loudest := loudestByHost(p, s)
	var found []cluster.Finding
	for i := range s.VMs {
		v := &s.VMs[i]
		at := p.At(i)
		if v.State != cluster.VMRunning || at < 0 || !p.UsableAt(at) || !v.CPUStealRatio.Known || pol.StealRatio <= 0 || v.CPUStealRatio.Value <= pol.StealRatio {
			continue
		}
		f := cluster.Finding{Detector: "contended_vm", Subject: cluster.VMSubject(v.ID),
			Reason:   fmt.Sprintf("%s waits for the CPU in %.0f %% of its vCPUs' time, over %.0f %%", v.Label(), 100*v.CPUStealRatio.Value, 100*pol.StealRatio),
			Evidence: []cluster.Evidence{{Name: "steal_ratio", Value: v.CPUStealRatio.Value, Limit: cluster.Known(pol.StealRatio), Unit: "ratio", Query: s.Query("cpu_steal_ratio")}}}
		noisy := loudest[at][0]
		if noisy == i {
			noisy = loudest[at][1]
		}
		if noisy >= 0 {
			n := &s.VMs[noisy]
			f.Reason += fmt.Sprintf("; its noisiest neighbour on %s is %s with %.2f cores", s.Hosts[at].ID, n.Label(), n.CPUDemandCores)
			f.Evidence = append(f.Evidence, cluster.Evidence{Name: "neighbour_cpu_demand:" + n.Label(), Value: n.CPUDemandCores, Unit: "cores", Query: s.Query("cpu_demand_cores")})
		}
		found = append(found, f)
	}
	return found
}

// loudestByHost gives for each host the two VMs on it that want most CPU, -1 for none.
func loudestByHost(p *cluster.Placement, s cluster.Snapshot) [][2]int {
	top := make([][2]int, len(s.Hosts))
	for h := range top {
		top[h] = [2]int{-1, -1}
	}
	wants := func(v int) float64 {
		if v < 0 {
			return -1
		}
		return s.VMs[v].CPUDemandCores
	}
	for v := range s.VMs {
		h := p.At(v)
		switch {
		case h < 0:
		case wants(v) > wants(top[h][0]):
			top[h] = [2]int{v, top[h][0]}
		case wants(v) > wants(top[h][1]):
			top[h][1] = v
		}
	}
	return top
}

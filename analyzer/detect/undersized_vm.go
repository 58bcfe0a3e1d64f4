package detect

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// undersizedVM finds VMs that use all that they have.
func undersizedVM(_ *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	var found []cluster.Finding
	for i := range s.VMs {
		v := &s.VMs[i]
		if v.State != cluster.VMRunning || !v.CPUPeakCores.Known || v.VCPUs == 0 {
			continue
		}
		if use := v.CPUPeakCores.Value / float64(v.VCPUs); use > pol.Undersized {
			found = append(found, cluster.Finding{Detector: "undersized_vm", Subject: cluster.VMSubject(v.ID),
				Reason:   fmt.Sprintf("%s used %.0f %% of its %d vCPUs at its peak of the last day, over %.0f %%", v.Label(), 100*use, v.VCPUs, 100*pol.Undersized),
				Evidence: []cluster.Evidence{{Name: "cpu_peak_ratio", Value: use, Limit: cluster.Known(pol.Undersized), Unit: "ratio", Query: s.Query("cpu_peak_cores")}}})
		}
	}
	return found
}

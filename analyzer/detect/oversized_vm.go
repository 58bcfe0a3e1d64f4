package detect

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// oversizedVM finds VMs that need much less than they have, and says what would do.
func oversizedVM(_ *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	var found []cluster.Finding
	for i := range s.VMs {
		v := &s.VMs[i]
		if v.State != cluster.VMRunning {
			continue
		}
		var why []string
		var evidence []cluster.Evidence
		if v.CPUPeakCores.Known && v.VCPUs > 1 && v.CPUPeakCores.Value < pol.Oversized*float64(v.VCPUs) {
			enough := max(1, int(v.CPUPeakCores.Value/pol.Undersized)+1)
			why = append(why, fmt.Sprintf("%d vCPUs, of which it used %.2f at its peak of the last day: %d would do", v.VCPUs, v.CPUPeakCores.Value, enough))
			evidence = append(evidence, cluster.Evidence{Name: "cpu_peak_ratio", Value: v.CPUPeakCores.Value / float64(v.VCPUs), Limit: cluster.Known(pol.Oversized), Unit: "ratio", Query: s.Query("cpu_peak_cores")})
		}
		if v.MemoryPeakBytes.Known && v.MemoryBytes > 0 && v.MemoryPeakBytes.Value < pol.Oversized*float64(v.MemoryBytes) {
			why = append(why, fmt.Sprintf("%.1f GiB of memory, of which it used %.1f at its peak of the last day", float64(v.MemoryBytes)/(1<<30), v.MemoryPeakBytes.Value/(1<<30)))
			evidence = append(evidence, cluster.Evidence{Name: "memory_peak_ratio", Value: v.MemoryPeakBytes.Value / float64(v.MemoryBytes), Limit: cluster.Known(pol.Oversized), Unit: "ratio", Query: s.Query("memory_peak_bytes")})
		}
		if len(why) > 0 {
			found = append(found, cluster.Finding{Detector: "oversized_vm", Subject: cluster.VMSubject(v.ID), Reason: v.Label() + " has " + strings.Join(why, "; "), Evidence: evidence})
		}
	}
	return found
}

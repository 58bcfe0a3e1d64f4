package detect

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// idleVM finds VMs that did nothing for a day.
func idleVM(_ *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	var found []cluster.Finding
	for i := range s.VMs {
		v := &s.VMs[i]
		if v.State != cluster.VMRunning || v.VCPUs == 0 || !v.CPUPeakCores.Known || !v.IOBytesPerSecond.Known {
			continue
		}
		if use := v.CPUPeakCores.Value / float64(v.VCPUs); use < pol.IdleVM && v.IOBytesPerSecond.Value < pol.IdleIO {
			found = append(found, cluster.Finding{Detector: "idle_vm", Subject: cluster.VMSubject(v.ID),
				Reason: fmt.Sprintf("%s used at most %.1f %% of its %d vCPUs in the last day and moved %.0f bytes a second", v.Label(), 100*use, v.VCPUs, v.IOBytesPerSecond.Value),
				Evidence: []cluster.Evidence{
					{Name: "cpu_peak_ratio", Value: use, Limit: cluster.Known(pol.IdleVM), Unit: "ratio", Query: s.Query("cpu_peak_cores")},
					{Name: "io", Value: v.IOBytesPerSecond.Value, Limit: cluster.Known(pol.IdleIO), Unit: "bytes/s", Query: s.Query("io_bytes_per_second")}}})
		}
	}
	return found
}

package detect

import (
	"fmt"
	"strings"

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

// unmovableVM finds running VMs that cannot be moved, and why.
func unmovableVM(_ *cluster.Placement, s cluster.Snapshot, _ Policy) []cluster.Finding {
	var found []cluster.Finding
	for i := range s.VMs {
		v := &s.VMs[i]
		if v.State != cluster.VMRunning || v.Movable || v.ImmovableReason == "" {
			continue
		}
		found = append(found, cluster.Finding{Detector: "unmovable_vm", Subject: cluster.VMSubject(v.ID), Reason: v.Label() + " cannot be moved: " + v.ImmovableReason,
			Evidence: []cluster.Evidence{{Name: "movable", Value: 0, Limit: cluster.Known(1), Unit: "boolean", Query: s.Query("movable")}}})
	}
	return found
}

// staleData finds hosts and VMs that could not be seen properly. Nothing is planned with them.
func staleData(_ *cluster.Placement, s cluster.Snapshot, _ Policy) []cluster.Finding {
	var found []cluster.Finding
	for _, g := range s.Gaps {
		found = append(found, cluster.Finding{Detector: "stale_data", Subject: g.Subject, Reason: g.Reason,
			Evidence: []cluster.Evidence{{Name: "gap", Value: 1, Limit: cluster.Known(0), Unit: "boolean", Query: s.Query("host")}}})
	}
	return found
}

// secondScheduler finds that VMs move which evenkeel did not move: another scheduler would undo what it does.
func secondScheduler(_ *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	if !s.OwnMovesLastDay.Known || pol.ForeignMoves <= 0 {
		return nil
	}
	seen := 0
	for i := range s.VMs {
		seen += s.VMs[i].MovesLastDay
	}
	foreign := float64(seen) - s.OwnMovesLastDay.Value
	if foreign <= pol.ForeignMoves {
		return nil
	}
	return []cluster.Finding{{Detector: "second_scheduler", Subject: "cluster",
		Reason:   fmt.Sprintf("VMs were moved %d times in the last day and evenkeel did %.0f of it: another scheduler, or many hands, are at work", seen, s.OwnMovesLastDay.Value),
		Evidence: []cluster.Evidence{{Name: "foreign_moves", Value: foreign, Limit: cluster.Known(pol.ForeignMoves), Unit: "moves a day", Query: s.Query("moves_last_day")}}}}
}

package detect

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// contendedHost finds hosts on which VMs do not get what they want: more is wanted than there is, tasks
// wait for the CPU or for memory, or a host is fuller than a target may be.
func contendedHost(p *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	steal := stealByHost(s)
	var found []cluster.Finding
	for i, h := range s.Hosts {
		if !p.UsableAt(i) {
			continue
		}
		l := p.LoadAt(i)
		var why []string
		var evidence []cluster.Evidence
		for _, n := range []struct {
			name, what, number string
			value, limit       float64
			known              bool
		}{
			{"cpu_utilisation", "CPU demand is", "cpu_demand_cores", l.CPUUtilisation, pol.Limits.MaxCPUUtilisation, !quiet(h, l, pol)},
			{"memory_utilisation", "memory in use is", "memory_demand_bytes", l.MemoryUtilisation, pol.Limits.MaxMemoryUtilisation, true},
			{"cpu_pressure", "tasks wait for the CPU in", "cpu_pressure_ratio", h.CPUPressureRatio.Value, pol.CPUPressure, h.CPUPressureRatio.Known},
			{"memory_pressure", "tasks wait for memory in", "memory_pressure_ratio", h.MemoryPressureRatio.Value, pol.MemoryPressure, h.MemoryPressureRatio.Known},
		} {
			if !n.known || n.limit <= 0 || n.value <= n.limit {
				continue
			}
			of := "of the host"
			if strings.Contains(n.name, "pressure") {
				of = "of the time"
			}
			why = append(why, fmt.Sprintf("%s %.0f %% %s, over %.0f %%", n.what, 100*n.value, of, 100*n.limit))
			evidence = append(evidence, cluster.Evidence{Name: n.name, Value: n.value, Limit: cluster.Known(n.limit), Unit: "ratio", Query: s.Query(n.number)})
		}
		if len(why) > 0 {
			found = append(found, cluster.Finding{Detector: "contended_host", Subject: cluster.HostSubject(h.ID),
				Reason: h.ID + ": " + strings.Join(why, "; "), Evidence: append(evidence, steal[h.ID]...)})
		}
	}
	return found
}

// quiet tells that a host that is full on paper is not in fact: percentiles of the demand of many VMs add up to
// more than the host ever sees at once, and its tasks are known to wait hardly ever.
func quiet(h cluster.Host, l cluster.Load, pol Policy) bool {
	return l.CPUUtilisation <= 1 && h.CPUPressureRatio.Known && h.CPUPressureRatio.Value < pol.CPUPressure/5
}

package detect

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// idleHost finds hosts that are hardly used.
func idleHost(p *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	var found []cluster.Finding
	for i, h := range s.Hosts {
		l := p.LoadAt(i)
		if !p.UsableAt(i) || l.CPUUtilisation >= pol.IdleHost {
			continue
		}
		f := cluster.Finding{Detector: "idle_host", Subject: cluster.HostSubject(h.ID),
			Reason:   fmt.Sprintf("%s is hardly used: CPU demand is %.0f %%, under %.0f %%, with %d VMs", h.ID, 100*l.CPUUtilisation, 100*pol.IdleHost, l.VMs),
			Evidence: []cluster.Evidence{{Name: "cpu_utilisation", Value: l.CPUUtilisation, Limit: cluster.Known(pol.IdleHost), Unit: "ratio", Query: s.Query("cpu_demand_cores")}}}
		if h.IdleWatts.Known {
			f.Evidence = append(f.Evidence, cluster.Evidence{Name: "idle_watts", Value: h.IdleWatts.Value, Unit: "W"})
		}
		found = append(found, f)
	}
	return found
}

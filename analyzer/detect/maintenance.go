package detect

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// maintenance finds hosts in maintenance that still have VMs.
func maintenance(p *cluster.Placement, s cluster.Snapshot, _ Policy) []cluster.Finding {
	var found []cluster.Finding
	for i, h := range s.Hosts {
		if l := p.LoadAt(i); h.State == cluster.HostMaintenance && l.VMs > 0 {
			found = append(found, cluster.Finding{Detector: "maintenance", Subject: cluster.HostSubject(h.ID),
				Reason:   fmt.Sprintf("%s is in maintenance and still has %d VMs", h.ID, l.VMs),
				Evidence: []cluster.Evidence{{Name: "vms", Value: float64(l.VMs), Limit: cluster.Known(0), Unit: "VMs", Query: s.Query("host")}}})
		}
	}
	return found
}

package detect

import (
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// staleData finds hosts and VMs that could not be seen properly. Nothing is planned with them.
func staleData(_ *cluster.Placement, s cluster.Snapshot, _ Policy) []cluster.Finding {
	var found []cluster.Finding
	for _, g := range s.Gaps {
		found = append(found, cluster.Finding{Detector: "stale_data", Subject: g.Subject, Reason: g.Reason,
			Evidence: []cluster.Evidence{{Name: "gap", Value: 1, Limit: cluster.Known(0), Unit: "boolean", Query: s.Query("host")}}})
	}
	return found
}

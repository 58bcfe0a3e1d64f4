package detect

import (
	"fmt"

	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// reserveBroken tells the first failure that the cluster would not survive although the policy asks for it, and
// how many more there are.
func reserveBroken(p *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	r := admission.Check(p, pol.Admission, pol.Limits)
	broken := r.Broken()
	if len(broken) == 0 {
		return nil
	}
	worst := broken[0]
	reason := worst.Reason
	if n := len(broken) - 1; n > 0 {
		reason += fmt.Sprintf(" (and %d more of %d cases)", n, len(r.Cases))
	}
	evidence := []cluster.Evidence{{Name: "failover_cases_not_ok", Value: float64(len(broken)), Limit: cluster.Known(0), Unit: "cases", Query: s.Query("host")}}
	if len(worst.Failed) > 0 {
		evidence = append(evidence,
			cluster.Evidence{Name: "hosts_that_fail", Value: float64(len(worst.Failed)), Unit: "hosts"},
			cluster.Evidence{Name: "memory_to_start", Value: float64(worst.NeededBytes), Unit: "bytes", Query: s.Query("host")},
			cluster.Evidence{Name: "memory_left_for_it", Value: float64(worst.FreeBytes), Unit: "bytes", Query: s.Query("host")})
	}
	return []cluster.Finding{{Detector: "reserve_broken", Subject: "cluster", Reason: reason, Evidence: evidence}}
}

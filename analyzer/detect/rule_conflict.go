package detect

import (
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// ruleConflict finds rules that no placement can keep, and rules that tie nothing.
func ruleConflict(p *cluster.Placement, s cluster.Snapshot, _ Policy) []cluster.Finding {
	var found []cluster.Finding
	for _, c := range p.Conflicts() {
		f := cluster.Finding{Detector: "rule_conflict", Subject: ruleSubject(c.Rules...), Reason: c.Reason,
			Evidence: []cluster.Evidence{{Name: "rules", Value: float64(len(c.Rules)), Limit: cluster.Known(0), Unit: "rules", Query: s.Query("host")}}}
		if !slices.ContainsFunc(found, func(o cluster.Finding) bool { return o.Subject == f.Subject && o.Reason == f.Reason }) {
			found = append(found, f)
		}
	}
	return found
}

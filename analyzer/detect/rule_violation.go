package detect

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// ruleViolation finds rules that do not hold, and names the VMs.
func ruleViolation(p *cluster.Placement, s cluster.Snapshot, _ Policy) []cluster.Finding {
	conflicting := map[string]bool{}
	for _, c := range p.Conflicts() {
		for _, name := range c.Rules {
			conflicting[name] = true
		}
	}
	var found []cluster.Finding
	for _, r := range p.RuleStates() {
		if r.Violations == 0 || conflicting[r.Rule.Name] {
			continue
		}
		var where []string
		for _, v := range r.VMs {
			if host := p.HostOf(s.VMs[v].ID); host != "" {
				where = append(where, s.VMs[v].Label()+" on "+host)
			}
		}
		found = append(found, cluster.Finding{Detector: "rule_violation", Subject: ruleSubject(r.Rule.Name),
			Reason: fmt.Sprintf("rule %s (%s, %s) does not hold: %d of its VMs would have to move; %s",
				r.Rule.Name, r.Rule.Kind, r.Rule.Strength, r.Violations, some(where)),
			Evidence: []cluster.Evidence{{Name: "violations", Value: float64(r.Violations), Limit: cluster.Known(0), Unit: "VMs", Query: s.Query("host")}}})
	}
	return found
}

// ruleSubject names a rule as the subject of a finding.
func ruleSubject(names ...string) string { return "rule/" + strings.Join(names, ",") }

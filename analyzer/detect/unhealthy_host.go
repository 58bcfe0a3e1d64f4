package detect

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// unhealthyHost finds hosts of which a part is broken or about to be.
func unhealthyHost(p *cluster.Placement, s cluster.Snapshot, _ Policy) []cluster.Finding {
	var found []cluster.Finding
	for i, h := range s.Hosts {
		if len(h.Faults) == 0 || !p.UsableAt(i) {
			continue
		}
		var why []string
		var evidence []cluster.Evidence
		for _, f := range h.Faults {
			text := fmt.Sprintf("%s of %s is %.3g", strings.ReplaceAll(f.Kind.String(), "_", " "), f.Detail, f.Value)
			if f.Limit.Known {
				text += fmt.Sprintf(" (limit %.3g)", f.Limit.Value)
			}
			why = append(why, text)
			evidence = append(evidence, cluster.Evidence{Name: f.Kind.String() + ":" + f.Detail, Value: f.Value, Limit: f.Limit, Query: f.Query})
		}
		found = append(found, cluster.Finding{Detector: "unhealthy_host", Subject: cluster.HostSubject(h.ID), Reason: strings.Join(why, "; "), Evidence: evidence})
	}
	return found
}

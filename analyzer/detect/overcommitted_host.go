package detect

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// overcommittedHost finds hosts that have promised more than they have: memory beyond the limit, or too many
// vCPUs for each core.
func overcommittedHost(p *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	vcpus := make([]int, len(s.Hosts))
	for v := range s.VMs {
		if h := p.At(v); h >= 0 {
			vcpus[h] += s.VMs[v].VCPUs
		}
	}
	var found []cluster.Finding
	for i, h := range s.Hosts {
		if !p.UsableAt(i) {
			continue
		}
		var why []string
		var evidence []cluster.Evidence
		note := func(name, unit string, value, limit float64, text string) {
			why = append(why, text)
			evidence = append(evidence, cluster.Evidence{Name: name, Value: value, Limit: cluster.Known(limit), Unit: unit, Query: s.Query("host")})
		}
		if share := float64(p.Promised(i)) / float64(h.MemoryBytes); pol.Limits.MaxMemoryUtilisation > 0 && share > pol.Limits.MaxMemoryUtilisation {
			note("memory_promised_ratio", "ratio", share, pol.Limits.MaxMemoryUtilisation, fmt.Sprintf("%.0f %% of its memory is promised to VMs and itself, over %.0f %%", 100*share, 100*pol.Limits.MaxMemoryUtilisation))
		}
		if each := float64(vcpus[i]) / h.CPUCores; pol.VCPUsPerCore > 0 && each > pol.VCPUsPerCore {
			note("vcpus_per_core", "vCPUs", each, pol.VCPUsPerCore, fmt.Sprintf("%.1f vCPUs share a core, over %g", each, pol.VCPUsPerCore))
		}
		if len(why) > 0 {
			found = append(found, cluster.Finding{Detector: "overcommitted_host", Subject: cluster.HostSubject(h.ID), Reason: h.ID + ": " + strings.Join(why, "; "), Evidence: evidence})
		}
	}
	return found
}

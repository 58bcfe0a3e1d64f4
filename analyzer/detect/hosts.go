package detect

import (
	"fmt"
	"strings"

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

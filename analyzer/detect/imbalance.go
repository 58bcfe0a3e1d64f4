package detect

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// spreadLimit is how far the fullest host may stand above the mean of all hosts, as a ratio of a
// host, at each migration threshold. At 1 only what is mandatory is done and no spread is too much.
func spreadLimit(threshold int) (limit float64, any bool) {
	switch threshold {
	case 2:
		return 0.30, true
	case 3:
		return 0.20, true
	case 4:
		return 0.10, true
	case 5:
		return 0.05, true
	}
	return 0, false
}

// imbalance finds hosts that stand out: more CPU or memory in use than the cluster's mean by more
// than the spread limit, while other hosts have room. One finding a host, the reasons together.
func imbalance(p *cluster.Placement, s cluster.Snapshot, pol Policy) []cluster.Finding {
	limit, any := spreadLimit(pol.Threshold)
	if !any {
		return nil
	}
	a, steal := p.Assess(), stealByHost(s)
	var found []cluster.Finding
	for _, l := range p.Loads() {
		if !p.Usable(l.Host) {
			continue
		}
		var why []string
		var evidence []cluster.Evidence
		for _, r := range []struct {
			what, number string
			use, mean    float64
		}{
			{"CPU", "cpu_demand_cores", l.CPUUtilisation, a.MeanCPUUtilisation},
			{"memory", "memory_demand_bytes", l.MemoryUtilisation, a.MeanMemoryUtilisation},
		} {
			if r.use-r.mean <= limit {
				continue
			}
			why = append(why, fmt.Sprintf("%s demand is %.0f %% of %s, %.0f points above the cluster's mean of %.0f %%",
				r.what, 100*r.use, l.Host, 100*(r.use-r.mean), 100*r.mean))
			evidence = append(evidence, cluster.Evidence{
				Name: strings.ToLower(r.what) + "_utilisation_above_mean", Value: r.use - r.mean,
				Limit: cluster.Known(limit), Unit: "ratio", Query: s.Query(r.number),
			}, cluster.Evidence{Name: strings.ToLower(r.what) + "_utilisation", Value: r.use, Unit: "ratio", Query: s.Query(r.number)})
		}
		if len(why) == 0 {
			continue
		}
		evidence = append(evidence, steal[l.Host]...)
		found = append(found, cluster.Finding{
			Detector: "imbalance", Subject: cluster.HostSubject(l.Host),
			Reason: strings.Join(why, "; "), Evidence: evidence,
		})
	}
	return found
}

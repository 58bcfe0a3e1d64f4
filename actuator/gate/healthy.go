package gate

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// healthy refuses when too few hosts are seen and up: then the cluster, or what watches it, has a greater trouble,
// and moving VMs about in it would add to that.
func healthy(q Question) cluster.Verdict {
	well := 0
	for _, h := range q.Snapshot.Hosts {
		if (h.State == cluster.HostUp || h.State == cluster.HostMaintenance || h.State == cluster.HostStandby) && q.Snapshot.GapOf(cluster.HostSubject(h.ID)) == "" {
			well++
		}
	}
	all := len(q.Snapshot.Hosts)
	if q.Rec.Recovers() { // what is proven off is no fault of the monitoring
		for _, h := range q.Snapshot.Hosts {
			if q.off(h.ID) {
				all--
			}
		}
	}
	if all == 0 || float64(well) < q.Policy.MinHealthy*float64(all) {
		return refuse("few-hosts", fmt.Sprintf("%d of %d hosts are seen and well, and %.0f %% must be; suspect the monitoring or the network first", well, all, 100*q.Policy.MinHealthy))
	}
	return pass(fmt.Sprintf("%d of %d hosts are seen and well", well, all))
}

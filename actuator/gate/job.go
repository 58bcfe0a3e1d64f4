package gate

import (
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// jobless are the kinds of action that are done to no running VM.
func jobless() []cluster.Kind {
	return []cluster.Kind{cluster.Maintenance, cluster.Start, cluster.Fence, cluster.Forget, cluster.Standby, cluster.Wake}
}

// job refuses while the hypervisor works on the VM already: a backup, a snapshot, another migration.
func job(q Question) cluster.Verdict {
	a := q.Rec.Action
	if slices.Contains(jobless(), a.Kind) {
		return pass("there is no running VM for which another job could be under way")
	}
	_, busy, answered := q.Sighting.On(a.From)
	for _, h := range q.Sighting.Hosts {
		busy = busy || h.Host == a.From && h.Copying
	}
	if !answered || q.Sighting.VM != a.VM {
		return refuse("not-seen", fmt.Sprintf("nobody knows whether %s works on the VM", a.From))
	}
	if busy {
		return refuse("job", fmt.Sprintf("another job is under way for the VM on %s: a backup, a snapshot, a block copy or a migration", a.From))
	}
	return pass(fmt.Sprintf("%s works on nothing else for the VM", a.From))
}

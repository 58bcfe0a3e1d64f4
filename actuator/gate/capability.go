package gate

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// capability refuses what the hypervisor is known to be unable to do.
func capability(q Question) cluster.Verdict {
	a := q.Rec.Action
	if len(a.Hosts()) == 0 {
		return refuse("unknown-action", "it names no host, so nobody can tell what that can do")
	}
	for _, id := range a.Hosts() {
		h, known := q.Snapshot.Host(id)
		if !known {
			return refuse("unknown-host", fmt.Sprintf("Prometheus knows no host %s, so nobody can tell what it can do", id))
		}
		if why := a.Kind.Unable(h.Hypervisor); why != "" {
			return refuse("unable", fmt.Sprintf("%s: %s", id, why))
		}
	}
	return pass(fmt.Sprintf("its hypervisor can %s", a.Kind))
}

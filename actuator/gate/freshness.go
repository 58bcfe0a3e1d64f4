package gate

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// freshness refuses when the data behind the decision are old, missing or contradictory for the
// VM or for either host.
func freshness(q Question) cluster.Verdict {
	a := q.Rec.Action
	if q.SnapshotError != "" {
		return refuse("stale", "no snapshot could be taken: "+q.SnapshotError)
	}
	if q.Snapshot.At.IsZero() {
		return refuse("stale", "there is no snapshot")
	}
	if age := q.Now.Sub(q.Snapshot.At); age < 0 || age > q.Policy.MaxDataAge {
		return refuse("stale", fmt.Sprintf("the newest snapshot is %s old, the limit is %s; is Prometheus reachable?",
			age.Round(time.Second), q.Policy.MaxDataAge))
	}
	subjects := []string{"cluster"}
	if a.Kind != cluster.Fence && a.Kind != cluster.Wake && a.Kind != cluster.Forget { // about hosts that give no data; about a definition alone
		subjects = append(subjects, a.Subjects()...)
	}
	for _, subject := range subjects {
		if why := q.Snapshot.GapOf(subject); why != "" {
			return refuse("gap", fmt.Sprintf("%s: %s", subject, why))
		}
	}
	return pass(fmt.Sprintf("the data are %s old", q.Now.Sub(q.Snapshot.At).Round(time.Second/10)))
}

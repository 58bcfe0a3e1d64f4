package gate

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// scheduler refuses to work against another scheduler: when VMs move that evenkeel did not move, it needs a
// person's word.
func scheduler(q Question) cluster.Verdict {
	n, most := q.Snapshot.ForeignMoves(), q.Policy.ForeignMoves
	switch {
	case q.Rec.Action.Kind != cluster.Migrate:
		return pass("it moves no VM to another host")
	case most <= 0:
		return pass("others may move VMs as well")
	case q.Approval != nil:
		return pass(fmt.Sprintf("others moved VMs %.0f times in the last day, and %s approved it", n, q.Approval.Who))
	case !q.Snapshot.OwnMovesLastDay.Known:
		return refuse("unknown", "Prometheus does not know how many migrations evenkeel made, so nobody can tell whether others move VMs; let it scrape the server, or approve it")
	case n > most:
		return refuse("second-scheduler", fmt.Sprintf("others moved VMs %.0f times in the last day, more than %.0f: another scheduler, or many hands, are at work; it needs a person's yes", n, most))
	}
	return pass(fmt.Sprintf("others moved VMs %.0f times in the last day", n))
}

package gate

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// approval asks for a person's word, but at level full, and at level partial for what is
// mandatory (priority 1).
func approval(q Question) cluster.Verdict {
	l := EffectiveLevel(q)
	switch {
	case q.Approval != nil:
		return pass(fmt.Sprintf("approved by %s at %s", q.Approval.Who, q.Approval.At.UTC().Format(time.RFC3339)))
	case l == cluster.LevelFull:
		return pass("not needed at automation level full")
	case l == cluster.LevelPartial && q.Rec.Priority == 1:
		return pass("not needed for what is mandatory at automation level partial")
	}
	return refuse("not-approved", fmt.Sprintf("nobody has approved %s", q.Rec.ID))
}

package gate

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// rejection heeds a person's no for a while, whatever the ID of the advice is by then: the same move
// is not done by itself. A later yes counts.
func rejection(q Question) cluster.Verdict {
	if q.Rejected == nil || q.Approval != nil && q.Approval.At.After(q.Rejected.At) {
		return pass("nobody said no to this")
	}
	until := q.Rejected.At.Add(q.Policy.RejectionCoolDown)
	if q.Now.Before(until) {
		return retryAt(refuse("rejected", fmt.Sprintf("%s said no to this at %s; without a new yes it is left alone until %s",
			q.Rejected.Who, q.Rejected.At.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339))), until)
	}
	return pass(fmt.Sprintf("%s said no at %s, which is long ago", q.Rejected.Who, q.Rejected.At.UTC().Format(time.RFC3339)))
}

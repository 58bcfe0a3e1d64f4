package gate

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// maxDoublings caps the cool-down at 64 times its base.
const maxDoublings = 6

// failures leaves a VM alone for a while after the same failed with it, twice as long after each
// further failure in a row. What failed is not tried again blindly.
func failures(q Question) cluster.Verdict {
	n := len(q.Failures)
	if n == 0 {
		return pass("no failed attempt since its last success")
	}
	base := q.Policy.FailureCoolDown
	if q.Rec.Recovers() {
		base = q.Policy.RecoveryBackOff
	}
	wait := base << min(n-1, maxDoublings)
	last := q.Failures[n-1]
	if until := last.Add(wait); q.Now.Before(until) {
		return retryAt(refuse("cool-down", fmt.Sprintf("this failed %d times in a row, last at %s; it is left alone until %s",
			n, last.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339))), until)
	}
	return pass(fmt.Sprintf("its last failure was at %s", last.UTC().Format(time.RFC3339)))
}

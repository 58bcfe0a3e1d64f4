package gate

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// storm stops when actions fail one after the other: something is wrong that one more action does not mend. What
// a person approves afterwards may go on.
func storm(q Question) cluster.Verdict {
	n := q.Policy.StormFailures
	if q.Rec.Recovers() {
		return pass("each VM that a failure stopped is tried for itself, and only so often")
	}
	if q.Rec.Action.Kind == cluster.Wake {
		return pass("a host that is needed is woken whatever else failed")
	}
	if n <= 0 {
		return pass("failures are not counted")
	}
	since := q.Now.Add(-q.Policy.StormWindow)
	recent := q.Storm
	for len(recent) > 0 && !recent[0].After(since) {
		recent = recent[1:]
	}
	if len(recent) < n {
		return pass(fmt.Sprintf("%d actions failed in the last %s", len(recent), q.Policy.StormWindow))
	}
	last := recent[len(recent)-1]
	if q.Approval != nil && q.Approval.At.After(last) {
		return pass(fmt.Sprintf("%d actions failed in the last %s, and %s approved it since", len(recent), q.Policy.StormWindow, q.Approval.Who))
	}
	return retryAt(refuse("storm", fmt.Sprintf("%d actions failed in the last %s, the last at %s; look at evenkeel history, and approve what should be done all the same",
		len(recent), q.Policy.StormWindow, stamp(last))), recent[len(recent)-n].Add(q.Policy.StormWindow))
}

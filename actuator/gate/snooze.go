package gate

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// snooze heeds a person's "not now" until its time is over. A later yes counts.
func snooze(q Question) cluster.Verdict {
	s := q.Snoozed
	if s == nil || !q.Now.Before(s.Until) {
		return pass("nobody put this off")
	}
	if q.Approval != nil && q.Approval.At.After(s.At) {
		return pass(fmt.Sprintf("%s put it off until %s, and %s said yes since", s.Who, stamp(s.Until), q.Approval.Who))
	}
	return retryAt(refuse("snoozed", fmt.Sprintf("%s put this off until %s", s.Who, stamp(s.Until))), s.Until)
}

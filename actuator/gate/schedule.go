package gate

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// schedule refuses to put a host into standby that a schedule keeps awake, whoever asks for it: who wrote the schedule counts
// on the host. A test that it can be woken is no exception.
func schedule(q Question) cluster.Verdict {
	if q.Rec.Action.Kind != cluster.Standby {
		return pass("no schedule is about this")
	}
	name, until := cluster.KeptAwake(q.Policy.Awake, q.Rec.Action.From, q.Now)
	if name == "" {
		return pass("no schedule keeps the host awake now")
	}
	return retryAt(refuse("kept-awake", fmt.Sprintf("schedule %s keeps %s awake until %s", name, q.Rec.Action.From, stamp(until))), until)
}

package gate

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// pause refuses what a person has paused, approved or not.
func pause(q Question) cluster.Verdict {
	o := q.Orders.Of(cluster.OrderPause, q.Rec, q.Now)
	switch {
	case o == nil:
		return pass("nothing that it touches is paused")
	case o.Until.IsZero():
		return refuse("paused", fmt.Sprintf("%s paused %s at %s, until it is resumed (evenkeel resume)", o.Word.Who, o.Subject, stamp(o.Word.At)))
	}
	return retryAt(refuse("paused", fmt.Sprintf("%s paused %s at %s, until %s", o.Word.Who, o.Subject, stamp(o.Word.At), stamp(o.Until))), o.Until)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

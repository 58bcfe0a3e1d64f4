package gate

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// armed refuses to do anything about failures while a person has disarmed that, and for a while after the watch began: a server that has just
// started may see nothing only because it has not looked yet.
func armed(q Question) cluster.Verdict {
	if !q.Rec.AboutFailure() {
		return pass("it is not about a failure")
	}
	if o := q.Orders.Of(cluster.OrderDisarm, q.Rec, q.Now); o != nil {
		v := refuse("disarmed", fmt.Sprintf("%s disarmed %s at %s: nothing is done about failures until it is armed again (evenkeel arm)", o.Word.Who, o.Subject, stamp(o.Word.At)))
		return retryAt(v, o.Until)
	}
	switch ends := q.WatchBegan.Add(q.Policy.Grace); {
	case q.WatchBegan.IsZero():
		return refuse("not-watched", "nobody watches the hosts")
	case q.Now.Before(ends):
		return retryAt(refuse("grace", fmt.Sprintf("the server watches the hosts since %s only; nothing is done about failures before %s", stamp(q.WatchBegan), stamp(ends))), ends)
	}
	return pass("nobody has disarmed it")
}

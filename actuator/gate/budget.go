package gate

import (
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// budget bounds what happens in an hour without a person's word on each.
func budget(q Question) cluster.Verdict {
	if q.Approval != nil {
		return pass(fmt.Sprintf("%s approved it; the budget is for what happens by itself", q.Approval.Who))
	}
	a, since := q.Rec.Action, q.Now.Add(-time.Hour)
	switch {
	case q.Rec.Recovers():
		return pass("the budget is for what can wait")
	case a.Kind == cluster.Wake: // it gives back what was taken, and the others run short meanwhile
		return pass("a host that is needed does not wait for the budget")
	case q.Rec.Policy == "evacuate" && (q.Orders.Standby(a.From, q.Now) != nil || q.Orders.Maintenance(a.From, q.Now) != nil):
		return pass(fmt.Sprintf("that %s is emptied was decided as a whole", a.From)) // half of it would bring nothing
	}
	type limit struct {
		what  string
		most  int
		about func(cluster.Action) bool
	}
	limits := []limit{{"the cluster", q.Policy.ActionsPerHour, func(cluster.Action) bool { return true }}}
	for _, h := range a.Hosts() {
		limits = append(limits, limit{h, q.Policy.HostActionsPerHour, func(b cluster.Action) bool { return slices.Contains(b.Hosts(), h) }})
	}
	for _, limit := range limits {
		n, first := 0, q.Now
		for _, b := range q.Begun {
			if b.At.After(since) && limit.about(b.Action) {
				n++
				if b.At.Before(first) {
					first = b.At
				}
			}
		}
		if limit.most > 0 && n >= limit.most {
			return retryAt(refuse("spent", fmt.Sprintf("%d actions of %s began in the last hour, and %d may without a person's yes", n, limit.what, limit.most)), first.Add(time.Hour))
		}
	}
	return pass("the hour's budget is not spent")
}

package gate

import (
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// OneYes is the reason for refusing what one person approved and two must.
const OneYes = "one-yes"

// approval asks for a person's word: on exactly this, on all of its kind for a time, or on emptying the host. It needs none at level
// full, nor at level partial for what is mandatory (priority 1) or of a kind of low risk. Where two people have
// to say yes, one does not suffice, whatever the level.
func approval(q Question) cluster.Verdict {
	l, two := EffectiveLevel(q), slices.Contains(q.Policy.TwoPeople, q.Rec.Policy)
	switch {
	case q.Approval != nil && two && !seconded(q):
		return refuse(OneYes, fmt.Sprintf("%s approved it, and %s takes the yes of two different people", q.Approval.Who, q.Rec.Policy))
	case q.Approval != nil:
		return pass(fmt.Sprintf("approved by %s at %s", q.Approval.Who, stamp(q.Approval.At)))
	case two:
		return refuse("not-approved", fmt.Sprintf("%s takes the yes of two different people", q.Rec.Policy))
	case l == cluster.LevelFull:
		return pass("not needed at automation level full")
	case l == cluster.LevelPartial && q.Rec.Priority == 1:
		return pass("not needed for what is mandatory at automation level partial")
	case l == cluster.LevelPartial && slices.Contains(q.Policy.LowRisk, q.Rec.Policy):
		return pass(fmt.Sprintf("not needed for %s, which is of low risk, at automation level partial", q.Rec.Policy))
	}
	if o := q.Orders.Of(cluster.OrderApprove, q.Rec, q.Now); o != nil {
		return pass(fmt.Sprintf("%s approved %s for %s until %s", o.Word.Who, o.Policy, o.Subject, stamp(o.Until)))
	}
	if o := q.Orders.Maintenance(q.Rec.Action.From, q.Now); o != nil && q.Rec.Policy == "evacuate" {
		return pass(fmt.Sprintf("%s put %s into maintenance, which is a yes to emptying it", o.Word.Who, q.Rec.Action.From))
	}
	if o := q.Orders.Standby(q.Rec.Action.From, q.Now); o != nil {
		switch {
		case q.Rec.Policy == "evacuate":
			return pass(fmt.Sprintf("%s put %s into standby, which is a yes to emptying it", o.Word.Who, q.Rec.Action.From))
		case q.Rec.Action.Kind == cluster.Wake && o.Rest.Due(q.Now):
			return pass(fmt.Sprintf("%s said when %s is to be woken", o.Word.Who, q.Rec.Action.From))
		}
	}
	return refuse("not-approved", fmt.Sprintf("nobody has approved %s", q.Rec.ID))
}

// seconded tells whether somebody else has said yes as well.
func seconded(q Question) bool {
	return slices.ContainsFunc(q.Seconds, func(s cluster.Approval) bool { return !s.Same(*q.Approval) })
}

package gate

import (
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Standby is what the operator decided about putting hosts into standby.
type Standby struct {
	// MinHostsOn is how many hosts stay on.
	MinHostsOn int
	// Quorums are sets of hosts that keep a majority.
	Quorums []cluster.Quorum
	// MaxProofAge is how old the proof may be that a host can be woken.
	MaxProofAge time.Duration
}

// Rest is what is known about a host that is to be put into standby, or to be woken.
type Rest struct {
	// NoWay says what is missing for the host to be shut down and woken, Stay which VM cannot leave it, Reserve what the cluster
	// would not survive without it; empty for nothing. Where Unknown is not empty, it says why nobody could tell.
	NoWay, Stay, Reserve, Unknown string
	// Proof is the last time that evenkeel woke the host, or tried to.
	Proof cluster.WakeProof
}

// restable wants the host to be well, to be one that can be woken again, to lose none of its VMs and not to be needed. A test
// is what proves that it can be woken, and needs no such proof.
func restable(q Question) cluster.Verdict {
	a := q.Rec.Action
	if a.VM != "" || a.From == "" || a.To != "" {
		return refuse("unknown-action", "it is a host that is put into standby")
	}
	h, known := q.Snapshot.Host(a.From)
	if o := q.Orders.Standby(a.From, q.Now); o != nil {
		return refuse("there-already", fmt.Sprintf("%s put %s into standby at %s", o.Word.Who, a.From, stamp(o.Word.At)))
	}
	switch {
	case !known:
		return refuse("not-seen", "Prometheus knows no host "+a.From)
	case h.State != cluster.HostUp && h.State != cluster.HostMaintenance:
		return refuse("not-up", fmt.Sprintf("%s is %s", a.From, h.State))
	case q.Rest.Unknown != "":
		return refuse("cannot-tell", q.Rest.Unknown)
	case q.Rest.NoWay != "":
		return refuse("no-way", q.Rest.NoWay)
	}
	if v := q.proven(); !v.Pass {
		return v
	}
	stays := map[string]bool{}
	for _, other := range q.Snapshot.Hosts {
		if other.ID != a.From && other.State == cluster.HostUp && q.Orders.Standby(other.ID, q.Now) == nil {
			stays[other.ID] = true
		}
	}
	on := len(stays)
	lost := slices.IndexFunc(q.Policy.Standby.Quorums, func(one cluster.Quorum) bool { return one.Lost(a.From, func(h string) bool { return stays[h] }) })
	switch {
	case lost >= 0:
		return refuse("quorum", fmt.Sprintf("without %s no majority of %s would be on (power.quorums)", a.From, q.Policy.Standby.Quorums[lost]))
	case on < max(1, q.Policy.Standby.MinHostsOn):
		return refuse("min-hosts", fmt.Sprintf("%d hosts would be left on, and %d are to be (power.min_hosts_on)", on, max(1, q.Policy.Standby.MinHostsOn)))
	case q.Rest.Stay != "":
		return refuse("immovable", q.Rest.Stay)
	case q.Rest.Reserve != "":
		return refuse("reserve", q.Rest.Reserve)
	}
	return pass(fmt.Sprintf("%s can be emptied and is not needed, and it was woken the last time", a.From))
}

// proven wants the host to have been woken by evenkeel lately, the last time that it tried.
func (q Question) proven() cluster.Verdict {
	host, proof, how := q.Rec.Action.From, q.Rest.Proof, "test that first: evenkeel standby test "+q.Rec.Action.From
	switch {
	case q.Rec.Action.Test:
		return pass("this is the test")
	case proof.At.IsZero():
		return refuse("unproven", fmt.Sprintf("it is not proven that %s can be woken; %s", host, how))
	case !proof.Woke:
		return refuse("unproven", fmt.Sprintf("%s could not be woken at %s; mend that, and %s", host, stamp(proof.At), how))
	case q.Policy.Standby.MaxProofAge > 0 && q.Now.Sub(proof.At) > q.Policy.Standby.MaxProofAge:
		return refuse("unproven", fmt.Sprintf("%s was woken last at %s, longer ago than %s; %s", host, stamp(proof.At), q.Policy.Standby.MaxProofAge, how))
	}
	return pass("")
}

// wakeable wants the host to be off because evenkeel turned it off: what somebody else turned off stays off.
func wakeable(q Question) cluster.Verdict {
	a := q.Rec.Action
	if a.VM != "" || a.From == "" || a.To != "" {
		return refuse("unknown-action", "it is a host that is woken")
	}
	o := q.Orders.Standby(a.From, q.Now)
	at := slices.IndexFunc(q.Watch, func(w cluster.HostWatch) bool { return w.Host == a.From })
	switch {
	case o == nil:
		return refuse("not-ours", fmt.Sprintf("evenkeel did not turn %s off; where somebody else did, it stays off until it is turned on: evenkeel fence on %s", a.From, a.From))
	case o.Rest.Asleep.IsZero():
		return refuse("not-off", fmt.Sprintf("%s is on its way into standby", a.From))
	case at >= 0 && q.Watch[at].Verdict == "alive" && q.Watch[at].HeardAt.After(o.Rest.Asleep): // else it takes the watch some seconds to notice
		return refuse("there-already", a.From+" is on")
	case q.Rest.NoWay != "":
		return refuse("no-way", q.Rest.NoWay)
	}
	return pass(fmt.Sprintf("evenkeel turned %s off at %s", a.From, stamp(o.Rest.Asleep)))
}

// Package gate answers one question: may this action happen, now? It is pure: everything a gate
// may look at stands in the Question, the time included. Every gate is asked, also when one has
// refused already, so that a person sees all that stands in the way at once.
//
// A gate that cannot tell refuses. Gates only take away: one more gate never lets more through.
package gate

import (
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Policy is what the operator decided about acting.
type Policy struct {
	// Level is the cluster's automation level.
	Level cluster.Level
	// MaxDataAge is how old the data about the hosts of an action may be.
	MaxDataAge time.Duration
	// FailureCoolDown is how long a VM is left alone after its migration failed; it doubles with
	// every further failure in a row.
	FailureCoolDown time.Duration
	// RejectionCoolDown is how long a VM is not moved without a person's word after a person said no.
	RejectionCoolDown time.Duration
	Limits            cluster.Limits
}

// Question is all that a gate may know.
type Question struct {
	Now    time.Time
	Policy Policy
	Rec    cluster.Recommendation
	// Approval is a person's word on exactly this recommendation, or nil.
	Approval *cluster.Approval
	// Snapshot is fresh: taken for this question, with the actions that have ended since and
	// those that are in flight already in their new places.
	Snapshot cluster.Snapshot
	// SnapshotError says why there is no snapshot, where there is none.
	SnapshotError string
	// Sighting is what the hypervisors themselves say of the VM, now.
	Sighting cluster.Sighting
	// Failures are the times at which moving this VM failed, since it last succeeded, oldest first.
	Failures []time.Time
	// Rejected is the last no to moving this VM, or nil.
	Rejected *cluster.Approval
}

// Gate is one condition.
type Gate struct {
	// Name is the word for it everywhere: metric label, journal, messages.
	Name  string
	Check func(Question) cluster.Verdict
}

// All lists the gates in the order in which a person reads them.
func All() []Gate {
	return []Gate{
		{Name: "level", Check: level},
		{Name: "approval", Check: approval},
		{Name: "rejection", Check: rejection},
		{Name: "expiry", Check: expiry},
		{Name: "freshness", Check: freshness},
		{Name: "world", Check: world},
		{Name: "failures", Check: failures},
	}
}

// Names lists the gates' names.
func Names() []string {
	var names []string
	for _, g := range All() {
		names = append(names, g.Name)
	}
	return names
}

// Ask puts the question to every gate and returns all verdicts, in the gates' order.
func Ask(gates []Gate, q Question) []cluster.Verdict {
	verdicts := make([]cluster.Verdict, 0, len(gates))
	for _, g := range gates {
		v := g.Check(q)
		v.Gate = g.Name
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// Open tells whether the verdicts let the action through: there are some, and every one passes.
func Open(verdicts []cluster.Verdict) bool {
	return len(verdicts) > 0 && len(Refusals(verdicts)) == 0
}

// Refusals returns the verdicts that refuse.
func Refusals(verdicts []cluster.Verdict) []cluster.Verdict {
	var no []cluster.Verdict
	for _, v := range verdicts {
		if !v.Pass {
			no = append(no, v)
		}
	}
	return no
}

func pass(detail string) cluster.Verdict { return cluster.Verdict{Pass: true, Detail: detail} }

func refuse(reason, detail string) cluster.Verdict {
	return cluster.Verdict{Reason: reason, Detail: detail}
}

// retryAt adds when asking again could help.
func retryAt(v cluster.Verdict, at time.Time) cluster.Verdict {
	v.RetryAfter = at
	return v
}

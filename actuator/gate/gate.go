// Package gate answers one question: may this action happen, now? It is pure: everything a gate
// may look at stands in the Question, the time included. Every gate is asked, also when one has
// refused already, so that a person sees all that stands in the way at once.
//
// A gate that cannot tell refuses. Gates only take away: one more gate never lets more through.
package gate

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Policy is what the operator decided about acting.
type Policy struct {
	// Level is the cluster's automation level.
	Level cluster.Level
	// Kinds are levels of single kinds of action, by the planner's name, in place of the cluster's.
	Kinds map[string]cluster.Level
	// LowRisk are the kinds that need no person at level partial, beside what is mandatory.
	LowRisk []string
	// TwoPeople are the kinds that take the word of two different people.
	TwoPeople []string
	// MaxDataAge is how old the data about the hosts of an action may be.
	MaxDataAge time.Duration
	// FailureCoolDown is how long a VM is left alone after its migration failed; it doubles with
	// every further failure in a row.
	FailureCoolDown time.Duration
	// RejectionCoolDown is how long a VM is not moved without a person's word after a person said no.
	RejectionCoolDown time.Duration
	Limits            cluster.Limits
	// ActionsPerHour and HostActionsPerHour are how many actions may begin in an hour without a person's word
	// on each, in the cluster and on a host; 0 for no limit.
	ActionsPerHour, HostActionsPerHour int
	// Parallel is how many actions may be under way at once.
	Parallel Parallel
	// Recovery bounds what is under way at once of what starts VMs and turns hosts off.
	Recovery Parallel
	// RecoveryBackOff is how long what failed in recovering is left alone; it doubles with every further failure in a row.
	RecoveryBackOff time.Duration
	// Grace is for how long after the watch began nothing is done about failures.
	Grace time.Duration
	// Domains are the hosts' failure domains: of one domain no two hosts are turned off at once.
	Domains map[string]string
	// MinHealthy is the share of hosts, 0 to 1, that must be seen and up for anything to be done.
	MinHealthy float64
	// StormFailures is how many actions may fail within StormWindow before nothing more is done without a new
	// word of a person; 0 for no limit.
	StormFailures int
	StormWindow   time.Duration
	// ForeignMoves is how many migrations a day others may make before another scheduler is suspected; 0 for no
	// limit.
	ForeignMoves float64
	// Server is this server's ID, by which it knows itself among those that Prometheus sees.
	Server string
	// Elected tells that it leads by the word of the store that it shares with others, which are not among those seen.
	Elected bool
	// Freezes are times in which nothing is done.
	Freezes []Freeze
	// Awake are times in which hosts are not put into standby.
	Awake   []cluster.Awake
	Standby Standby
}

// Parallel bounds what is under way at once; 0 is no limit. A migration counts on both of its hosts.
type Parallel struct {
	// Cluster is for all, Host for what touches one host, Link for what goes from one host to one other.
	Cluster, Host, Link int
}

// Freeze is a time that comes again, in which nothing is done.
type Freeze struct {
	Name     string
	Schedule cluster.Times
	Duration time.Duration
	// Kinds are those that it stops; none for all.
	Kinds []string
	// ApprovedPass lets through what a person approved by itself.
	ApprovedPass bool
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
	// Sighting is what the hypervisors themselves say of the VM, now: those that the action touches and, where it
	// starts a VM, all of the cluster.
	Sighting cluster.Sighting
	// Failures are the times at which the same failed with the VM or host, since it last succeeded, oldest first.
	Failures []time.Time
	// Rejected is the last no to doing the same with the VM or host, or nil.
	Rejected *cluster.Approval
	// Snoozed is the last "not now" to doing the same with the VM or host, or nil.
	Snoozed *cluster.Approval
	// Seconds are the yeses of others to exactly this recommendation before the approval.
	Seconds []cluster.Approval
	// Orders are those in force.
	Orders cluster.Orders
	// Earned is the level that the kind of action has earned, where its level is to be earned.
	Earned *cluster.Level
	// InFlight are the other actions that are under way, or of which nobody knows what came.
	InFlight []cluster.Action
	// Begun are the other actions of the last hour.
	Begun []Begun
	// Watch is what has become of the hosts, WatchBegan since when they are watched.
	Watch      []cluster.HostWatch
	WatchBegan time.Time
	// LastWords are what each host said last of the VM.
	LastWords []cluster.LastWord
	// Started are the starts of the VM, however long ago, that were done, are under way or came to nobody knows what, and when that was known.
	Started []Begun
	// Kept tells that a definition of the VM is kept, so that it can start on a host that does not know it.
	Kept bool
	// Fenceable tells that the action's host has a way to be turned off.
	Fenceable bool
	// Rest is about the host of an action that puts it into standby or wakes it.
	Rest Rest
	// Storm are the times at which actions of the cluster failed, oldest first.
	Storm []time.Time
}

// Begun is an action and when it began.
type Begun struct {
	At     time.Time
	Action cluster.Action
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
		{Name: "pause", Check: pause},
		{Name: "armed", Check: armed},
		{Name: cluster.ApprovalGate, Check: approval},
		{Name: "rejection", Check: rejection},
		{Name: "snooze", Check: snooze},
		{Name: "expiry", Check: expiry},
		{Name: "freeze", Check: freeze},
		{Name: "schedule", Check: schedule},
		{Name: "freshness", Check: freshness},
		{Name: "hosts", Check: healthy},
		{Name: "capability", Check: capability},
		{Name: "world", Check: world},
		{Name: "job", Check: job},
		{Name: "leader", Check: leader},
		{Name: "scheduler", Check: scheduler},
		{Name: "failures", Check: failures},
		{Name: "storm", Check: storm},
		{Name: "budget", Check: budget},
		{Name: "concurrency", Check: concurrency},
	}
}

// Forehand lists the gates that need no look at the world: policy, people's words, the clock and what was done. What
// they refuse need not be looked into, and they are asked once more just before an intent is written, for a word may
// come while the world is looked at. They see no snapshot, so levels of hosts and VMs do not count.
func Forehand() []Gate {
	return slices.DeleteFunc(All(), func(g Gate) bool {
		return slices.Contains([]string{"freshness", "hosts", "capability", "world", "job", "leader", "scheduler"}, g.Name)
	})
}

// Passing tells whether nothing but what passes by itself refuses: a pause, or a freeze.
func Passing(refusals []cluster.Verdict) bool {
	return len(refusals) > 0 && !slices.ContainsFunc(refusals, func(v cluster.Verdict) bool { return v.Gate != "pause" && v.Gate != "freeze" })
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

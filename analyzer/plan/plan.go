// Package plan turns a snapshot and its findings into steps that would help, in an order in which
// every intermediate state is legal. It is pure: the same snapshot and policy give the same plan,
// byte for byte. It never acts; that a step is planned does not mean that it may happen (package
// gate of the actuator).
package plan

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Policy is what the operator decided about plans.
type Policy struct {
	// Threshold is the migration threshold, 1 to 5: steps of a priority above it are not planned.
	Threshold int
	// MaxMoves caps the steps of one plan.
	MaxMoves int
	Limits   cluster.Limits
	// BandwidthBytesPerSecond is what a migration is allowed to use, for predicting its time.
	BandwidthBytesPerSecond float64
	// Lifetime is how long a recommendation may be taken after it was made.
	Lifetime time.Duration
}

// Plan is what the planners advise for one snapshot, and why no more.
type Plan struct {
	Cluster        string             `json:"cluster"`
	At             time.Time          `json:"at"`
	Policy         string             `json:"policy"`
	Before         cluster.Assessment `json:"before"`
	After          cluster.Assessment `json:"after"`
	Actions        []Step             `json:"actions"`
	Refused        []Refusal          `json:"refused"`
	StoppedBecause string             `json:"stopped_because"`
}

// Step is one action of a plan with what it brings on its own.
type Step struct {
	Seq      int          `json:"seq"`
	Kind     cluster.Kind `json:"kind"`
	VM       string       `json:"vm"`
	Name     string       `json:"name,omitempty"`
	From     string       `json:"from"`
	To       string       `json:"to"`
	Reason   string       `json:"reason"`
	Priority int          `json:"priority"`
	// PredictedSeconds is how long the migration should take.
	PredictedSeconds float64 `json:"predicted_seconds"`
	// DependsOn lists the Seq of the steps without which this one is not legal.
	DependsOn []int `json:"depends_on,omitempty"`

	before, after cluster.Assessment
	effects       []cluster.Effect
	steal         cluster.Number
}

// Refusal is something that the planner would have touched and may not.
type Refusal struct {
	// Subject is "vm/<id>" or "host/<id>".
	Subject string `json:"subject"`
	Name    string `json:"name,omitempty"`
	Reason  string `json:"reason"`
}

// Planner is one way to help.
type Planner struct {
	Name string
	Plan func(cluster.Snapshot, []cluster.Finding, Policy) Plan
}

// All lists the planners in the order of their precedence.
func All() []Planner {
	return []Planner{
		{Name: "balance", Plan: Balance},
	}
}

// Make runs the planners in order and returns the plan of the first that has something to do, or
// the last one's reason to do nothing.
func Make(s cluster.Snapshot, findings []cluster.Finding, p Policy) Plan {
	var made Plan
	for _, planner := range All() {
		if made = planner.Plan(s, findings, p); len(made.Actions) > 0 {
			break
		}
	}
	return made
}

// Recommendations turns a plan's steps into recommendations that can be approved one by one.
// At and Lifetime give them their expiry.
func (p Plan) Recommendations(findings []cluster.Finding, pol Policy) []cluster.Recommendation {
	var recs []cluster.Recommendation
	for _, s := range p.Actions {
		r := cluster.Recommendation{
			Cluster: p.Cluster, Policy: p.Policy, Priority: s.Priority, Reason: s.Reason,
			Because: because(findings, s),
			Action:  cluster.Action{Kind: s.Kind, VM: s.VM, Name: s.Name, From: s.From, To: s.To},
			Before:  s.before, After: s.after, Effects: s.effects, StealRatio: s.steal, PredictedSeconds: s.PredictedSeconds,
			Made: p.At, Expires: p.At.Add(pol.Lifetime),
		}
		for _, d := range s.DependsOn {
			r.DependsOn = append(r.DependsOn, recs[d-1].ID)
		}
		recs = append(recs, r.Identified())
	}
	return recs
}

// because picks the findings that the step answers: those about the host that it relieves or the
// VM that it moves, and those about the whole cluster.
func because(findings []cluster.Finding, s Step) []cluster.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f cluster.Finding) bool {
		return f.Subject != cluster.HostSubject(s.From) && f.Subject != cluster.VMSubject(s.VM) && f.Subject != "cluster"
	})
}

// Package plan turns a snapshot and its findings into steps that would help, in an order in which
// every intermediate state is legal. It is pure: the same snapshot and policy give the same plan,
// byte for byte. It never acts; that a step is planned does not mean that it may happen (package
// gate of the actuator).
package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/admission"
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
	// Horizon is how long a better placement is expected to last: what a migration costs must come in
	// again within it.
	Horizon   time.Duration
	Stability Stability
	// Admission is what the cluster is to survive: new VMs are placed so that it still does, and its spare hosts are
	// kept empty.
	Admission admission.Policy
	// StartsAtOnce is how many VMs one host may be starting at once; 0 for no limit. A VM that would wait for its turn on one
	// host starts on another.
	StartsAtOnce int
	// Power is about hosts that sleep.
	Power Power
	// IgnoreAdmission lets Place put a VM where the cluster would survive less then. Spare hosts stay empty all the same.
	IgnoreAdmission bool
}

// Stability keeps VMs from being moved to and fro.
type Stability struct {
	// CoolDown is how long a VM is left alone after a move; it doubles with every further move of the day,
	// up to CoolDownMax.
	CoolDown, CoolDownMax time.Duration
	// MaxMovesPerDay is how often one VM may move in 24 hours; 0 for no limit.
	MaxMovesPerDay int
}

// coolUntil is when the VM may be moved again.
func (s Stability) coolUntil(v *cluster.VM) time.Time {
	if v.MovedAt.IsZero() || s.CoolDown <= 0 {
		return time.Time{}
	}
	wait := s.CoolDown
	for i := 1; i < v.MovesLastDay && wait < s.CoolDownMax; i++ {
		wait *= 2
	}
	return v.MovedAt.Add(min(wait, max(s.CoolDown, s.CoolDownMax)))
}

// Plan is what the planners advise for one snapshot, and why no more.
type Plan struct {
	Cluster string    `json:"cluster"`
	At      time.Time `json:"at"`
	// Policy names the planners that have steps in it, joined by +, or "none".
	Policy         string             `json:"policy"`
	Before         cluster.Assessment `json:"before"`
	After          cluster.Assessment `json:"after"`
	Actions        []Step             `json:"actions"`
	Refused        []Refusal          `json:"refused"`
	StoppedBecause string             `json:"stopped_because"`
}

// Step is one action of a plan with what it brings on its own.
type Step struct {
	Seq  int          `json:"seq"`
	Kind cluster.Kind `json:"kind"`
	VM   string       `json:"vm"`
	Name string       `json:"name,omitempty"`
	From string       `json:"from"`
	To   string       `json:"to"`
	// Policy names the planner that wants the step.
	Policy   string `json:"policy"`
	Reason   string `json:"reason"`
	Priority int    `json:"priority"`
	// Gain is what the step brings less what it costs, in points of the score on the two hosts that it touches.
	Gain float64 `json:"gain"`
	// PredictedSeconds is how long the migration should take, PredictedDowntimeSeconds for how long the guest
	// stands still in it.
	PredictedSeconds         float64 `json:"predicted_seconds"`
	PredictedDowntimeSeconds float64 `json:"predicted_downtime_seconds"`
	// NeedsAutoConverge tells that the guest writes its memory faster than can be copied.
	NeedsAutoConverge bool `json:"needs_auto_converge,omitempty"`
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
	plan func(*work)
}

// All lists the planners in the order of their precedence: each sees the cluster as those before it
// leave it.
func All() []Planner {
	return []Planner{
		{Name: "rules", plan: repairRules},
		{Name: "evacuate", plan: evacuate},
		{Name: "quarantine", plan: quarantine},
		{Name: "balance", plan: balance},
	}
}

// maxBlindShare is the share of hosts that may be unseen before the observer is suspected rather
// than the hosts, and nothing is planned.
const maxBlindShare = 1.0 / 3

// Make runs the planners in order. The VMs that are named run nowhere and are to be started first: that is
// for questions of what could be.
func Make(s cluster.Snapshot, findings []cluster.Finding, p Policy, start ...string) Plan {
	w := newWork(s, findings, p)
	before := w.start.Assess()
	before.StealCPUCores = s.MeasuredSteal()
	if blind := blindShare(s); blind > maxBlindShare {
		w.note("%.0f %% of the hosts cannot be seen: suspect the monitoring before the hosts", 100*blind)
	} else {
		var wants []Want
		for _, id := range start {
			wants = append(wants, Want{VM: id})
		}
		w.startAll(wants, "start")
		w.policy.MaxMoves += len(w.steps)
		w.planAll()
		if len(start) == 0 {
			w = w.rethink()
		}
	}
	w.depend()
	made := Plan{Cluster: s.Cluster, At: s.At, Policy: "none", Before: before, After: before, Actions: []Step{}, Refused: w.refused, StoppedBecause: strings.Join(w.notes, "; ")}
	if len(w.steps) > 0 {
		made.Actions, made.After, made.Policy = w.steps, w.place.Assess(), w.policies()
	}
	return made
}

// planAll runs the planners in order, and again as long as something that must be done found no room: a later
// planner may have made it.
func (w *work) planAll() {
	notes, refused := len(w.notes), len(w.refused)
	for {
		made := len(w.steps)
		w.notes, w.refused, w.left = w.notes[:notes], w.refused[:refused], false
		for _, planner := range All() {
			planner.plan(w)
		}
		if !w.left || w.full() || len(w.steps) == made {
			return
		}
	}
}

func (w *work) note(format string, args ...any) {
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}

// policies names the planners that have steps, in their order.
func (w *work) policies() string {
	var names []string
	if w.steps[0].Kind == cluster.Start {
		names = append(names, w.steps[0].Policy)
	}
	for _, planner := range All() {
		if slices.ContainsFunc(w.steps, func(s Step) bool { return s.Policy == planner.Name }) {
			names = append(names, planner.Name)
		}
	}
	return strings.Join(names, "+")
}

// blindShare is the share of hosts that cannot be seen.
func blindShare(s cluster.Snapshot) float64 {
	if len(s.Hosts) == 0 {
		return 0
	}
	gaps := map[string]bool{}
	for _, g := range s.Gaps {
		gaps[g.Subject] = true
	}
	unseen := 0
	for _, h := range s.Hosts {
		if h.State == cluster.HostUnknown || gaps[cluster.HostSubject(h.ID)] {
			unseen++
		}
	}
	return float64(unseen) / float64(len(s.Hosts))
}

// Recommendations turns a plan's steps into recommendations that can be approved one by one, and says of
// each which other hosts were weighed. At and Lifetime give them their expiry.
func (p Plan) Recommendations(s cluster.Snapshot, findings []cluster.Finding, pol Policy) []cluster.Recommendation {
	if len(p.Actions) == 0 {
		return nil
	}
	w := newWork(s, findings, pol)
	var recs []cluster.Recommendation
	for _, step := range p.Actions {
		r := cluster.Recommendation{
			Cluster: p.Cluster, Policy: step.Policy, Priority: step.Priority, Reason: step.Reason,
			Because: because(findings, step), Candidates: w.losers(step),
			Action: cluster.Action{Kind: step.Kind, VM: step.VM, Name: step.Name, From: step.From, To: step.To},
			Before: step.before, After: step.after, Effects: step.effects, StealRatio: step.steal, Gain: step.Gain,
			PredictedSeconds: step.PredictedSeconds, PredictedDowntimeSeconds: step.PredictedDowntimeSeconds,
			Made: p.At, Expires: p.At.Add(pol.Lifetime),
		}
		for _, d := range step.DependsOn {
			r.DependsOn = append(r.DependsOn, recs[d-1].ID)
		}
		recs = append(recs, r.Identified())
		w.place.Move(step.VM, step.To)
	}
	return recs
}

// because picks the findings that the step answers: those of the kinds that its planner acts upon, about the
// host that it relieves, the VM that it moves or a rule.
func because(findings []cluster.Finding, s Step) []cluster.Finding {
	answers := map[string][]string{
		"rules": {"rule_violation"}, "evacuate": {"maintenance"}, "quarantine": {"unhealthy_host"},
		"balance": {"imbalance", "contended_host", "contended_vm"},
	}
	return slices.DeleteFunc(slices.Clone(findings), func(f cluster.Finding) bool {
		rule := strings.HasPrefix(f.Subject, "rule/")
		return !slices.Contains(answers[s.Policy], f.Detector) || !rule && f.Subject != cluster.HostSubject(s.From) && f.Subject != cluster.VMSubject(s.VM)
	})
}

// hostsFound returns the hosts that findings of the detectors are about, those that have held for long
// enough.
func hostsFound(findings []cluster.Finding, detectors ...string) []string {
	var ids []string
	for _, f := range findings {
		if id, ok := cutHost(f.Subject); ok && !f.Pending && slices.Contains(detectors, f.Detector) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func cutHost(subject string) (id string, ok bool) {
	return strings.CutPrefix(subject, cluster.HostSubject(""))
}

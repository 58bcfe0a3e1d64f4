package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
)

// Finding is something wrong with a cluster, with the numbers that say so.
type Finding struct {
	// Detector is the name of the judgement, for example "imbalance".
	Detector string `json:"detector"`
	// Subject is "cluster", "host/<id>" or "vm/<id>".
	Subject  string     `json:"subject"`
	Reason   string     `json:"reason"`
	Evidence []Evidence `json:"evidence"`
	// Pending tells that it has not been seen for long enough to act upon.
	Pending bool `json:"pending,omitempty"`
}

// Evidence is one number, the limit that it is held against, and where it came from.
type Evidence struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Limit Number  `json:"limit,omitzero"`
	Unit  string  `json:"unit,omitempty"`
	// Query is the PromQL that gave the value or, where it is computed, the numbers under it.
	Query string `json:"query,omitempty"`
}

// Recommendation is advice: what to do, why, what it should bring, and until when it may be taken.
// It is a value that never changes; its ID is a hash of its content, so who approves an ID approves
// exactly what stands here.
type Recommendation struct {
	ID      string `json:"id"`
	Cluster string `json:"cluster"`
	// Policy is the planner's name, for example "balance".
	Policy string `json:"policy"`
	// Priority runs from 1 (mandatory) to 5 (a slight gain).
	Priority int       `json:"priority"`
	Reason   string    `json:"reason"`
	Because  []Finding `json:"because"`
	Action   Action    `json:"action"`
	// Before and After are the cluster without and with this action, after all it depends on.
	Before Assessment `json:"before"`
	After  Assessment `json:"after"`
	// Candidates are other hosts that the VM could have gone to, and what spoke against them.
	Candidates []Candidate `json:"candidates,omitempty"`
	// Effects are the utilisations of the two hosts that the action touches.
	Effects []Effect `json:"effects"`
	// StealRatio is the share of their time that the VM's vCPUs waited when this was made.
	StealRatio       Number  `json:"steal_ratio,omitzero"`
	PredictedSeconds float64 `json:"predicted_seconds"`
	// PredictedDowntimeSeconds is for how long the guest should stand still.
	PredictedDowntimeSeconds float64 `json:"predicted_downtime_seconds,omitempty"`
	// Gain is what the action brings less what it costs, in points of the score on the two hosts.
	Gain float64 `json:"gain"`
	// Run and Step say which step of which run of a runbook it is, where it is one.
	Run  string `json:"run,omitempty"`
	Step int    `json:"step,omitempty"`
	// DependsOn lists recommendations without which this one is not legal.
	DependsOn []string  `json:"depends_on,omitempty"`
	Made      time.Time `json:"made"`
	Expires   time.Time `json:"expires"`
}

// Asked tells whether a person or a runbook asks for it, rather than a planner.
func (r Recommendation) Asked() bool { return r.Policy == r.Action.Kind.Policy() }

// Recovers tells whether it is there because something failed: it turns a dead host off for certain, or brings a VM back. What bounds
// the rest (the hour's budget, freezes) does not bound it; it has bounds of its own.
func (r Recommendation) Recovers() bool { return r.Policy == Restart || r.Action.Kind == Fence }

// AboutFailure tells whether it recovers something, or resets a guest that hangs: that has the bounds of the rest besides those of its own.
func (r Recommendation) AboutFailure() bool { return r.Recovers() || r.OfHungGuest() }

// What is found out about a guest's agent.
const (
	AgentAnswers = "answers"
	AgentSilent  = "silent"
)

// GuestHung is the detector of guests that hang while their processes run, GuestPanicked that of guests that panicked and whose processes were kept.
const (
	GuestHung     = "guest_hung"
	GuestPanicked = "vm_panicked"
)

// OfHungGuest tells whether it resets a VM because its guest hangs.
func (r Recommendation) OfHungGuest() bool {
	return r.Action.Kind == Reset && slices.ContainsFunc(r.Because, func(f Finding) bool { return f.Detector == GuestHung })
}

// Candidate is a host that a VM could go to, or could not.
type Candidate struct {
	Host string `json:"host"`
	// Constraint is what forbids it in a word, empty for a host that is allowed.
	Constraint string `json:"constraint,omitempty"`
	Reason     string `json:"reason"`
	// Gain is what going there would bring less its cost, in points of the score on the two hosts.
	Gain Number `json:"gain,omitzero"`
	// Others is how many more hosts the same constraint forbids.
	Others int `json:"others,omitempty"`
}

// Effect is one number of a host before and after a recommendation.
type Effect struct {
	Host   string  `json:"host"`
	Name   string  `json:"name"`
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// The names of the numbers that effects are about.
const (
	CPUUtilisation    = "cpu_utilisation"
	MemoryUtilisation = "memory_utilisation"
)

// Seen picks the number that the effect is about from a host's load.
func (e Effect) Seen(l Load) float64 {
	if e.Name == MemoryUtilisation {
		return l.MemoryUtilisation
	}
	return l.CPUUtilisation
}

// Identified returns the recommendation with its ID set: the first 12 hexadecimal digits of the
// SHA-256 of its content.
func (r Recommendation) Identified() Recommendation {
	r.ID = ""
	content, err := json.Marshal(r)
	if err != nil { // only a NaN or an infinity could do this, and Validate lets none in
		panic("cluster: recommendation cannot be written: " + err.Error())
	}
	sum := sha256.Sum256(content)
	r.ID = hex.EncodeToString(sum[:6])
	return r
}

// Verdict is a gate's answer. The zero Verdict refuses.
type Verdict struct {
	Gate string `json:"gate"`
	Pass bool   `json:"pass"`
	// Reason is one of the gate's fixed words, for example "expired".
	Reason string `json:"reason,omitempty"`
	// Detail is the sentence for people, with numbers.
	Detail string `json:"detail,omitempty"`
	// RetryAfter is when asking again could help; zero means that waiting alone does not.
	RetryAfter time.Time `json:"retry_after,omitzero"`
}

// Outcome is what came of an action.
type Outcome struct {
	Result Result `json:"result"`
	// Reason is the driver's own words when it failed, or the gates' when it was refused.
	Reason   string    `json:"reason,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	// RunsOn is where the VM was seen to run afterwards; empty when it was not seen.
	RunsOn string `json:"runs_on,omitempty"`
	// Job is the migration's own account of itself.
	Job Progress `json:"job,omitzero"`
}

// Progress is a migration's account of itself while it runs and when it is over.
type Progress struct {
	ElapsedSeconds      float64 `json:"elapsed_seconds"`
	TotalBytes          int64   `json:"total_bytes"`
	TransferredBytes    int64   `json:"transferred_bytes"`
	RemainingBytes      int64   `json:"remaining_bytes"`
	DirtyBytesPerSecond float64 `json:"dirty_bytes_per_second"`
	DowntimeSeconds     float64 `json:"downtime_seconds"`
}

// Ratio is the share of memory that has been copied, 0 to 1.
func (p Progress) Ratio() float64 {
	if p.TotalBytes <= 0 {
		return 0
	}
	return min(1, max(0, 1-float64(p.RemainingBytes)/float64(p.TotalBytes)))
}

// Sighting is where the hypervisors themselves say that a VM is, at one instant.
type Sighting struct {
	VM string `json:"vm"`
	// Hosts has one entry for each host that answered; one that does not know the VM says shutoff.
	Hosts []SightingHost `json:"hosts"`
	// Silent are the hosts that gave no answer, with the reason.
	Silent []Gap `json:"silent,omitempty"`
}

// SightingHost is what one hypervisor says of one VM.
type SightingHost struct {
	Host  string  `json:"host"`
	State VMState `json:"state"`
	// Defined tells that the host has the VM's definition, so that it could start there.
	Defined bool `json:"defined,omitempty"`
	// Name is what the host calls the VM; empty where it does not know it.
	Name string `json:"name,omitempty"`
	// Agent is AgentAnswers or AgentSilent, empty where that could not be found out. It is asked where the VM is to be reset.
	Agent string `json:"agent,omitempty"`
	// Job tells that a migration, backup or another long operation is under way, Copying that the hypervisor works on a disk of it.
	Job     bool `json:"job,omitempty"`
	Copying bool `json:"copying,omitempty"`
	// Elsewhere are the VM's disks that are not in the pool that the action is to move them to. It is told where
	// that was asked for.
	Elsewhere []string `json:"elsewhere,omitempty"`
	// Obstacle says why the host cannot take them there: no such pool, or too little room.
	Obstacle string `json:"obstacle,omitempty"`
}

// On returns what the host said of the VM; answered is false when it said nothing at all.
func (s Sighting) On(host string) (state VMState, job, answered bool) {
	for _, h := range s.Hosts {
		if h.Host == host {
			return h.State, h.Job, true
		}
	}
	return VMUnknown, false, false
}

// RunsOn returns the one host that runs the VM, or "" when none or several do.
func (s Sighting) RunsOn() string {
	found := ""
	for _, h := range s.Hosts {
		if h.State == VMRunning {
			if found != "" {
				return ""
			}
			found = h.Host
		}
	}
	return found
}

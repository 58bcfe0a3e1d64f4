// Package recovery is the judgement on failures: which VMs should run and do not, which of them may be started where and in which order, and
// which hosts should be turned off first. It is pure: what it knows it is told, the time included, and it does nothing.
//
// A VM should run when it ran until its host or its process failed. One that a person shut down, destroyed or suspended stays as it is.
package recovery

import (
	"cmp"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Causes of a VM not running that should.
const (
	// HostOff is a host that is proven off.
	HostOff = "host-off"
	// HostBack is a host that was away and came back without the VM.
	HostBack = "host-back"
	// Crashed is a VM whose process ended without anybody having asked for it, a guest that panicked included.
	Crashed = "crashed"
	// Panicked is a guest that panicked, and whose process was kept.
	Panicked = "panicked"
	// Stalled is a VM that the hypervisor paused because its storage failed.
	Stalled = "io-error"
	// Hung is a guest that hangs while its process runs.
	Hung = "hung"
)

// Policy is what the operator decided about failures.
type Policy struct {
	// Plan has the limits of placing, and how long a recommendation may be taken.
	Plan plan.Policy
	// Priorities are restart priorities by UUID or name. Snapshots have them as well; a VM that is down is known as it was when it ran, and one that
	// was never in a snapshot by its name alone.
	Priorities map[string]string
	// Dependencies say which VMs, by UUID or name, must be ready before a VM is started.
	Dependencies map[string][]string
	// Tries is how often a VM is started, and a host turned off, before it is left to a person.
	Tries int
	// BackOff is how long what failed is left alone; it doubles with each further failure in a row.
	BackOff time.Duration
	// Ready is for how long a VM must run before those that wait for it are started.
	Ready time.Duration
	// AwaitAgent is for how much longer its guest's agent is waited for, where it has one; 0 to not wait for that.
	AwaitAgent time.Duration
	// Guests is about guests that hang.
	Guests Guests
	// FenceAfter is for how long a host must have been hung or unproven before it is turned off.
	FenceAfter time.Duration
	// QuarantineFailures is how often a host may fail within QuarantineWindow before nothing is started on it; 0 for no limit.
	QuarantineFailures int
	QuarantineWindow   time.Duration
}

// Trouble is a VM that should run and does not, as it was when it ran.
type Trouble struct {
	VM cluster.VM
	// Cause is one of the causes, Host the one that it ran on.
	Cause, Host string
	Since       time.Time
}

// Try is an attempt at an action, and how it ended.
type Try struct {
	Action cluster.Action
	// From is the host that the VM ran on before it failed.
	From string
	At   time.Time
	// Pending tells that it has not ended.
	Pending bool
	Result  cluster.Result
	Reason  string
}

// Waiting is something that is not done now, and why.
type Waiting struct {
	// Subject is "vm/<id>" or "host/<id>", or "cluster" where nothing can be decided at all.
	Subject string `json:"subject"`
	Name    string `json:"name,omitempty"`
	// Cause is why it should be done, Reason why it is not.
	Cause  string    `json:"cause"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	// Stuck tells that a person should look: it will not be done by itself.
	Stuck bool `json:"stuck,omitempty"`
}

// priorityOf is the VM's restart priority.
func (p Policy) priorityOf(v *cluster.VM) string {
	return cmp.Or(p.Priorities[v.ID], p.Priorities[v.Name], v.RestartPriority, "medium")
}

// Protects tells whether the VM is started again when it fails.
func (p Policy) Protects(v *cluster.VM) bool { return p.priorityOf(v) != cluster.RestartDisabled }

func (p Policy) rank(v *cluster.VM) int { return cluster.RestartRank(p.priorityOf(v)) }

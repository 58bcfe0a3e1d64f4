package cluster

import (
	"fmt"
	"time"
)

// Run is one run of a runbook, which an alert began. It is a value: what changes is written to the journal as a new one.
type Run struct {
	// ID is a hash of the runbook's name, the alert's fingerprint and when the alert began, so that the same alert, told again,
	// begins nothing anew.
	ID      string `json:"id"`
	Runbook string `json:"runbook"`
	// Definition is a hash of what the runbook said when the run began: its steps go by number.
	Definition string `json:"definition,omitempty"`
	// By is who began it by hand; empty where an alert did.
	By string `json:"by,omitempty"`
	// Alert are the labels of the alert, Since is when it began.
	Alert map[string]string `json:"alert"`
	Since time.Time         `json:"since"`
	// Resolved is when the alert was told to be over; zero as far as is known it fires.
	Resolved time.Time `json:"resolved,omitzero"`
	// VM is the UUID, Name and Host what it was called and where it was when the run began. They are empty where the alert is
	// about no VM, and VM and Name where it is about a host.
	VM   string `json:"vm,omitempty"`
	Name string `json:"name,omitempty"`
	Host string `json:"host,omitempty"`
	// DryRun tells that no step changes anything: gates are asked and their answers noted.
	DryRun  bool      `json:"dry_run,omitempty"`
	Started time.Time `json:"started"`
	State   RunState  `json:"state"`
	// Steps are those begun, the last of them perhaps under way.
	Steps []RunStep `json:"steps,omitempty"`
	// Reason says why it ended as it did.
	Reason   string    `json:"reason,omitempty"`
	Finished time.Time `json:"finished,omitzero"`
}

// RunStep is one step of a run.
type RunStep struct {
	// Kind is what the step does, as the configuration calls it: "restart", "notify" and so on.
	Kind    string    `json:"kind"`
	Started time.Time `json:"started"`
	// Recommendation is the ID of the action that the step asks for, where it asks for one.
	Recommendation string    `json:"recommendation,omitempty"`
	Finished       time.Time `json:"finished,omitzero"`
	// Result says what came of it in a sentence.
	Result string `json:"result,omitempty"`
}

// RunState is how a run stands. The zero state is under way.
type RunState uint8

// The states of a run.
const (
	RunUnderWay RunState = iota
	RunDone
	// RunFailed is a run of which a step failed or was refused; what was to come after it is not done.
	RunFailed
	// RunRefused is a run that never began: too many at once, or an alert that does not say what it is about.
	RunRefused
	// RunEnded is a run whose alert was resolved before its next action began.
	RunEnded
)

// RunStates lists the names of all states of a run.
func RunStates() []string { return []string{"running", "done", "failed", "refused", "ended"} }

func (s RunState) String() string { return nameOf(RunStates(), s) }

// MarshalText writes the state's name.
func (s RunState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *RunState) UnmarshalText(b []byte) error {
	return parseName("state of a run", RunStates(), string(b), s)
}

// Subject is what the run is about as people call it.
func (r Run) Subject() string {
	name := r.Name
	if name == "" {
		name = r.VM
	}
	switch {
	case name != "" && r.Host != "":
		return name + " on " + r.Host
	case name != "":
		return name
	}
	return r.Host
}

// Runs are those known, by ID.
type Runs map[string]Run

// Apply carries the runs forward by one journal entry; other entries change nothing.
func (r Runs) Apply(e Entry) error {
	if e.Kind != EntryRun {
		return nil
	}
	if e.Run == nil || e.ID != e.Run.ID {
		return fmt.Errorf("journal entry %d (%s) holds no run %q", e.Seq, e.Kind, e.ID)
	}
	r[e.ID] = *e.Run
	return nil
}

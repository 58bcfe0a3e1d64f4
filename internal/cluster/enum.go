package cluster

import (
	"fmt"
	"strings"
)

// HostState is what a host does now. The zero state is unknown: nothing is planned with it.
type HostState uint8

// The states of a host.
const (
	HostUnknown HostState = iota
	HostUp
	HostDown
	HostMaintenance
	HostStandby
)

// HostStates lists the names of all host states, in the order of the constants.
func HostStates() []string { return []string{"unknown", "up", "down", "maintenance", "standby"} }

func (s HostState) String() string { return nameOf(HostStates(), s) }

// MarshalText writes the state's name.
func (s HostState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *HostState) UnmarshalText(b []byte) error {
	return parseName("host state", HostStates(), string(b), s)
}

// VMState is what a VM does now, in libvirt's words.
type VMState uint8

// The states of a VM.
const (
	VMUnknown VMState = iota
	VMRunning
	VMPaused
	VMShutdown
	VMShutoff
	VMCrashed
	VMSuspended
)

// VMStates lists the names of all VM states, in the order of the constants.
func VMStates() []string {
	return []string{"unknown", "running", "paused", "shutdown", "shutoff", "crashed", "pmsuspended"}
}

func (s VMState) String() string { return nameOf(VMStates(), s) }

// Active tells whether the VM occupies its host: it holds memory there.
func (s VMState) Active() bool { return s != VMShutoff && s != VMCrashed }

// MarshalText writes the state's name.
func (s VMState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *VMState) UnmarshalText(b []byte) error {
	return parseName("vm state", VMStates(), string(b), s)
}

// RuleKind says what a rule ties to what. There is no rule of the zero kind.
type RuleKind uint8

// The kinds of rule.
const (
	RuleNone RuleKind = iota
	VMVMAffinity
	VMVMAntiAffinity
	VMHostAffinity
	VMHostAntiAffinity
	// VMVMSpread asks for the VMs to be spread evenly over the failure domains.
	VMVMSpread
)

func ruleKinds() []string {
	return []string{"", "vm-vm-affinity", "vm-vm-anti-affinity", "vm-host-affinity", "vm-host-anti-affinity", "vm-vm-spread"}
}

func (k RuleKind) String() string { return nameOf(ruleKinds(), k) }

// MarshalText writes the kind's name.
func (k RuleKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *RuleKind) UnmarshalText(b []byte) error {
	return parseName("rule kind", ruleKinds(), string(b), k)
}

// aboutHosts tells whether a rule of the kind ties VMs to hosts rather than to each other.
func (k RuleKind) aboutHosts() bool { return k == VMHostAffinity || k == VMHostAntiAffinity }

// FaultKind says what is broken about a host. There is no fault of the zero kind.
type FaultKind uint8

// The kinds of fault.
const (
	FaultNone FaultKind = iota
	FaultBondSlave
	FaultMultipath
	FaultMemoryErrors
	FaultPoolFull
	FaultFilesystemFull
	FaultFilesystemReadonly
	FaultClock
)

// Dangerous tells whether VMs are better off on another host. What fills up is for a person to look after.
func (k FaultKind) Dangerous() bool {
	return k == FaultBondSlave || k == FaultMultipath || k == FaultMemoryErrors || k == FaultFilesystemReadonly
}

// FaultKinds lists the names of all kinds of fault.
func FaultKinds() []string {
	return []string{"none", "bond_slave_down", "multipath_path_down", "memory_errors", "pool_nearly_full", "filesystem_nearly_full", "filesystem_read_only", "clock_not_synchronised"}
}

func (k FaultKind) String() string { return nameOf(FaultKinds(), k) }

// MarshalText writes the kind's name.
func (k FaultKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *FaultKind) UnmarshalText(b []byte) error {
	return parseName("kind of fault", FaultKinds(), string(b), k)
}

// RuleStrength says whether a rule may be broken. The zero strength is must.
type RuleStrength uint8

// The strengths of a rule.
const (
	Must RuleStrength = iota
	Should
)

func ruleStrengths() []string { return []string{"must", "should"} }

func (r RuleStrength) String() string { return nameOf(ruleStrengths(), r) }

// MarshalText writes the strength's name.
func (r RuleStrength) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a strength's name.
func (r *RuleStrength) UnmarshalText(b []byte) error {
	return parseName("rule strength", ruleStrengths(), string(b), r)
}

// Level is an automation level. The zero level is off: nothing happens.
type Level uint8

// The automation levels, from the most cautious to the least.
const (
	LevelOff Level = iota
	LevelManual
	LevelPartial
	LevelFull
)

func levels() []string { return []string{"off", "manual", "partial", "full"} }

func (l Level) String() string { return nameOf(levels(), l) }

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a level's name.
func (l *Level) UnmarshalText(b []byte) error {
	return parseName("automation level", levels(), string(b), l)
}

// Result is how an action ended. The zero result is unknown: look again, never try again.
type Result uint8

// The results of an action.
const (
	ResultUnknown Result = iota
	ResultDone
	ResultRefused
	ResultFailed
)

// Results lists the names of all results.
func Results() []string { return []string{"unknown", "done", "refused", "failed"} }

func (r Result) String() string { return nameOf(Results(), r) }

// MarshalText writes the result's name.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a result's name.
func (r *Result) UnmarshalText(b []byte) error { return parseName("result", Results(), string(b), r) }

func nameOf[T ~uint8](names []string, v T) string {
	if int(v) >= len(names) {
		return fmt.Sprintf("invalid(%d)", v)
	}
	return names[v]
}

func parseName[T ~uint8](what string, names []string, s string, out *T) error {
	for i, n := range names {
		if n == s && s != "" {
			*out = T(i)
			return nil
		}
	}
	var known []string
	for _, n := range names {
		if n != "" {
			known = append(known, n)
		}
	}
	return fmt.Errorf("%q is no %s; use one of %s", s, what, strings.Join(known, ", "))
}

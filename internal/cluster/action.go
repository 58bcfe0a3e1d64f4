package cluster

import (
	"fmt"
	"slices"
	"time"
)

// Kind is what an action does. There is no action of the zero kind.
type Kind uint8

// The kinds of action.
const (
	KindNone Kind = iota
	// Migrate moves a running VM to another host.
	Migrate
	// Start starts a VM that runs nowhere.
	Start
	// Shutdown asks the guest to shut down.
	Shutdown
	// Reset resets the guest's hardware: what the guest has not written is lost.
	Reset
	// Suspend stops the VM's vCPUs, Resume lets them run again.
	Suspend
	Resume
	// MoveStorage copies the disks of a running VM to another storage pool and has it use the copies.
	MoveStorage
	// Maintenance puts a host into maintenance.
	Maintenance
	// Fence turns a host off, so that it is certain that nothing runs there any more.
	Fence
	// Forget takes the definition of a VM away from a host on which it no longer runs.
	Forget
	// Standby empties a host and shuts it down, and Wake turns on what that turned off.
	Standby
	Wake
)

// Kinds lists the names of the kinds of action.
func Kinds() []string {
	return []string{"migrate", "start", "shutdown", "reset", "suspend", "resume", "move-storage", "maintenance", "fence", "forget", "standby", "wake"}
}

func kinds() []string { return append([]string{"none"}, Kinds()...) }

func (k Kind) String() string { return nameOf(kinds(), k) }

// MarshalText writes the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *Kind) UnmarshalText(b []byte) error { return parseName("action kind", kinds(), string(b), k) }

// Policy names what an action of the kind goes by when no planner advises it: a person or a runbook asks for it.
// Automation levels are given by that name.
func (k Kind) Policy() string {
	if k == Migrate {
		return "move" // balance, evacuate and so on migrate as well
	}
	return k.String()
}

// Restart is the policy of what brings VMs back that a failure stopped.
const Restart = "restart"

// Power is the policy of what puts hosts into standby that are not needed, and wakes them when they are.
const Power = "power"

// Policies lists the kinds of action that automation levels and approvals in advance are given for: the planners,
// and what a person or a runbook can ask for.
func Policies() []string {
	list := []string{"rules", "evacuate", "quarantine", "balance", Power, Restart}
	for k := Migrate; k <= Wake; k++ {
		list = append(list, k.Policy())
	}
	return list
}

// Unable says why a hypervisor of that sort, as libvirt names it, cannot do what the kind asks for, or "". It is libvirt's
// libxl driver that lacks these calls, so that nothing is lost by saying it before.
func (k Kind) Unable(hypervisor string) string {
	if hypervisor != "Xen" {
		return ""
	}
	switch k {
	case Reset:
		return "libvirt cannot reset a domain on Xen; shut it down and start it"
	case MoveStorage:
		return "libvirt cannot copy the disks of a running domain on Xen; shut it down and move the images"
	case KindNone, Migrate, Start, Shutdown, Suspend, Resume, Maintenance, Fence, Forget, Standby, Wake:
	}
	return ""
}

// Action is one change to the world.
type Action struct {
	Kind Kind `json:"kind"`
	// VM is the UUID, Name what people call it; both are empty for what is done to a host.
	VM   string `json:"vm,omitempty"`
	Name string `json:"name,omitempty"`
	// From is the host that the VM is on, or that the action is done to; To the one that it goes to or starts on.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Pool is the storage pool that disks go to.
	Pool string `json:"pool,omitempty"`
	// Until is when maintenance ends, or a host in standby is woken, by itself; zero for what lasts until it is ended.
	Until time.Time `json:"until,omitzero"`
	// Test tells that the host is put into standby to find out whether it can be woken, which is done at once.
	Test bool `json:"test,omitempty"`
}

func (a Action) String() string {
	name := a.Name
	if name == "" {
		name = a.VM
	}
	switch a.Kind {
	case Start:
		return fmt.Sprintf("%s %s on %s", a.Kind, name, a.To)
	case Shutdown, Reset, Suspend, Resume:
		return fmt.Sprintf("%s %s on %s", a.Kind, name, a.From)
	case MoveStorage:
		return fmt.Sprintf("move the disks of %s on %s to %s", name, a.From, a.Pool)
	case Maintenance:
		if a.Until.IsZero() {
			return "put " + a.From + " into maintenance"
		}
		return "put " + a.From + " into maintenance until " + a.Until.UTC().Format(time.RFC3339)
	case Fence:
		return "turn " + a.From + " off"
	case Standby:
		switch {
		case a.Test:
			return "test whether " + a.From + " can be woken"
		case a.Until.IsZero():
			return "put " + a.From + " into standby"
		}
		return "put " + a.From + " into standby until " + a.Until.UTC().Format(time.RFC3339)
	case Wake:
		return "wake " + a.From
	case Forget:
		return fmt.Sprintf("take the definition of %s away from %s", name, a.From)
	case KindNone, Migrate:
	}
	return fmt.Sprintf("%s %s from %s to %s", a.Kind, name, a.From, a.To)
}

// Hosts are those that the action touches, each once.
func (a Action) Hosts() []string {
	hosts := slices.DeleteFunc([]string{a.From, a.To}, func(h string) bool { return h == "" })
	return slices.Compact(hosts)
}

// Subject is what the action is done to: "vm/<id>" or "host/<id>".
func (a Action) Subject() string {
	if a.VM == "" {
		return HostSubject(a.From)
	}
	return VMSubject(a.VM)
}

// Subjects are all that the action touches.
func (a Action) Subjects() []string {
	var subjects []string
	for _, h := range a.Hosts() {
		subjects = append(subjects, HostSubject(h))
	}
	if a.VM != "" {
		subjects = append(subjects, VMSubject(a.VM))
	}
	return subjects
}

// Alike tells whether both do the same sort of thing to the same VM or host.
func (a Action) Alike(b Action) bool { return a.Kind == b.Kind && a.Subject() == b.Subject() }

// At is the host on which the VM is, or is to be, when the action is done.
func (a Action) At() string {
	if a.To != "" {
		return a.To
	}
	return a.From
}

// Leaves is the state that the VM is to be in when the action is done.
func (a Action) Leaves() VMState {
	switch a.Kind {
	case Shutdown:
		return VMShutoff
	case Suspend:
		return VMPaused
	case Migrate, Start, Reset, Resume, MoveStorage:
		return VMRunning
	case KindNone, Maintenance, Fence, Forget, Standby, Wake:
	}
	return VMUnknown
}

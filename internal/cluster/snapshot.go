// Package cluster is the vocabulary of evenkeel: the values that rooms hand to each other.
// A Snapshot says what a cluster looked like at one instant, a Finding what is wrong with it, a
// Recommendation what would help, a Verdict whether that may happen now, and an Outcome what came
// of it. The package holds values and arithmetic on them. It reads no clock, file or socket, keeps
// no state of its own and judges nothing: thresholds and policies belong to analyzer and actuator.
//
// Lists are sorted slices, never maps, so that the same cluster gives the same floating-point sums
// and therefore the same plan. The zero value of every type is its safe value: an unknown host
// state, an immovable VM, a verdict that refuses.
package cluster

import (
	"encoding/json"
	"time"
)

// Snapshot is one cluster at one instant, as Prometheus held it.
type Snapshot struct {
	// Cluster is the name from the configuration.
	Cluster string `json:"cluster"`
	// At is the instant at which every query behind the snapshot was evaluated.
	At time.Time `json:"at"`
	// Hosts are sorted by ID.
	Hosts []Host `json:"hosts"`
	// VMs are sorted by ID.
	VMs []VM `json:"vms"`
	// Rules are sorted by name.
	Rules []Rule `json:"rules,omitempty"`
	// Gaps says what could not be seen, sorted by subject. Whoever judges leaves the subjects alone.
	Gaps []Gap `json:"gaps,omitempty"`
	// Sources tells for each kind of number the PromQL that gave it.
	Sources []Source `json:"sources,omitempty"`
}

// Host is one virtualisation host.
type Host struct {
	ID    string    `json:"id"`
	State HostState `json:"state"`
	// CPUCores are logical CPUs, those that the hypervisor can run vCPUs on.
	CPUCores    float64 `json:"cpu_cores"`
	MemoryBytes int64   `json:"memory_bytes"`
	// ReservedCPUCores is what the host itself needs or was seen to use, whichever is more.
	ReservedCPUCores    float64 `json:"reserved_cpu_cores,omitempty"`
	ReservedMemoryBytes int64   `json:"reserved_memory_bytes,omitempty"`
	// CPUCompat names a group of hosts with equal guest-visible CPUs.
	CPUCompat string `json:"cpu_compat,omitempty"`
	// Storage and Networks name what guests on this host can reach.
	Storage          []string `json:"storage,omitempty"`
	Networks         []string `json:"networks,omitempty"`
	FailureDomain    string   `json:"failure_domain,omitempty"`
	IdleWatts        Number   `json:"idle_watts,omitzero"`
	PeakWatts        Number   `json:"peak_watts,omitzero"`
	CPUPressureRatio Number   `json:"cpu_pressure_ratio,omitzero"`
}

// VM is one virtual machine.
type VM struct {
	// ID is the UUID that the hypervisors know the VM by.
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Host is where it runs; empty when it runs nowhere.
	Host string `json:"host,omitempty"`
	// MigratingTo is the host that it is being migrated to; a placement counts it there.
	MigratingTo string  `json:"migrating_to,omitempty"`
	State       VMState `json:"state"`
	VCPUs       int     `json:"vcpus"`
	MemoryBytes int64   `json:"memory_bytes"`
	// CPUDemandCores is what it used and what it waited for, in cores.
	CPUDemandCores    float64 `json:"cpu_demand_cores"`
	MemoryDemandBytes int64   `json:"memory_demand_bytes"`
	CPUPredictedCores Number  `json:"cpu_predicted_cores,omitzero"`
	// CPUStealRatio is the share of its vCPUs' time in which they were ready and did not run.
	CPUStealRatio       Number `json:"cpu_steal_ratio,omitzero"`
	DirtyBytesPerSecond Number `json:"dirty_bytes_per_second,omitzero"`
	// CPUCompat is the group of hosts that it can run on; empty means any.
	CPUCompat string   `json:"cpu_compat,omitempty"`
	Storage   []string `json:"storage,omitempty"`
	Networks  []string `json:"networks,omitempty"`
	Movable   bool     `json:"movable,omitempty"`
	// ImmovableReason says why Movable is false.
	ImmovableReason string `json:"immovable_reason,omitempty"`
	// Automation overrides the cluster's level where it is more cautious.
	Automation      *Level   `json:"automation,omitempty"`
	RestartPriority string   `json:"restart_priority,omitempty"`
	Tags            []string `json:"tags,omitempty"`
}

// Label is the VM's name, or its ID where it has none: what a person is shown.
func (v VM) Label() string {
	if v.Name == "" {
		return v.ID
	}
	return v.Name
}

// Rule ties VMs to each other or to hosts.
type Rule struct {
	Name     string       `json:"name"`
	Kind     RuleKind     `json:"kind"`
	Strength RuleStrength `json:"strength"`
	VMs      []string     `json:"vms"`
	Hosts    []string     `json:"hosts,omitempty"`
}

// Gap is something that could not be seen, or that was seen in contradiction.
type Gap struct {
	// Subject is "cluster", "host/<id>" or "vm/<id>".
	Subject string `json:"subject"`
	Reason  string `json:"reason"`
}

// HostSubject names a host as the subject of a Gap or Finding.
func HostSubject(id string) string { return "host/" + id }

// VMSubject names a VM as the subject of a Gap or Finding.
func VMSubject(id string) string { return "vm/" + id }

// Source is the PromQL behind one kind of number.
type Source struct {
	// Number is the field's name in the snapshot file, for example "cpu_demand_cores".
	Number string `json:"number"`
	Query  string `json:"query"`
}

// Query returns the PromQL that gave the named number, or "" when the snapshot came from a file
// that does not say.
func (s Snapshot) Query(number string) string {
	for _, src := range s.Sources {
		if src.Number == number {
			return src.Query
		}
	}
	return ""
}

// Host returns the host with that ID.
func (s Snapshot) Host(id string) (Host, bool) {
	for _, h := range s.Hosts {
		if h.ID == id {
			return h, true
		}
	}
	return Host{}, false
}

// VM returns the VM with that ID.
func (s Snapshot) VM(id string) (VM, bool) {
	for _, v := range s.VMs {
		if v.ID == id {
			return v, true
		}
	}
	return VM{}, false
}

// FindVMs returns the VMs whose ID or name is key.
func (s Snapshot) FindVMs(key string) []VM {
	var found []VM
	for _, v := range s.VMs {
		if v.ID == key || v.Name == key {
			found = append(found, v)
		}
	}
	return found
}

// GapOf returns why the subject could not be seen, or "" when it was.
func (s Snapshot) GapOf(subject string) string {
	for _, g := range s.Gaps {
		if g.Subject == subject {
			return g.Reason
		}
	}
	return ""
}

// Number is a measured value that may be missing. The zero Number is "not known".
type Number struct {
	Value float64
	Known bool
}

// Known makes a Number that is known.
func Known(v float64) Number { return Number{Value: v, Known: true} }

// MarshalJSON writes the value, or null when it is not known.
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.Known {
		return []byte("null"), nil
	}
	return json.Marshal(n.Value)
}

// UnmarshalJSON reads a number; null means not known.
func (n *Number) UnmarshalJSON(b []byte) error {
	*n = Number{}
	if string(b) == "null" {
		return nil
	}
	if err := json.Unmarshal(b, &n.Value); err != nil {
		return err
	}
	n.Known = true
	return nil
}

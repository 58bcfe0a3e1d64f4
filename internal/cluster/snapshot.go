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
	"slices"
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
	// Machines are computers that run no VMs, sorted by ID. Nothing is planned with them.
	Machines []Machine `json:"machines,omitempty"`
	// Rules are sorted by name.
	Rules []Rule `json:"rules,omitempty"`
	// Gaps says what could not be seen, sorted by subject. Whoever judges leaves the subjects alone.
	Gaps []Gap `json:"gaps,omitempty"`
	// Sources tells for each kind of number the PromQL that gave it.
	Sources []Source `json:"sources,omitempty"`
	// OwnMovesLastDay is how many live migrations evenkeel itself made in the 24 hours before At.
	OwnMovesLastDay Number `json:"own_moves_last_day,omitzero"`
	// CPUAheadCores is what all VMs together are expected to use in each of the coming hours, the next first.
	CPUAheadCores []float64 `json:"cpu_ahead_cores,omitempty"`
	// Servers are the evenkeel servers that look after this cluster and that Prometheus sees, by ID, sorted.
	Servers []string `json:"servers,omitempty"`
	// Replicas are the Prometheus servers that were asked, in the order of preference; empty where there is one.
	Replicas []Replica `json:"replicas,omitempty"`
}

// Replica is one of several Prometheus servers that hold the same, as it was found when a snapshot was to be made.
type Replica struct {
	// URL is its address, without password and parameters.
	URL string `json:"url"`
	// Used tells that the whole snapshot was made from it, Usable that it could have been.
	Used   bool `json:"used"`
	Usable bool `json:"usable"`
	// Reason says why it was used or was not.
	Reason string `json:"reason"`
	// HostsUp is how many of the cluster's hosts it has new data of.
	HostsUp int `json:"hosts_up"`
	// NewestAgeSeconds is how old its newest sample of any host was at the instant of the snapshot.
	NewestAgeSeconds Number `json:"newest_age_seconds,omitzero"`
}

// The kinds of machine: one that runs VMs, and one that does its work without a hypervisor.
const (
	KindHypervisor = "hypervisor"
	KindPhysical   = "physical"
)

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
	// CPUModels are the named CPU models that guests can have here: a VM with one of them can come
	// although the groups differ.
	CPUModels []string `json:"cpu_models,omitempty"`
	// Woken is the last time that evenkeel woke it, or tried to; nil where it never did.
	Woken *WakeProof `json:"woken,omitempty"`
	// WakingSince is when evenkeel began to wake it, zero where it is not being woken.
	WakingSince time.Time `json:"waking_since,omitzero"`
	// Retiring tells that it is emptied to be put into standby.
	Retiring bool `json:"retiring,omitempty"`
	// Hypervisor is its kind, for example "QEMU" or "Xen"; empty when it is not known.
	Hypervisor string `json:"hypervisor,omitempty"`
	// Storage and Networks name what guests on this host can reach.
	Storage       []string `json:"storage,omitempty"`
	Networks      []string `json:"networks,omitempty"`
	FailureDomain string   `json:"failure_domain,omitempty"`
	Tags          []string `json:"tags,omitempty"`
	// Automation overrides the cluster's level, for what touches the host, where it is more cautious.
	Automation *Level `json:"automation,omitempty"`
	IdleWatts  Number `json:"idle_watts,omitzero"`
	PeakWatts  Number `json:"peak_watts,omitzero"`
	// PowerCurve is what it draws in between, where more than the ends is known.
	PowerCurve PowerCurve `json:"power_curve,omitempty"`
	// The pressures are shares of time in which at least one task waited for the resource (the kernel's
	// pressure stall information, "some").
	CPUPressureRatio    Number `json:"cpu_pressure_ratio,omitzero"`
	MemoryPressureRatio Number `json:"memory_pressure_ratio,omitzero"`
	IOPressureRatio     Number `json:"io_pressure_ratio,omitzero"`
	// Faults are what is broken or about to be, sorted by kind and detail.
	Faults []Fault `json:"faults,omitempty"`
}

// Machine is a computer without a hypervisor, as its node_exporter shows it.
type Machine struct {
	ID    string    `json:"id"`
	State HostState `json:"state"`
	// Reason says why it is not known to be up.
	Reason      string  `json:"reason,omitempty"`
	CPUCores    float64 `json:"cpu_cores,omitempty"`
	MemoryBytes int64   `json:"memory_bytes,omitempty"`
	// CPUUsedCores is the mean over the window, MemoryUsedBytes what is not available to programs.
	CPUUsedCores    Number `json:"cpu_used_cores,omitzero"`
	MemoryUsedBytes Number `json:"memory_used_bytes,omitzero"`
	// The pressures are as those of a Host.
	CPUPressureRatio    Number   `json:"cpu_pressure_ratio,omitzero"`
	MemoryPressureRatio Number   `json:"memory_pressure_ratio,omitzero"`
	IOPressureRatio     Number   `json:"io_pressure_ratio,omitzero"`
	Tags                []string `json:"tags,omitempty"`
}

// Load returns what the machine carries.
func (m Machine) Load() Load {
	return Load{Host: m.ID, Kind: KindPhysical, State: m.State,
		CPUUtilisation: ratio(m.CPUUsedCores.Value, m.CPUCores), MemoryUtilisation: ratio(m.MemoryUsedBytes.Value, float64(m.MemoryBytes))}
}

// Fault is something about a host that puts its VMs at risk.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// Detail names the part, for example "bond0".
	Detail string  `json:"detail"`
	Value  float64 `json:"value"`
	// Limit is what the value should not be above, or below where that is the danger.
	Limit Number `json:"limit,omitzero"`
	Query string `json:"query,omitempty"`
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
	// CPUPredictedCores is what it is expected to use in the coming hour, given only where that
	// forecast was better in the past than the present value. CPUPredictedErrorCores is the mean
	// absolute error of the forecast over the past, CPUPersistenceErrorCores that of expecting no change.
	CPUPredictedCores        Number `json:"cpu_predicted_cores,omitzero"`
	CPUPredictedErrorCores   Number `json:"cpu_predicted_error_cores,omitzero"`
	CPUPersistenceErrorCores Number `json:"cpu_persistence_error_cores,omitzero"`
	// CPUBusyCores is what it used and waited for in the last five minutes, CPUCalmCores what that was at most in the last forty.
	CPUBusyCores Number `json:"cpu_busy_cores,omitzero"`
	CPUCalmCores Number `json:"cpu_calm_cores,omitzero"`
	// CPUPeakCores and MemoryPeakBytes are the highest use of the past day, short bursts left out.
	CPUPeakCores    Number `json:"cpu_peak_cores,omitzero"`
	MemoryPeakBytes Number `json:"memory_peak_bytes,omitzero"`
	// IOBytesPerSecond is the mean of the past day over all disks and network interfaces.
	IOBytesPerSecond Number `json:"io_bytes_per_second,omitzero"`
	// MemoryBalloonBytes is what the balloon leaves the guest of MemoryBytes now.
	MemoryBalloonBytes Number `json:"memory_balloon_bytes,omitzero"`
	// SwapBytesPerSecond is what the guest itself swaps in and out.
	SwapBytesPerSecond Number `json:"swap_bytes_per_second,omitzero"`
	// CPUStealRatio is the share of its vCPUs' time in which they were ready and did not run.
	CPUStealRatio       Number `json:"cpu_steal_ratio,omitzero"`
	DirtyBytesPerSecond Number `json:"dirty_bytes_per_second,omitzero"`
	// CPUCompat is the group of hosts that it can run on; empty means any.
	CPUCompat string `json:"cpu_compat,omitempty"`
	// CPUModel is the named CPU model that it has; a host of another group that offers the model will do.
	CPUModel string `json:"cpu_model,omitempty"`
	// Hypervisor is the kind that it runs on; empty means any.
	Hypervisor string   `json:"hypervisor,omitempty"`
	Storage    []string `json:"storage,omitempty"`
	Networks   []string `json:"networks,omitempty"`
	Movable    bool     `json:"movable,omitempty"`
	// ImmovableReason says why Movable is false.
	ImmovableReason string `json:"immovable_reason,omitempty"`
	// LocalDisk says which disk of it lies where only its host is known to reach it: it cannot be started elsewhere.
	LocalDisk string `json:"local_disk,omitempty"`
	// Automation overrides the cluster's level where it is more cautious.
	Automation *Level `json:"automation,omitempty"`
	// RestartPriority is how soon it is to be started after its host failed, RestartDisabled for not at all.
	RestartPriority string   `json:"restart_priority,omitempty"`
	Tags            []string `json:"tags,omitempty"`
	// MovedAt is when it came to its host by migration, zero when that is longer ago than is remembered.
	MovedAt time.Time `json:"moved_at,omitzero"`
	// MovesLastDay counts its migrations in the 24 hours before the snapshot.
	MovesLastDay int `json:"moves_last_day,omitempty"`
	// RecentHosts are the other hosts that it was on in the last hours, sorted.
	RecentHosts []string `json:"recent_hosts,omitempty"`
	// LastMigration is what its newest migration took.
	LastMigration *MigrationCost `json:"last_migration,omitempty"`
}

// MigrationCost is what a live migration took.
type MigrationCost struct {
	Seconds          float64 `json:"seconds"`
	DowntimeSeconds  float64 `json:"downtime_seconds"`
	TransferredBytes int64   `json:"transferred_bytes"`
}

// RestartDisabled is the restart priority of VMs that are not started elsewhere when their host fails.
const RestartDisabled = "disabled"

// RestartPriorities lists the restart priorities of VMs that are started elsewhere, from the last to the first.
func RestartPriorities() []string { return []string{"lowest", "low", "medium", "high", "highest"} }

// RestartRank ranks a restart priority, the last that is started lowest. What is not said is medium.
func RestartRank(priority string) int {
	if i := slices.Index(RestartPriorities(), priority); i >= 0 {
		return i
	}
	return slices.Index(RestartPriorities(), "medium")
}

// Restarts tells whether the VM is to be started elsewhere when its host fails.
func (v *VM) Restarts() bool { return v.RestartPriority != RestartDisabled }

// Label is the VM's name, or its ID where it has none: what a person is shown.
func (v VM) Label() string {
	if v.Name == "" {
		return v.ID
	}
	return v.Name
}

// Cores is what a placement counts for the VM: its demand or, where that is more, what it is expected to use in
// the coming hour.
func (v *VM) Cores() float64 {
	if v.CPUPredictedCores.Known {
		return max(v.CPUDemandCores, v.CPUPredictedCores.Value)
	}
	return v.CPUDemandCores
}

// Rule ties VMs to each other or to hosts. Its VMs are those that any of the three lists names, its
// hosts likewise.
type Rule struct {
	Name     string       `json:"name"`
	Kind     RuleKind     `json:"kind"`
	Strength RuleStrength `json:"strength"`
	// VMs are IDs or names, VMTags tags, VMNames patterns of names with the wild cards of path.Match.
	VMs     []string `json:"vms,omitempty"`
	VMTags  []string `json:"vm_tags,omitempty"`
	VMNames []string `json:"vm_names,omitempty"`
	// Hosts are IDs, HostTags tags and FailureDomains the domains of the hosts.
	Hosts          []string `json:"hosts,omitempty"`
	HostTags       []string `json:"host_tags,omitempty"`
	FailureDomains []string `json:"failure_domains,omitempty"`
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
	for i := range s.Hosts { // a host is large: only the one is copied
		if s.Hosts[i].ID == id {
			return s.Hosts[i], true
		}
	}
	return Host{}, false
}

// VM returns the VM with that ID.
func (s Snapshot) VM(id string) (VM, bool) {
	for i := range s.VMs {
		if s.VMs[i].ID == id {
			return s.VMs[i], true
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

// ForeignMoves is how many migrations of the last day evenkeel did not make; 0 where it is not known how many it
// made.
func (s Snapshot) ForeignMoves() float64 {
	if !s.OwnMovesLastDay.Known {
		return 0
	}
	seen := 0
	for i := range s.VMs {
		seen += s.VMs[i].MovesLastDay
	}
	return max(0, float64(seen)-s.OwnMovesLastDay.Value)
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

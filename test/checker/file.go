package main

// snapshot is as much of a snapshot file as the rules are about.
type snapshot struct {
	Version int    `json:"version"`
	Hosts   []host `json:"hosts"`
	VMs     []vm   `json:"vms"`
	Rules   []rule `json:"rules"`
	Gaps    []struct {
		Subject string `json:"subject"`
	} `json:"gaps"`
}

type host struct {
	ID             string   `json:"id"`
	State          string   `json:"state"`
	Cores          float64  `json:"cpu_cores"`
	Memory         int64    `json:"memory_bytes"`
	ReservedCores  float64  `json:"reserved_cpu_cores"`
	ReservedMemory int64    `json:"reserved_memory_bytes"`
	CPUGroup       string   `json:"cpu_compat"`
	Storage        []string `json:"storage"`
	Networks       []string `json:"networks"`
}

type vm struct {
	ID           string   `json:"id"`
	Host         string   `json:"host"`
	MigratingTo  string   `json:"migrating_to"`
	State        string   `json:"state"`
	Memory       int64    `json:"memory_bytes"`
	CPUDemand    float64  `json:"cpu_demand_cores"`
	MemoryDemand int64    `json:"memory_demand_bytes"`
	CPUGroup     string   `json:"cpu_compat"`
	Storage      []string `json:"storage"`
	Networks     []string `json:"networks"`
	Movable      bool     `json:"movable"`
}

// place is where the VM counts: on the host that it is being migrated to, or else where it is.
func (v vm) place() string {
	if v.MigratingTo != "" {
		return v.MigratingTo
	}
	return v.Host
}

// occupies tells whether the VM takes anything of its host.
func (v vm) occupies() bool { return v.State != "shutoff" && v.State != "crashed" }

type rule struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Strength string   `json:"strength"`
	VMs      []string `json:"vms"`
	Hosts    []string `json:"hosts"`
}

// plan is as much of a plan as can be checked.
type plan struct {
	Before  numbers `json:"before"`
	After   numbers `json:"after"`
	Actions []step  `json:"actions"`
}

type step struct {
	Seq       int    `json:"seq"`
	Kind      string `json:"kind"`
	VM        string `json:"vm"`
	From      string `json:"from"`
	To        string `json:"to"`
	DependsOn []int  `json:"depends_on"`
}

// numbers are what a plan says of a cluster. Pointers, for a number that is missing is a fault.
type numbers struct {
	CPUStddev      *float64 `json:"cpu_utilisation_stddev"`
	MemoryStddev   *float64 `json:"memory_utilisation_stddev"`
	MaxCPU         *float64 `json:"max_cpu_utilisation"`
	MaxMemory      *float64 `json:"max_memory_utilisation"`
	Contended      *float64 `json:"contended_cpu_cores"`
	RuleViolations *float64 `json:"rule_violations"`
}

package main

import (
	"path"
	"slices"
)

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
	CPUModels      []string `json:"cpu_models"`
	Hypervisor     string   `json:"hypervisor"`
	Storage        []string `json:"storage"`
	Networks       []string `json:"networks"`
	FailureDomain  string   `json:"failure_domain"`
	Tags           []string `json:"tags"`
}

type vm struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Tags         []string `json:"tags"`
	Host         string   `json:"host"`
	MigratingTo  string   `json:"migrating_to"`
	State        string   `json:"state"`
	Memory       int64    `json:"memory_bytes"`
	CPUDemand    float64  `json:"cpu_demand_cores"`
	MemoryDemand int64    `json:"memory_demand_bytes"`
	CPUPredicted float64  `json:"cpu_predicted_cores"`
	CPUGroup     string   `json:"cpu_compat"`
	CPUModel     string   `json:"cpu_model"`
	Hypervisor   string   `json:"hypervisor"`
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

// cores is what is counted for the VM: its demand or the forecast, whichever is more.
func (v vm) cores() float64 { return max(v.CPUDemand, v.CPUPredicted) }

// occupies tells whether the VM takes anything of its host.
func (v vm) occupies() bool { return v.State != "shutoff" && v.State != "crashed" }

type rule struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Strength string   `json:"strength"`
	VMs      []string `json:"vms"`
	VMTags   []string `json:"vm_tags"`
	VMNames  []string `json:"vm_names"`
	Hosts    []string `json:"hosts"`
	HostTags []string `json:"host_tags"`
	Domains  []string `json:"failure_domains"`
}

// ties tells whether the rule names the VM.
func (r rule) ties(v vm) bool {
	for _, pattern := range r.VMNames {
		if ok, err := path.Match(pattern, v.Name); ok && err == nil {
			return true
		}
	}
	return slices.Contains(r.VMs, v.ID) || slices.Contains(r.VMs, v.Name) && v.Name != "" || meet(r.VMTags, v.Tags)
}

// names tells whether the rule names the host.
func (r rule) names(h host) bool {
	return slices.Contains(r.Hosts, h.ID) || slices.Contains(r.Domains, h.FailureDomain) || meet(r.HostTags, h.Tags)
}

func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// plan is as much of a plan as can be checked.
type plan struct {
	Before  numbers `json:"before"`
	After   numbers `json:"after"`
	Actions []step  `json:"actions"`
}

type step struct {
	Seq  int    `json:"seq"`
	Kind string `json:"kind"`
	VM   string `json:"vm"`
	From string `json:"from"`
	To   string `json:"to"`
	// Priority 1 is what is mandatory: CPU may run short for it, memory may not.
	Priority  int   `json:"priority"`
	DependsOn []int `json:"depends_on"`
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

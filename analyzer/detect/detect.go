// Package detect judges a snapshot: what is wrong with this cluster, by which numbers, against
// which limits. It is pure. It does not say what to do about it (package plan) and never acts.
package detect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Policy holds the limits that findings are measured against. The zero limits find what they can; Default
// has those that are used.
type Policy struct {
	// Threshold is the migration threshold, 1 (conservative: only what is mandatory) to 5.
	Threshold int
	Limits    cluster.Limits
	// Admission is what the cluster is to survive.
	Admission admission.Policy
	// StealRatio is the share of its vCPUs' time that a VM may wait. CPUPressure and MemoryPressure are the
	// shares of time in which tasks of a host may wait for it.
	StealRatio, CPUPressure, MemoryPressure float64
	// IdleHost is the utilisation under which a host is idle. IdleVM is the share of its vCPUs that an idle VM
	// does not use even at its peak, IdleIO what it does not move in bytes a second.
	IdleHost, IdleVM, IdleIO float64
	// Oversized and Undersized are shares of its size that a VM stays under, or goes over, at its peak.
	Oversized, Undersized float64
	// VCPUsPerCore is how many vCPUs a core of a host may be promised to.
	VCPUsPerCore float64
	// ForeignMoves is how many migrations a day others may make by hand before another scheduler is suspected.
	ForeignMoves float64
}

// Default returns the usual limits at a migration threshold.
func Default(threshold int, l cluster.Limits) Policy {
	return Policy{
		Threshold: threshold, Limits: l, Admission: admission.Policy{HostFailures: 1},
		StealRatio: 0.05, CPUPressure: 0.25, MemoryPressure: 0.05,
		IdleHost: 0.10, IdleVM: 0.02, IdleIO: 10_000, Oversized: 0.30, Undersized: 0.90, VCPUsPerCore: 8, ForeignMoves: 5,
	}
}

// Detector is one judgement.
type Detector struct {
	// Name is the word for it everywhere: metric label, journal, configuration, runbook.
	Name string
	// AtOnce tells that its findings may be acted upon in the pass that finds them first.
	AtOnce bool
	Detect func(*cluster.Placement, cluster.Snapshot, Policy) []cluster.Finding
}

// All lists the detectors in the order in which people read their findings.
func All() []Detector {
	return []Detector{
		{Name: "rule_violation", AtOnce: true, Detect: ruleViolation},
		{Name: "rule_conflict", AtOnce: true, Detect: ruleConflict},
		{Name: "maintenance", AtOnce: true, Detect: maintenance},
		{Name: "unhealthy_host", Detect: unhealthyHost},
		{Name: "contended_host", Detect: contendedHost},
		{Name: "contended_vm", Detect: contendedVM},
		{Name: "imbalance", Detect: imbalance},
		{Name: "overcommitted_host", AtOnce: true, Detect: overcommittedHost},
		{Name: "reserve_broken", Detect: reserveBroken},
		{Name: "idle_host", Detect: idleHost},
		{Name: "idle_vm", AtOnce: true, Detect: idleVM},
		{Name: "oversized_vm", AtOnce: true, Detect: oversizedVM},
		{Name: "undersized_vm", AtOnce: true, Detect: undersizedVM},
		{Name: "unmovable_vm", AtOnce: true, Detect: unmovableVM},
		{Name: "stale_data", AtOnce: true, Detect: staleData},
		{Name: "second_scheduler", AtOnce: true, Detect: secondScheduler},
	}
}

// Names lists the detectors' names.
func Names() []string {
	var names []string
	for _, d := range All() {
		names = append(names, d.Name)
	}
	return names
}

// Held marks as pending what was not found in every one of the earlier passes as well: a moment's peak
// must not move anything. Detectors of what does not come and go need not hold.
func Held(now []cluster.Finding, earlier [][]cluster.Finding) []cluster.Finding {
	atOnce := map[string]bool{}
	for _, d := range All() {
		atOnce[d.Name] = d.AtOnce
	}
	type about struct{ detector, subject string }
	held := slices.Clone(now)
	for _, then := range earlier {
		found := make(map[about]bool, len(then)) // a cluster that cannot be seen has a finding for each VM
		for _, f := range then {
			found[about{f.Detector, f.Subject}] = true
		}
		for i, f := range held {
			if !atOnce[f.Detector] && !found[about{f.Detector, f.Subject}] {
				held[i].Pending = true
			}
		}
	}
	return held
}

// Findings runs every detector over the snapshot.
func Findings(s cluster.Snapshot, p Policy) []cluster.Finding {
	placement := cluster.NewPlacement(s)
	var found []cluster.Finding
	for _, d := range All() {
		found = append(found, d.Detect(placement, s, p)...)
	}
	return found
}

// some lists a few and says how many more there are.
func some(list []string) string {
	const most = 6
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// stealByHost is the measured waiting of each host's VMs: what the imbalance costs them already.
func stealByHost(s cluster.Snapshot) map[string][]cluster.Evidence {
	cores := map[string]float64{}
	for i := range s.VMs {
		if v := &s.VMs[i]; v.CPUStealRatio.Known {
			cores[v.Host] += v.CPUStealRatio.Value * float64(v.VCPUs)
		}
	}
	steal := map[string][]cluster.Evidence{}
	for host, value := range cores {
		steal[host] = []cluster.Evidence{{Name: "cpu_steal", Value: value, Unit: "cores", Query: s.Query("cpu_steal_ratio")}}
	}
	return steal
}

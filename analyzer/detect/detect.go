// Package detect judges a snapshot: what is wrong with this cluster, by which numbers, against
// which limits. It is pure. It does not say what to do about it (package plan) and never acts.
package detect

import "github.com/evenkeel/evenkeel/internal/cluster"

// Policy holds the limits that findings are measured against.
type Policy struct {
	// Threshold is the migration threshold, 1 (conservative: only what is mandatory) to 5.
	Threshold int
}

// Detector is one judgement.
type Detector struct {
	// Name is the word for it everywhere: metric label, journal, configuration, runbook.
	Name   string
	Detect func(*cluster.Placement, cluster.Snapshot, Policy) []cluster.Finding
}

// All lists the detectors in the order in which people read their findings.
func All() []Detector {
	return []Detector{
		{Name: "imbalance", Detect: imbalance},
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

// Findings runs every detector over the snapshot.
func Findings(s cluster.Snapshot, p Policy) []cluster.Finding {
	placement := cluster.NewPlacement(s)
	var found []cluster.Finding
	for _, d := range All() {
		found = append(found, d.Detect(placement, s, p)...)
	}
	return found
}

// Package detect judges a snapshot: what is wrong with this cluster, by which numbers, against
// which limits. It is pure. It does not say what to do about it (package plan) and never acts.
package detect

import (
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Policy holds the limits that findings are measured against.
type Policy struct {
	// Threshold is the migration threshold, 1 (conservative: only what is mandatory) to 5.
	Threshold int
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

// Held marks as pending what was not found in every one of the earlier passes as well: a moment's peak
// must not move anything. Detectors of what does not come and go need not hold.
func Held(now []cluster.Finding, earlier [][]cluster.Finding) []cluster.Finding {
	atOnce := map[string]bool{}
	for _, d := range All() {
		atOnce[d.Name] = d.AtOnce
	}
	held := slices.Clone(now)
	for i, f := range held {
		if atOnce[f.Detector] {
			continue
		}
		for _, then := range earlier {
			same := func(e cluster.Finding) bool { return e.Detector == f.Detector && e.Subject == f.Subject }
			if !slices.ContainsFunc(then, same) {
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

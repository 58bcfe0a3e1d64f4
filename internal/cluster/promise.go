package cluster

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Promise is what was promised of an action against what came of it.
type Promise struct {
	ID     string    `json:"id"`
	Policy string    `json:"policy"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	At     time.Time `json:"at"`
	// Detectors are the judgements that it answered, sorted.
	Detectors []string `json:"detectors,omitempty"`
	// Kept tells whether it came as promised, Why says it in a sentence.
	Kept bool   `json:"kept"`
	Why  string `json:"why"`
	// UtilisationError is the largest difference between seen and promised utilisation of the two hosts, a ratio of a
	// host; ScoreError is seen less promised, in points. Neither is known of what failed.
	UtilisationError Number `json:"utilisation_error,omitzero"`
	ScoreError       Number `json:"score_error,omitzero"`
	// DurationError is how many times as long as predicted it took, DowntimeErrorSeconds by how many seconds longer
	// than predicted the guest stood still.
	DurationError        Number `json:"duration_error,omitzero"`
	DowntimeErrorSeconds Number `json:"downtime_error_seconds,omitzero"`
}

const (
	// utilisationTolerance is by how much a host's utilisation may differ from what was promised: guests do not stand
	// still meanwhile.
	utilisationTolerance = 0.10
	// durationTolerance is how many times as long as predicted a migration may take, and durationSlack what is let
	// pass of it in any case.
	durationTolerance = 2.0
	durationSlack     = 15 * time.Second
)

// Promise returns what came of the case, when that is known: it failed, or it was done and measured.
func (c Case) Promise() (p Promise, known bool) {
	if c.Outcome == nil || c.State != CaseFailed && (c.State != CaseDone || c.Measured == nil) {
		return p, false
	}
	r := c.Recommendation
	p = Promise{ID: r.ID, Policy: r.Policy, From: r.Action.From, To: r.Action.To, Detectors: r.detectors()}
	if c.State == CaseFailed {
		p.At, p.Why = c.Outcome.Finished, "it failed: "+c.Outcome.Reason
		return p, true
	}
	p.At = c.Measured.At
	p.ScoreError = Known(c.Measured.Cluster.Score - c.Measured.PredictedScore)
	took := c.Outcome.Finished.Sub(c.Outcome.Started)
	if r.PredictedSeconds > 0 {
		p.DurationError = Known(took.Seconds() / r.PredictedSeconds)
	}
	if c.Outcome.Job.TotalBytes > 0 {
		p.DowntimeErrorSeconds = Known(c.Outcome.Job.DowntimeSeconds - r.PredictedDowntimeSeconds)
	}
	p.Kept, p.Why = true, "as promised"
	if want := r.Action.Leaves(); r.Asked() && c.Measured.State != want && want != VMUnknown {
		p.Kept, p.Why = false, fmt.Sprintf("the VM was %s afterwards, and %s was promised", c.Measured.State, want)
	}
	for _, e := range c.Measured.Effects {
		off := math.Abs(e.After - e.Before)
		p.UtilisationError = Known(max(p.UtilisationError.Value, off))
		if off > utilisationTolerance {
			p.Kept, p.Why = false, fmt.Sprintf("%s of %s was %.0f %%, and %.0f %% was promised", e.Name, e.Host, 100*e.After, 100*e.Before)
		}
	}
	if most := time.Duration(durationTolerance*r.PredictedSeconds*float64(time.Second)) + durationSlack; took > most {
		p.Kept, p.Why = false, fmt.Sprintf("it took %.0f s, and %.0f s were predicted", took.Seconds(), r.PredictedSeconds)
	}
	return p, true
}

func (r Recommendation) detectors() []string {
	var names []string
	for _, f := range r.Because {
		names = append(names, f.Detector)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TrustChange is a kind of action that has earned, or lost, the right to happen by itself.
type TrustChange struct {
	Policy string `json:"policy"`
	From   Level  `json:"from"`
	To     Level  `json:"to"`
	Reason string `json:"reason"`
	// Since is when it changed.
	Since time.Time `json:"since"`
	// Kept of Of actions came as promised; LowerBound is the least share of them that can be believed.
	Kept       int     `json:"kept"`
	Of         int     `json:"of"`
	LowerBound float64 `json:"lower_bound"`
}

// ID is what the journal calls it by.
func (t TrustChange) ID() string { return "trust " + t.Policy }

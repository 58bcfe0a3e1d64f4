// Package year is a year of days on which hosts sleep: clusters with daily and weekly curves, flash crowds, VMs that come and go, hosts
// that fail and hosts that do not wake, on a virtual clock. The analyzer and the gates are as they are, and somebody who knows neither
// holds all that happens against what must never happen. The same seed gives the same day.
package year

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/rehearsal"
)

// Report is what came of a day.
type Report struct {
	Seed                       uint64
	Hosts, VMs, Crowds, Deaths int
	// With is the day with hosts that sleep, AllOn the same with all of them on.
	With, AllOn rehearsal.Report
	// ShortMinutes is for how long what is to be survived would not have been, for want of memory, with power management.
	ShortMinutes float64
	// Broken is what happened that must never.
	Broken []string
}

// Day runs the day of a seed. Log is told what happens, where it is not nil.
func Day(ctx context.Context, seed uint64, log func(line string)) (Report, error) {
	return Run(ctx, Draw(seed), log)
}

// Run runs a day twice: with hosts that sleep, and with all of them on.
func Run(ctx context.Context, w World, log func(line string)) (Report, error) {
	r, err := watched(ctx, w, log)
	if err != nil {
		return r, err
	}
	o := w.options()
	o.Analyzer.Plan.Power.Advise = false
	if r.AllOn, err = rehearsal.Run(ctx, w.Scenario, o); err != nil {
		return r, fmt.Errorf("day %d with all hosts on: %w", r.Seed, err)
	}
	return r, nil
}

// watched runs a day with hosts that sleep.
func watched(ctx context.Context, w World, log func(line string)) (Report, error) {
	r := Report{Seed: w.Scenario.Seed, Hosts: w.Scenario.HostCount(), VMs: w.Scenario.VMCount(), Crowds: len(w.Scenario.Crowds), Deaths: w.Deaths}
	seen, o := newWitness(w, log), w.options()
	o.Witness = seen
	var err error
	if r.With, err = rehearsal.Run(ctx, w.Scenario, o); err != nil {
		return r, fmt.Errorf("day %d: %w", r.Seed, err)
	}
	r.Broken, r.ShortMinutes = seen.broken, seen.short.Minutes()
	return r, nil
}

// options are those of the configuration's defaults, but that power management is on, that all happens by itself, and that a pass is
// made once a minute rather than twice.
func (w World) options() rehearsal.Options {
	l := cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}
	reserve := admission.Policy{HostFailures: w.HostFailures}
	detects := detect.Default(3, l)
	detects.Admission = reserve
	const proofAge = 90 * 24 * time.Hour
	return rehearsal.Options{
		Analyzer: analyzer.Policy{Interval: time.Minute, HoldRounds: 3, Detect: detects,
			Plan: plan.Policy{Threshold: 3, MaxMoves: 8, Limits: l, BandwidthBytesPerSecond: gib, Lifetime: 15 * time.Minute, Horizon: time.Hour, Admission: reserve, StartsAtOnce: 5,
				Stability: plan.Stability{CoolDown: 15 * time.Minute, CoolDownMax: 6 * time.Hour, MaxMovesPerDay: 4},
				Power:     plan.Power{Advise: true, Target: 0.63, Tolerance: 0.18, MinHostsOn: w.MinHostsOn, MaxProofAge: proofAge, Horizon: 6 * time.Hour, CycleWh: 20, MoveWh: 0.5}}},
		Gate: gate.Policy{Level: cluster.LevelFull, MaxDataAge: time.Minute, FailureCoolDown: 15 * time.Minute, RejectionCoolDown: 24 * time.Hour, Limits: l, ActionsPerHour: 60, HostActionsPerHour: 20,
			Parallel: gate.Parallel{Cluster: 4, Host: 1, Link: 1}, MinHealthy: 0.5, StormFailures: 3, StormWindow: time.Hour, ForeignMoves: 5,
			Standby: gate.Standby{MinHostsOn: w.MinHostsOn, MaxProofAge: proofAge}},
		Window: 15 * time.Minute, Alone: true, From: warmUp,
		Rest: rehearsal.Rest{Busy: 5 * time.Minute, Calm: 40 * time.Minute, Empty: 30 * time.Minute, Wake: 10 * time.Minute},
	}
}

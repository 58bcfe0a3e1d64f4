package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/evenkeel/evenkeel/internal/rehearsal"
	"github.com/evenkeel/evenkeel/internal/simulator"
	"github.com/spf13/cobra"
)

func newSimulate() *cobra.Command {
	var out clientFlags
	var scenario, traces, policy, workload, memory string
	cmd := &cobra.Command{
		Use:   "simulate --scenario FILE | --workload planetlab --traces DAY",
		Short: "Run a simulated cluster with evenkeel and without, and compare",
		Long:  "Runs a simulated cluster through the same analyzer and gates as a server, on a virtual clock, with every recommendation approved; and once more with nobody acting. Files and their keys: docs/simulator.md.\n\nWith --workload planetlab a day of the PlanetLab traces is replayed on the cluster and by the rules of Beloglazov and Buyya (2012) instead, so that what consolidation brings can be held against published figures.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if workload != "" {
				s, err := simulateWorkload(workload, scenario+policy, traces, memory)
				if err != nil {
					return err
				}
				return out.print(cmd.OutOrStdout(), s, s.draw)
			}
			c, err := simulationPolicy(policy)
			if err != nil {
				return err
			}
			s, err := simulate(cmd.Context(), scenario, traces, c)
			if err != nil {
				return err
			}
			return out.print(cmd.OutOrStdout(), s, s.draw)
		},
	}
	cmd.Flags().StringVar(&scenario, "scenario", "", "file with hosts, VMs, loads, rules and events")
	cmd.Flags().StringVar(&traces, "traces", "", "directory that the traces named in the scenario lie in; beside the scenario otherwise. With --workload, the traces of a day: a directory or a .tar.gz")
	cmd.Flags().StringVar(&workload, "workload", "", "planetlab: a published workload instead of a scenario")
	cmd.Flags().StringVar(&memory, "memory", "enforce", "with --workload: enforce the hosts' memory, or ignore it as the published figures do")
	cmd.Flags().StringVar(&policy, "policy", "", "configuration file whose sections analysis, stability, limits, reserve, automation, migration and power count")
	cmd.Flags().StringVarP(&out.output, "output", "o", "table", "table or json")
	return cmd
}

// simulationPolicy reads a configuration, or takes the defaults. Which hosts it names does not matter here.
func simulationPolicy(path string) (config.Config, error) {
	if path == "" {
		return config.Default(), nil
	}
	return config.Load(path)
}

// simulation is a scenario's outcome with evenkeel and without.
type simulation struct {
	Scenario        string           `json:"scenario"`
	Seed            uint64           `json:"seed"`
	DurationSeconds float64          `json:"duration_seconds"`
	Hosts           int              `json:"hosts"`
	VMs             int              `json:"vms"`
	With            rehearsal.Report `json:"with_evenkeel"`
	Without         rehearsal.Report `json:"without"`
}

func simulate(ctx context.Context, path, traces string, c config.Config) (simulation, error) {
	if path == "" {
		return simulation{}, errors.New("--scenario names the file to simulate; there are some in docs/scenarios")
	}
	s, err := simulator.LoadScenario(path, traces)
	if err != nil {
		return simulation{}, err
	}
	r := simulation{Scenario: path, Seed: s.Seed, DurationSeconds: time.Duration(s.Duration).Seconds(), Hosts: s.HostCount(), VMs: s.VMCount()}
	o := rehearsalOptions(c, s)
	if r.With, err = rehearsal.Run(ctx, s, o); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	o.Watch = true
	if r.Without, err = rehearsal.Run(ctx, s, o); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// rehearsalOptions are those that a server would have, but that everything is approved.
func rehearsalOptions(c config.Config, s simulator.Scenario) rehearsal.Options {
	if c.Migration.Bandwidth == 0 {
		c.Migration.Bandwidth = config.Bytes(s.Migration.Bandwidth)
	}
	o := rehearsal.Options{Analyzer: analyzerPolicy(c), Gate: actuatorPolicy(c).Gate, Window: time.Duration(c.Analysis.Window)}
	o.Gate.Level = max(cluster.LevelManual, o.Gate.Level)
	if w := c.Power; w.Advise {
		o.Rest = rehearsal.Rest{Busy: time.Duration(w.WakeAfter), Calm: time.Duration(w.SleepAfter), Empty: time.Duration(w.EmptyTimeout), Wake: time.Duration(w.WakeTimeout)}
	}
	return o
}

func (s simulation) draw(t *table) {
	t.line("%s: %s, %d hosts, %d VMs, seed %d", s.Scenario, time.Duration(s.DurationSeconds*float64(time.Second)), s.Hosts, s.VMs, s.Seed)
	t.line("")
	t.row("", "EVENKEEL", "NOTHING", "")
	for _, line := range []struct {
		what, unit string
		of         func(rehearsal.Report) string
	}{
		{"score, mean", "of 100", func(r rehearsal.Report) string { return fmt.Sprintf("%.1f", r.ScoreMean) }},
		{"score, 5th percentile", "of 100", func(r rehearsal.Report) string { return fmt.Sprintf("%.1f", r.ScoreP5) }},
		{"contention", "core-seconds wanted and not had", func(r rehearsal.Report) string { return fmt.Sprintf("%.0f", r.ContendedCoreSeconds) }},
		{"", "of the demand", func(r rehearsal.Report) string { return fmt.Sprintf("%.2f %%", 100*r.ContendedRatio) }},
		{"", "VM-minutes with less than 95 % of what was wanted", func(r rehearsal.Report) string { return fmt.Sprintf("%.0f", r.ContendedVMMinutes) }},
		{"rule violations", "VM-minutes", func(r rehearsal.Report) string { return fmt.Sprintf("%.0f", r.RuleViolationVMMinutes) }},
		{"stopped by failures", "VM-minutes", func(r rehearsal.Report) string { return fmt.Sprintf("%.0f", r.StoppedVMMinutes) }},
		{"no room for new VMs", "VM-minutes", func(r rehearsal.Report) string { return fmt.Sprintf("%.0f", r.WaitingVMMinutes) }},
		{"migrations", "", func(r rehearsal.Report) string { return fmt.Sprint(r.Migrations) }},
		{"", "failed", func(r rehearsal.Report) string { return fmt.Sprint(r.FailedMigrations) }},
		{"", "a VM, mean", func(r rehearsal.Report) string { return fmt.Sprintf("%.2f", r.MigrationsPerVMMean) }},
		{"", "a VM, most", func(r rehearsal.Report) string { return fmt.Sprint(r.MigrationsPerVMMax) }},
		{"", "a VM in 24 hours, most", func(r rehearsal.Report) string { return fmt.Sprint(r.MovesPerVMDayMax) }},
		{"", "back within an hour (A-B-A)", func(r rehearsal.Report) string { return fmt.Sprint(r.ReturnsWithinHour) }},
		{"copied", "", func(r rehearsal.Report) string { return size(int64(r.CopiedBytes)) }},
		{"energy", "kWh", func(r rehearsal.Report) string { return fmt.Sprintf("%.2f", r.EnergyKWh) }},
		{"put into standby", "", func(r rehearsal.Report) string { return fmt.Sprint(r.Sleeps) }},
		{"", "host-hours asleep", func(r rehearsal.Report) string { return fmt.Sprintf("%.1f", r.AsleepHostHours) }},
		{"woken", "", func(r rehearsal.Report) string { return fmt.Sprint(r.Wakes) }},
		{"", "did not wake", func(r rehearsal.Report) string { return fmt.Sprint(r.FailedWakes) }},
		{"plans", "", func(r rehearsal.Report) string { return fmt.Sprint(r.Plans) }},
	} {
		t.row(line.what, line.of(s.With), line.of(s.Without), line.unit)
	}
	t.line("")
	for _, gate := range slices.Sorted(maps.Keys(s.With.Refused)) {
		t.line("gate %s refused %d times", gate, s.With.Refused[gate])
	}
	for _, r := range s.With.Stopped {
		t.line("%5d passes planned no more because: %s", r.Count, r.Reason)
	}
}

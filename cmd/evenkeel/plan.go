package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newPlan() *cobra.Command {
	var ask clientFlags
	var local localFlags
	var change changeFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Make one plan from a snapshot file, from Prometheus or by a server; print it, never act",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := makePlan(cmd.Context(), ask, local, change)
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), p, func(t *table) { drawPlan(t, p) })
		},
	}
	ask.register(cmd.Flags())
	local.register(cmd.Flags())
	local.policy.register(cmd.Flags())
	change.register(cmd.Flags())
	return cmd
}

func makePlan(ctx context.Context, ask clientFlags, local localFlags, change changeFlags) (plan.Plan, error) {
	if err := ask.check(); err != nil {
		return plan.Plan{}, err
	}
	if !local.given() && !local.policy.given() && !change.given() {
		client, err := ask.client()
		if err != nil {
			return plan.Plan{}, err
		}
		at, err := parseTime(local.direct.at)
		if err != nil {
			return plan.Plan{}, err
		}
		return client.Plan(ctx, at)
	}
	snapshots, policy, err := local.look(ctx, ask)
	if err != nil {
		return plan.Plan{}, err
	}
	changed, start, err := change.apply(snapshots[0])
	if err != nil {
		return plan.Plan{}, err
	}
	if change.given() {
		snapshots = []cluster.Snapshot{changed} // what could be has no past
	}
	return plan.Make(snapshots[0], analyzer.Findings(snapshots, policy), policy.Plan, start...), nil
}

// localFlags let a subcommand judge by itself: from a snapshot file, from Prometheus, or from a server's
// snapshot with another policy.
type localFlags struct {
	direct directFlags
	file   string
	policy policyFlags
}

func (l *localFlags) register(f *pflag.FlagSet) {
	l.direct.register(f)
	f.StringVar(&l.file, "snapshot", "", "snapshot file to judge; the policy comes from --config.file or is the default")
}

func (l *localFlags) given() bool { return l.file != "" || len(l.direct.prometheusURL) > 0 }

// look returns the snapshots to judge, the newest first, and the policy to judge them by.
func (l *localFlags) look(ctx context.Context, ask clientFlags) ([]cluster.Snapshot, analyzer.Policy, error) {
	if len(l.direct.prometheusURL) > 0 {
		source, c, at, err := l.direct.source()
		if err != nil {
			return nil, analyzer.Policy{}, err
		}
		policy := l.policy.apply(analyzerPolicy(c))
		snapshots, err := analyzer.Look(ctx, source, policy, at)
		return snapshots, policy, err
	}
	c := config.Default()
	if l.direct.config != "" {
		var err error
		if c, err = config.Load(l.direct.config); err != nil {
			return nil, analyzer.Policy{}, err
		}
	}
	policy := l.policy.apply(analyzerPolicy(c))
	if l.file != "" {
		s, err := readSnapshot(l.file)
		return []cluster.Snapshot{s}, policy, err
	}
	b, err := snapshotFile(ctx, ask, l.direct)
	if err != nil {
		return nil, policy, err
	}
	s, err := cluster.DecodeSnapshot(b)
	return []cluster.Snapshot{s}, policy, err
}

// policyFlags try another policy than the configured one.
type policyFlags struct{ threshold, maxMoves int }

func (f *policyFlags) register(flags *pflag.FlagSet) {
	flags.IntVar(&f.threshold, "threshold", 0, "migration threshold, 1 (only what is mandatory) to 5 (any gain); 0 for the configured one")
	flags.IntVar(&f.maxMoves, "max-moves", 0, "the most moves of the plan; 0 for what is configured")
}

func (f *policyFlags) given() bool { return f.threshold > 0 || f.maxMoves > 0 }

func (f *policyFlags) apply(p analyzer.Policy) analyzer.Policy {
	if f.threshold > 0 {
		p.Detect.Threshold, p.Plan.Threshold = f.threshold, f.threshold
	}
	if f.maxMoves > 0 {
		p.Plan.MaxMoves = f.maxMoves
	}
	return p
}

func drawPlan(t *table, p plan.Plan) {
	t.line("plan %s for cluster %s at %s", p.Policy, p.Cluster, clock(p.At))
	t.row("", "SCORE", "CPU SPREAD", "MEMORY SPREAD", "FULLEST CPU", "CORES SHORT", "RULES BROKEN")
	for _, a := range []struct {
		name string
		cluster.Assessment
	}{{"before", p.Before}, {"after", p.After}} {
		t.row(a.name, fmt.Sprintf("%.1f", a.Score), fmt.Sprintf("%.3f", a.CPUUtilisationStddev), fmt.Sprintf("%.3f", a.MemoryUtilisationStddev),
			percent(a.MaxCPUUtilisation), fmt.Sprintf("%.2f", a.ContendedCPUCores), fmt.Sprint(a.RuleViolations))
	}
	t.line("")
	if len(p.Actions) > 0 {
		t.row("STEP", "ACTION", "POLICY", "PRIORITY", "ABOUT", "AFTER STEP", "WHY")
	}
	for _, s := range p.Actions {
		action := cluster.Action{Kind: s.Kind, VM: s.VM, Name: s.Name, From: s.From, To: s.To}
		t.row(fmt.Sprint(s.Seq), action.String(), s.Policy, fmt.Sprint(s.Priority), fmt.Sprintf("%.0f s", s.PredictedSeconds),
			orDash(strings.Trim(strings.ReplaceAll(fmt.Sprint(s.DependsOn), " ", ", "), "[]")), s.Reason)
	}
	for _, r := range p.Refused {
		t.line("cannot touch %s (%s): %s", r.Name, r.Subject, r.Reason)
	}
	if p.StoppedBecause != "" {
		t.line("no more because: %s", p.StoppedBecause)
	}
}

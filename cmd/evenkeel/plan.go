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
	var direct directFlags
	var file string
	var over policyFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Make one plan from a snapshot file, from Prometheus or by a server; print it, never act",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := makePlan(cmd.Context(), ask, direct, over, file)
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), p, func(t *table) { drawPlan(t, p) })
		},
	}
	ask.register(cmd.Flags())
	direct.register(cmd.Flags())
	over.register(cmd.Flags())
	cmd.Flags().StringVar(&file, "snapshot", "", "snapshot file to plan from; the policy comes from --config.file or is the default")
	return cmd
}

func makePlan(ctx context.Context, ask clientFlags, direct directFlags, over policyFlags, file string) (plan.Plan, error) {
	if err := ask.check(); err != nil {
		return plan.Plan{}, err
	}
	switch {
	case file != "":
		c := config.Default()
		if direct.config != "" {
			var err error
			if c, err = config.Load(direct.config); err != nil {
				return plan.Plan{}, err
			}
		}
		s, err := readSnapshot(file)
		if err != nil {
			return plan.Plan{}, err
		}
		return analyzer.Judge([]cluster.Snapshot{s}, over.apply(analyzerPolicy(c))).Plan, nil
	case direct.prometheusURL != "":
		s, c, err := direct.snapshot(ctx)
		if err != nil {
			return plan.Plan{}, err
		}
		return analyzer.Judge([]cluster.Snapshot{s}, over.apply(analyzerPolicy(c))).Plan, nil
	}
	client, err := ask.client()
	if err != nil {
		return plan.Plan{}, err
	}
	at, err := parseTime(direct.at)
	if err != nil {
		return plan.Plan{}, err
	}
	return client.Plan(ctx, at)
}

// policyFlags try another policy than the configured one.
type policyFlags struct{ threshold, maxMoves int }

func (f *policyFlags) register(flags *pflag.FlagSet) {
	flags.IntVar(&f.threshold, "threshold", 0, "migration threshold, 1 (only what is mandatory) to 5 (any gain); 0 for the configured one")
	flags.IntVar(&f.maxMoves, "max-moves", 0, "the most moves of the plan; 0 for what is configured")
}

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
		t.row("STEP", "ACTION", "PRIORITY", "ABOUT", "AFTER STEP", "WHY")
	}
	for _, s := range p.Actions {
		action := cluster.Action{Kind: s.Kind, VM: s.VM, Name: s.Name, From: s.From, To: s.To}
		t.row(fmt.Sprint(s.Seq), action.String(), fmt.Sprint(s.Priority), fmt.Sprintf("%.0f s", s.PredictedSeconds),
			orDash(strings.Trim(strings.ReplaceAll(fmt.Sprint(s.DependsOn), " ", ", "), "[]")), s.Reason)
	}
	for _, r := range p.Refused {
		t.line("cannot touch %s (%s): %s", r.Name, r.Subject, r.Reason)
	}
	t.line("no more because: %s", p.StoppedBecause)
}

package main

import (
	"fmt"

	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newExplain() *cobra.Command {
	var ask clientFlags
	var local localFlags
	cmd := &cobra.Command{
		Use:   "explain VM|HOST",
		Short: "Say why what is advised for a VM or host is advised, or why nothing happens to it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := explain(cmd, ask, local, args[0])
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), e, func(t *table) { drawExplanation(t, e) })
		},
	}
	ask.register(cmd.Flags())
	local.register(cmd.Flags())
	return cmd
}

func explain(cmd *cobra.Command, ask clientFlags, local localFlags, key string) (plan.Explanation, error) {
	if err := ask.check(); err != nil {
		return plan.Explanation{}, err
	}
	if local.given() {
		snapshots, policy, err := local.look(cmd.Context(), ask)
		if err != nil {
			return plan.Explanation{}, err
		}
		findings := analyzer.Findings(snapshots, policy)
		return plan.Explain(snapshots[0], findings, policy.Plan, plan.Make(snapshots[0], findings, policy.Plan), key)
	}
	client, err := ask.client()
	if err != nil {
		return plan.Explanation{}, err
	}
	at, err := parseTime(local.direct.at)
	if err != nil {
		return plan.Explanation{}, err
	}
	return client.Explain(cmd.Context(), key, at)
}

func drawExplanation(t *table, e plan.Explanation) {
	t.line("%s (%s) at %s", e.Name, e.Subject, clock(e.At))
	t.line("%s", e.Verdict)
	for _, r := range e.Reasons {
		t.line("  - %s", r)
	}
	for _, s := range e.Steps {
		t.line("  step %d: %s %s from %s to %s, priority %d, brings %.2f points on the two hosts net, about %.0f s", s.Seq, s.Kind, s.Name, orDash(s.From), s.To, s.Priority, s.Gain, s.PredictedSeconds)
	}
	for _, f := range e.Findings {
		held := ""
		if f.Pending {
			held = " (not for long enough yet)"
		}
		t.line("  found %s: %s%s", f.Detector, f.Reason, held)
	}
	drawCandidates(t, e.Candidates)
	if len(e.Evidence) > 0 {
		t.line("numbers, all as of %s:", e.At.UTC().Format("2006-01-02T15:04:05Z"))
	}
	drawEvidence(t, e.Evidence, "  ")
}

func drawCandidates(t *table, list []cluster.Candidate) {
	if len(list) == 0 {
		return
	}
	t.line("other hosts:")
	for _, c := range list {
		t.row("  "+c.Host, weighed(c), c.Reason)
	}
}

func weighed(c cluster.Candidate) string {
	switch {
	case c.Constraint == "" && c.Gain.Known:
		return fmt.Sprintf("%+.2f points", c.Gain.Value)
	case c.Constraint == "":
		return "allowed"
	case c.Others > 0:
		return fmt.Sprintf("no: %s, and %d more", c.Constraint, c.Others)
	}
	return "no: " + c.Constraint
}

func drawEvidence(t *table, list []cluster.Evidence, indent string) {
	for _, e := range list {
		limit := ""
		if e.Limit.Known {
			limit = fmt.Sprintf(", limit %.4g", e.Limit.Value)
		}
		t.line("%s%s = %.4g %s%s", indent, e.Name, e.Value, e.Unit, limit)
		if e.Query != "" {
			t.line("%s  PromQL: %s", indent, e.Query)
		}
	}
}

package main

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

// tryOut shows what would come of an action.
func tryOut(cmd *cobra.Command, ask clientFlags, a api.ActionRequest) error {
	client, err := ask.client()
	if err != nil {
		return err
	}
	out, err := client.DryRun(cmd.Context(), a)
	if err != nil {
		return err
	}
	return ask.print(cmd.OutOrStdout(), out, func(t *table) { drawDryRun(t, out) })
}

func drawDryRun(t *table, d api.DryRun) {
	r := d.Recommendation
	t.line("would %s; nothing was changed", r.Action)
	for _, e := range r.Effects {
		t.row("", e.Host, e.Name, percent(e.Before)+" to "+percent(e.After))
	}
	if r.Action.Kind == cluster.Migrate {
		t.line("score %.1f to %.1f; some %.1f s, in which the guest stands still for %.0f ms", r.Before.Score, r.After.Score, r.PredictedSeconds, 1000*r.PredictedDowntimeSeconds)
	}
	for _, m := range d.Moves {
		t.row(fmt.Sprintf("%d.", m.Seq), m.Name, "to "+m.To, fmt.Sprintf("%.1f s", m.PredictedSeconds))
	}
	if d.Stay != "" {
		t.line("it cannot be emptied: %s", d.Stay)
	}
	if d.Reserve != "" {
		t.line("the cluster would be short without it: %s", d.Reserve)
	}
	if len(d.Verdicts) > 0 {
		drawVerdicts(t, d.Verdicts)
	}
}

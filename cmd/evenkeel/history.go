package main

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newHistory() *cobra.Command {
	var ask clientFlags
	var verify verifyFlags
	var limit int
	cmd := &cobra.Command{
		Use:   "history [VM|HOST]",
		Short: "List what was decided and done, and what came of it against what was promised",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if verify.given() {
				return verify.run(cmd, ask)
			}
			client, err := ask.client()
			if err != nil {
				return err
			}
			cases, err := client.History(cmd.Context(), strings.Join(args, ""), limit)
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), cases, func(t *table) {
				t.row("WHEN", "ID", "ACTION", "RESULT", "BY", "TOOK", "SCORE WAS/PROMISED/MEASURED", "")
				for _, c := range cases {
					drawEnded(t, c)
				}
			})
		},
	}
	ask.register(cmd.Flags())
	verify.register(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 20, "how many, the newest first")
	return cmd
}

func drawEnded(t *table, c cluster.Case) {
	r := c.Recommendation
	who, took, reason := "-", "-", ""
	promised, measured := r.After.Score, "not yet"
	if c.Approval != nil {
		who = c.Approval.Who
		reason = c.Approval.Reason
	}
	if o := c.Outcome; o != nil {
		reason = o.Reason
		if !o.Started.IsZero() {
			took = fmt.Sprintf("%.1f s", o.Finished.Sub(o.Started).Seconds())
		}
	}
	if c.Measured != nil {
		promised, measured = c.Measured.PredictedScore, fmt.Sprintf("%.0f", c.Measured.Cluster.Score)
	} else if c.State != cluster.CaseDone {
		measured = "-"
	}
	score := fmt.Sprintf("%.0f / %.0f / %s", r.Before.Score, promised, measured)
	if r.Action.Kind != cluster.Migrate {
		score = "-" // it promises nothing of the score
	}
	if r.Action.Kind == cluster.Reset && c.State == cluster.CaseDone {
		reason = strings.TrimPrefix(reason+"; what it showed before, where that could be kept: evenkeel captures "+r.ID, "; ")
	}
	t.row(clock(c.Updated), r.ID, r.Action.String(), c.State.String(), who, took, score, reason)
}

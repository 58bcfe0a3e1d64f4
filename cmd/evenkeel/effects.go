package main

import (
	"fmt"

	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newEffects() *cobra.Command {
	var ask clientFlags
	var limit int
	cmd := &cobra.Command{
		Use:   "effects",
		Short: "Show what was promised of actions against what came of them, and the trust that follows",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			e, err := client.Effects(cmd.Context(), limit)
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), e, func(t *table) {
				t.line("%d of %d actions came as promised", e.Kept, e.Of)
				drawStandings(t, e.Standings)
				if len(e.Promises) == 0 {
					t.line("effects are measured some minutes after an action, when the window holds nothing from before it")
					return
				}
				t.line("")
				t.row("WHEN", "ID", "KIND", "FROM", "TO", "KEPT", "SCORE OFF", "LOAD OFF", "TIME", "")
				for _, p := range e.Promises {
					drawPromise(t, p)
				}
			})
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 20, "how many, the newest first")
	return cmd
}

func drawStandings(t *table, standings []trust.Standing) {
	for _, s := range standings {
		t.line("%s has earned the level %s: %d of %d promises kept, %.2f of which can be believed; it wants %s", s.Policy, s.Level, s.Kept, s.Of, s.LowerBound, s.Wants)
	}
}

func drawPromise(t *table, p cluster.Promise) {
	kept := "NO"
	if p.Kept {
		kept = "yes"
	}
	known := func(n cluster.Number, format string, scale float64) string {
		if !n.Known {
			return "-"
		}
		return fmt.Sprintf(format, scale*n.Value)
	}
	t.row(clock(p.At), p.ID, p.Policy, p.From, p.To, kept, known(p.ScoreError, "%+.1f", 1), known(p.UtilisationError, "%.0f %%", 100), known(p.DurationError, "%.1fx", 1), p.Why)
}

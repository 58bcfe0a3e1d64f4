package main

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newGates() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "gates ID",
		Short: "Show what stands in the way of a recommendation now, gate by gate; nothing comes of asking",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			verdicts, err := client.Gates(cmd.Context(), ids[0])
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), verdicts, func(t *table) { drawVerdicts(t, verdicts) })
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

// drawVerdicts draws a checklist.
func drawVerdicts(t *table, verdicts []cluster.Verdict) {
	no := 0
	for _, v := range verdicts {
		mark, retry := "[ok]", ""
		if !v.Pass {
			no++
			mark = "[NO]"
			if !v.RetryAfter.IsZero() {
				retry = fmt.Sprintf(" (ask again %s)", until(v.RetryAfter))
			}
		}
		t.row(mark, v.Gate, v.Detail+retry)
	}
	if no == 0 {
		t.line("all %d gates let it through", len(verdicts))
		return
	}
	t.line("%d of %d gates refuse", no, len(verdicts))
}

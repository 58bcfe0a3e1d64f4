package main

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newMoves() *cobra.Command {
	var ask clientFlags
	var from, to string
	cmd := &cobra.Command{
		Use:   "moves [VM]",
		Short: "Say which VMs changed their host, when, and whether evenkeel or somebody else moved them",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			begin, err := parseTime(from)
			if err != nil {
				return fmt.Errorf("--from: %w", err)
			}
			end, err := parseTime(to)
			if err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			m, err := client.Moves(cmd.Context(), begin, end, strings.Join(args, ""))
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), m, func(t *table) { drawMoves(t, m) })
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&from, "from", "", "begin, like 2006-01-02T15:04:05Z, or an age like 2h; a day before the end when left out")
	cmd.Flags().StringVar(&to, "to", "", "end, the same way; now when left out")
	return cmd
}

func drawMoves(t *table, m cluster.Movements) {
	if m.SeenFrom.IsZero() {
		t.line("nothing was seen from %s to %s: Prometheus holds nothing of that time", clock(m.From), clock(m.To))
		return
	}
	if m.SeenFrom.Sub(m.From).Seconds() > 2*m.StepSeconds {
		t.line("nothing is known of the time before %s: Prometheus does not reach back further", clock(m.SeenFrom))
	}
	t.line("looked at every %.0f s; what moved to and fro between two looks is not here", m.StepSeconds)
	t.row("SEEN AT", "VM", "FROM", "TO", "MADE BY", "")
	for _, one := range m.Moves {
		by, why := "somebody else", "no recommendation explains it"
		if one.Recommendation != "" {
			by, why = one.Recommendation, one.Reason
		}
		if one.By != "" {
			by += ", " + one.By
		}
		t.row(clock(one.At), orDefault(one.Name, one.VM), one.From, one.To, by, why)
	}
	for _, one := range m.Arrived {
		t.row(clock(one.At), orDefault(one.Name, one.VM), "-", one.To, "", "runs now and did not at the beginning")
	}
	for _, one := range m.Left {
		t.row(clock(one.Last), orDefault(one.Name, one.VM), one.From, "-", "", "ran at the beginning and is not seen running at the end")
	}
}

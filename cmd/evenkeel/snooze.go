package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newSnooze() *cobra.Command {
	var ask clientFlags
	var reason, lasting string
	cmd := &cobra.Command{
		Use:   "snooze ID... --for DURATION",
		Short: "Put recommendations off: until then nothing is done about these VMs without a later yes",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			until, err := lastingUntil(lasting)
			if err != nil {
				return err
			}
			if until.IsZero() {
				return errors.New("--for: say how long, for example 8h")
			}
			client, err := ask.client()
			if err != nil {
				return err
			}
			for _, id := range ids {
				c, err := client.Snooze(cmd.Context(), id, reason, until)
				if err != nil {
					return fmt.Errorf("%s: %w", id, err)
				}
				fmt.Fprintf(ask.progress(cmd), "put off %s until %s  %s\n", id, clock(until), c.Recommendation.Action)
			}
			return printCases(cmd, ask, client, ids)
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	cmd.Flags().StringVar(&lasting, "for", "", "how long, for example 8h")
	return cmd
}

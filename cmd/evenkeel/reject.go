package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newReject() *cobra.Command {
	var ask clientFlags
	var reason string
	cmd := &cobra.Command{
		Use:   "reject ID...",
		Short: "Say no to recommendations",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			for _, id := range ids {
				c, err := client.Reject(cmd.Context(), id, reason)
				if err != nil {
					return fmt.Errorf("%s: %w", id, err)
				}
				fmt.Fprintf(ask.progress(cmd), "rejected %s  %s\n", id, c.Recommendation.Action)
			}
			return printCases(cmd, ask, client, ids)
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	return cmd
}

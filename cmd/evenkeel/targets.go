package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newTargets() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "targets",
		Short: "Show what a Prometheus of your own is to scrape; with -o json as a file for file_sd_configs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			groups, err := client.Targets(cmd.Context())
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), groups, func(t *table) {
				t.row("TARGET", "LABELS")
				for _, g := range groups {
					var labels []string
					for _, name := range slices.Sorted(maps.Keys(g.Labels)) {
						labels = append(labels, name+"="+g.Labels[name])
					}
					t.row(strings.Join(g.Targets, " "), strings.Join(labels, " "))
				}
			})
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

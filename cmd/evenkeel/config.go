package main

import (
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newConfig() *cobra.Command {
	var ask clientFlags
	var changed bool
	cmd := &cobra.Command{
		Use:   "config [PREFIX]",
		Short: "Show the configuration that the server goes by, defaults included and secrets left out",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			list, err := client.Config(cmd.Context())
			if err != nil {
				return err
			}
			var shown []cluster.Setting
			for _, s := range list {
				if strings.HasPrefix(s.Key, strings.Join(args, "")) && (s.Set || !changed) {
					shown = append(shown, s)
				}
			}
			return ask.print(cmd.OutOrStdout(), shown, func(t *table) { drawSettings(t, shown) })
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().BoolVar(&changed, "changed", false, "only what is not the default")
	return cmd
}

func drawSettings(t *table, list []cluster.Setting) {
	t.row("KEY", "VALUE", "DEFAULT")
	for _, s := range list {
		value, otherwise := orDash(s.Value), orDash(s.Default)
		if !s.Set {
			otherwise = "the same"
		}
		if s.Withheld {
			value = "(takes the role operator)"
		}
		t.row(s.Key, value, otherwise)
	}
}

package main

import "github.com/spf13/cobra"

func newReload() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the server read its configuration file again; what is wrong changes nothing",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			if err := client.Reload(cmd.Context()); err != nil {
				return err
			}
			done := map[string]bool{"reloaded": true}
			return ask.print(cmd.OutOrStdout(), done, func(t *table) { t.line("reloaded") })
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

package main

import (
	"github.com/spf13/cobra"
)

func newWhoami() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Show whom the server takes you for, and so what you may do",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			me, err := client.WhoAmI(cmd.Context())
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), me, func(t *table) {
				if me.Name == "" {
					t.line("nobody that the server knows: no token, or one that it does not know; the role is %s", me.Role)
					return
				}
				t.line("%s, %s", me.Name, me.Role)
			})
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func newCaptures() *cobra.Command {
	var ask clientFlags
	var to string
	cmd := &cobra.Command{
		Use:   "captures ID",
		Short: "Fetch what a VM showed before it was reset: its screen and the end of its console log",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			list, err := client.Captures(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			for _, c := range list {
				if to == "" {
					break
				}
				if err := os.WriteFile(filepath.Join(to, filepath.Base(c.Name)), c.Data, 0o600); err != nil {
					return fmt.Errorf("write what the VM showed: %w", err)
				}
			}
			return ask.print(cmd.OutOrStdout(), list, func(t *table) {
				if len(list) == 0 {
					t.line("Nothing was kept. Screens and console logs are kept before a VM is reset or what is left of a panicked one destroyed, of the last 100.")
				}
				for _, c := range list {
					t.row(filepath.Join(to, c.Name), c.Type, fmt.Sprintf("%d bytes", len(c.Data)))
				}
				if len(list) > 0 && to == "" {
					t.line("To have them as files, give --to DIRECTORY.")
				}
			})
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&to, "to", "", "directory to write them to")
	return cmd
}

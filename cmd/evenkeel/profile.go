package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/spf13/cobra"
)

func newProfile() *cobra.Command {
	var ask clientFlags
	var out string
	var seconds int
	cmd := &cobra.Command{
		Use:       "profile " + strings.Join(api.Profiles(), "|"),
		Short:     "Write a profile of the server's process, for go tool pprof",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: api.Profiles(),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			over := 0
			if slices.Contains([]string{"cpu", "trace"}, args[0]) {
				over = seconds
			}
			profile, err := client.Profile(cmd.Context(), args[0], over)
			if err != nil {
				return err
			}
			if out == "" {
				out = args[0] + ".pprof"
			}
			if err := os.WriteFile(out, profile, 0o600); err != nil {
				return fmt.Errorf("write the profile: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s; look at it with go tool pprof %s\n", out, size(int64(len(profile))), out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write to, by default KIND.pprof")
	cmd.Flags().IntVar(&seconds, "seconds", 10, "how long cpu and trace are taken over, 1 to 60")
	ask.register(cmd.Flags())
	return cmd
}

package main

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/evenkeel/evenkeel/internal/engine"
	"github.com/spf13/cobra"
)

func newCheckConfig() *cobra.Command {
	return &cobra.Command{
		Use:   "check-config FILE",
		Short: "Say what is wrong with a configuration file, with line and key",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(args[0])
			if err != nil {
				return err
			}
			files, err := ruleFiles(c)
			if err != nil {
				return err
			}
			if err := engine.CheckRules(files); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: good; cluster %s, %d hosts, %d rules, %d runbooks, %d schedules\n", args[0], c.Cluster, len(c.Hosts), len(c.Rules), len(c.Runbooks), len(c.Schedules))
			return nil
		},
	}
}

package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newFailures() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "failures",
		Short: "Show what is done about failed hosts and VMs, and what is not and why",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			waiting, err := client.Failures(cmd.Context())
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), waiting, func(t *table) {
				if len(waiting) == 0 {
					t.line("Nothing waits. What is to be done about failures stands in evenkeel recommendations.")
					return
				}
				t.row("WHAT", "CAUSE", "FOR", "", "")
				for _, w := range waiting {
					who := ""
					if w.Stuck {
						who = "NEEDS YOU"
					}
					t.row(cmp.Or(w.Name, w.Subject), w.Cause, time.Since(w.Since).Truncate(time.Second).String(), who, w.Reason)
				}
			})
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

// newDisarm and newArm are for work on the network, the storage or the power, in which hosts fall silent that are well.
func newDisarm() *cobra.Command {
	var ask clientFlags
	var host, reason, lasting string
	cmd := &cobra.Command{
		Use:   "disarm",
		Short: "Do nothing about failures, of one host or of all, until it is armed again",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			until, err := lastingUntil(lasting)
			if err != nil {
				return err
			}
			what := subjectFlags{host: host}
			return what.order(cmd, ask, api.OrderRequest{Kind: cluster.OrderDisarm, Until: until, Reason: reason}, (*api.Client).Order, "disarmed")
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&host, "host", "", "only what concerns this host")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	cmd.Flags().StringVar(&lasting, "for", "", "how long, for example 2h; until it is armed when left out")
	return cmd
}

func newArm() *cobra.Command {
	var ask clientFlags
	var host string
	cmd := &cobra.Command{
		Use:   "arm",
		Short: "Look after failures again",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			what := subjectFlags{host: host}
			return what.order(cmd, ask, api.OrderRequest{Kind: cluster.OrderDisarm}, (*api.Client).Lift, "armed")
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&host, "host", "", "only what concerns this host")
	return cmd
}

// confirmedFor is for how long a person's word that a host is off counts at most. It ends before when the host is heard.
const confirmedFor = 24 * time.Hour

func newFenceConfirm() *cobra.Command {
	var ask clientFlags
	var yes bool
	var reason string
	cmd := &cobra.Command{
		Use:   "confirm HOST --yes",
		Short: "Say that a host is off, where its BMC cannot be asked: its VMs may then start elsewhere",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return fmt.Errorf("if %s runs all the same, its VMs run twice and ruin their disks. Go and look, or cut its power; when you are certain, say so with --yes", args[0])
			}
			what := subjectFlags{host: args[0]}
			until := time.Now().Add(confirmedFor).Truncate(time.Second)
			return what.order(cmd, ask, api.OrderRequest{Kind: cluster.OrderOff, Until: until, Reason: reason}, (*api.Client).Order, "taken to be off:")
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().BoolVar(&yes, "yes", false, "you are certain")
	cmd.Flags().StringVar(&reason, "reason", "", "how you know, for the journal")
	return cmd
}

package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newHosts() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "hosts",
		Short: "Show what has become of each host, since when, and what the witnesses say",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			hosts, err := client.Hosts(cmd.Context())
			if err != nil {
				return err
			}
			orders, err := client.Orders(cmd.Context())
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), hosts, func(t *table) {
				t.row("HOST", "VERDICT", "SINCE", "HEARD", "EXPORTER", "LIBVIRT", "HEARTBEAT", "NEIGHBOURS", "POWER", "")
				for _, h := range hosts {
					heard := "never"
					if !h.HeardAt.IsZero() {
						heard = time.Since(h.HeardAt).Truncate(time.Second).String() + " ago"
					}
					if o := orders.Standby(h.Host, time.Now()); o != nil {
						h.Reason = strings.ToUpper(restWord(o.Rest)) + "; " + h.Reason
					}
					t.row(h.Host, h.Verdict, clock(h.Since), heard, h.Exporter, h.Libvirt, h.Heartbeat, h.Neighbours, h.Power, h.Reason)
				}
			})
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

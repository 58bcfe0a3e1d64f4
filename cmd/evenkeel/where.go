package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newWhere() *cobra.Command {
	var ask clientFlags
	var at string
	cmd := &cobra.Command{
		Use:   "where [VM]",
		Short: "Say where a VM runs, or ran at another time; without a VM, all of them",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			when, err := parseTime(at)
			if err != nil {
				return err
			}
			key := ""
			if len(args) == 1 {
				key = args[0]
			}
			places, err := client.Where(cmd.Context(), key, when)
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), places, func(t *table) {
				t.row("VM", "HOST", "STATE", "AT", "UUID", "")
				for _, p := range places {
					t.row(p.Name, orDash(p.Host), p.State.String(), clock(p.At), p.VM, p.Gap)
				}
			})
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&at, "at", "", "time to look at, like 2006-01-02T15:04:05Z, or an age like 2h")
	return cmd
}

// parseTime reads a time or an age; "" is the zero time, which means now.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if age, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-age), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("--at: %q is no time; write it like 2006-01-02T15:04:05Z, or as an age like 2h", text)
	}
	return t, nil
}

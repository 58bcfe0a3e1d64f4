package main

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newAutonomy() *cobra.Command {
	var ask clientFlags
	cmd := &cobra.Command{
		Use:   "autonomy",
		Short: "Say which kinds of action happen by themselves now, and why they may",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			a, err := client.Autonomy(cmd.Context())
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), a, func(t *table) { drawAutonomy(t, a) })
		},
	}
	ask.register(cmd.Flags())
	return cmd
}

func drawAutonomy(t *table, a api.Autonomy) {
	t.line("the automation level is %s", a.Level)
	for _, s := range a.Schedules {
		t.line("the schedule %s has levels of its own in force", s.Name)
	}
	t.row("KIND", "LEVEL", "BY ITSELF", "KEPT", "WANTS", "LAST CHANGE")
	for _, k := range a.Kinds {
		wants, changed := "-", "-"
		if k.Standing != nil {
			wants = k.Standing.Wants
		}
		if c := k.Changed; c != nil {
			changed = fmt.Sprintf("%s: %s to %s, %s", clock(c.Since), c.From, c.To, c.Reason)
		}
		t.row(k.Level.Policy, k.Level.Level.String(), without(k), fmt.Sprintf("%d of %d", k.Kept, k.Of), wants, changed)
	}
	for _, o := range a.Orders {
		t.line("%s, says %s%s", o.ID(), o.Word.Who, ending(o))
	}
}

// without says what happens of a kind without a person's word.
func without(k api.KindAutonomy) string {
	switch {
	case k.Level.Level == cluster.LevelOff:
		return "nothing, approved or not"
	case k.Level.TwoPeople:
		return "nothing: two people must say yes"
	case k.ByItself == "":
		return "nothing: a person must say yes"
	}
	return k.ByItself
}

func ending(o cluster.Order) string {
	if o.Until.IsZero() {
		return ""
	}
	return ", until " + clock(o.Until)
}

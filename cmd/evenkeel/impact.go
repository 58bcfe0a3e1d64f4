package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/spf13/cobra"
)

func newImpact() *cobra.Command {
	var ask clientFlags
	var at string
	cmd := &cobra.Command{
		Use:   "impact HOST|pool/POOL|network/NETWORK",
		Short: "Show what depends on a host, a storage pool or a network, and where it would go if the host failed",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			when, err := parseTime(at)
			if err != nil {
				return err
			}
			return assess(cmd, ask, args[0], when, false)
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&at, "at", "", "time to look at, like 2006-01-02T15:04:05Z, or an age like 2h")
	return cmd
}

func newDrill() *cobra.Command {
	cmd := &cobra.Command{Use: "drill", Short: "Rehearse a failure"}
	var ask clientFlags
	var simulate bool
	host := &cobra.Command{
		Use:   "host-failure HOST --simulate",
		Short: "Play the failure of a host through on a copy of the cluster as it is now: what starts where, in which order, and when",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !simulate {
				return fmt.Errorf("only a rehearsal on paper can be asked for: add --simulate. To try it for good, cut the power of a host that can bear it, and watch evenkeel failures")
			}
			return assess(cmd, ask, args[0], time.Time{}, true)
		},
	}
	ask.register(host.Flags())
	host.Flags().BoolVar(&simulate, "simulate", false, "on a copy of the newest snapshot; nothing is touched")
	cmd.AddCommand(host)
	return cmd
}

// assess asks for an impact and prints it; a drill that leaves a VM without a host is an error.
func assess(cmd *cobra.Command, ask clientFlags, subject string, at time.Time, drill bool) error {
	client, err := ask.client()
	if err != nil {
		return err
	}
	if !strings.Contains(subject, "/") {
		subject = "host/" + subject
	}
	impact, err := client.Impact(cmd.Context(), subject, at)
	if err != nil {
		return err
	}
	if err := ask.print(cmd.OutOrStdout(), impact, func(t *table) { drawImpact(t, impact) }); err != nil {
		return err
	}
	if drill && impact.Unplaced > 0 {
		return errors.New("not every VM would come back; make room, or see which failures the cluster is to survive (reserve in the configuration)")
	}
	return nil
}

func drawImpact(t *table, i recovery.Impact) {
	host := strings.HasPrefix(i.Subject, "host/")
	t.line("%s at %s: %d VMs", i.Subject, clock(i.At), len(i.VMs))
	last := 0.0
	if host {
		t.row("VM", "PRIORITY", "AFTER", "TO", "STARTED AFTER", "TAGS", "")
	} else {
		t.row("VM", "HOST", "STATE", "PRIORITY", "TAGS")
	}
	for _, v := range i.VMs {
		tags := orDash(strings.Join(v.Tags, ","))
		if !host {
			t.row(v.Name, orDash(v.Host), v.State.String(), v.Priority, tags)
			continue
		}
		when := "never"
		if v.To != "" {
			when, last = fmt.Sprintf("%.0f s", v.Seconds), max(last, v.Seconds)
		}
		t.row(v.Name, v.Priority, orDash(strings.Join(v.After, ",")), orDash(v.To), when, tags, v.Reason)
	}
	if host && len(i.VMs) > 0 {
		t.line("If its power were cut: certain after %.0f s, the last of %d VMs started after %.0f s, %s", i.DetectSeconds, len(i.VMs)-i.Unplaced, last, left(i.Unplaced))
	}
}

func left(unplaced int) string {
	return cmp.Or(strings.Repeat(fmt.Sprintf("and %d NOT STARTED", unplaced), min(unplaced, 1)), "and none left out")
}

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newRuns() *cobra.Command {
	var ask clientFlags
	var limit int
	cmd := &cobra.Command{
		Use:   "runs [ID]",
		Short: "List what runbooks did about alerts; with an ID, one run step by step",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			if len(ids) > 0 {
				return printRun(cmd, ask, client, ids[0])
			}
			runs, err := client.Runs(cmd.Context(), limit)
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), runs, func(t *table) { drawRuns(t, runs) })
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 20, "how many, the newest first")
	return cmd
}

// allRuns is the most that the server lists at once.
const allRuns = 1000

func printRun(cmd *cobra.Command, ask clientFlags, client *api.Client, id string) error {
	runs, err := client.Runs(cmd.Context(), allRuns)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(runs, func(r cluster.Run) bool { return r.ID == id })
	if i < 0 {
		return fmt.Errorf("there is no run %q among the last %d; evenkeel runs lists them", id, allRuns)
	}
	return ask.print(cmd.OutOrStdout(), runs[i], func(t *table) { drawRun(t, runs[i]) })
}

// drawRuns draws a line for each run; those that were refused for the same reason, one after the other, are one line.
func drawRuns(t *table, runs []cluster.Run) {
	if len(runs) == 0 {
		t.line("no runbook has run yet")
		return
	}
	t.row("WHEN", "ID", "RUNBOOK", "ALERT", "ABOUT", "STATE", "")
	for i := 0; i < len(runs); i++ {
		r, more := runs[i], 0
		for r.State == cluster.RunRefused && i+1 < len(runs) && runs[i+1].State == r.State && runs[i+1].Runbook == r.Runbook && runs[i+1].Reason == r.Reason {
			i, more = i+1, more+1
		}
		about := orDash(r.Subject())
		if r.Subject() == "" {
			about = orDash(orDefault(r.Alert["name"], orDefault(r.Alert["vm"], r.Alert["host"])))
		}
		if more > 0 {
			about += fmt.Sprintf(" and %d more", more)
		}
		t.row(clock(r.Started), r.ID, r.Runbook, orDefault(r.Alert["alertname"], orDash(r.By)), about, standingOf(r), now(r))
	}
}

// standingOf is a run's state, and whether it only rehearses.
func standingOf(r cluster.Run) string {
	if r.DryRun {
		return r.State.String() + " (dry run)"
	}
	return r.State.String()
}

// now is what a person has to know of a run: why it ended, or what it waits for.
func now(r cluster.Run) string {
	switch {
	case r.Reason != "":
		return r.Reason
	case r.State != cluster.RunUnderWay:
		return ""
	case len(r.Steps) == 0:
		return "waits for its turn"
	}
	s := r.Steps[len(r.Steps)-1]
	text := fmt.Sprintf("step %d: %s", len(r.Steps), s.Kind)
	if s.Recommendation != "" && s.Finished.IsZero() {
		text += ", evenkeel recommendations " + s.Recommendation
	}
	return text
}

func drawRun(t *table, r cluster.Run) {
	t.line("run %s of the runbook %s: %s", r.ID, r.Runbook, standingOf(r))
	if r.Reason != "" {
		t.line("%s", r.Reason)
	}
	if r.By != "" {
		t.line("begun by %s", r.By)
	}
	var labels []string
	for name, value := range r.Alert {
		labels = append(labels, fmt.Sprintf("%s=%q", name, value))
	}
	slices.Sort(labels)
	t.line("alert: {%s} since %s", strings.Join(labels, ", "), clock(r.Since))
	if !r.Resolved.IsZero() {
		t.line("resolved: %s", clock(r.Resolved))
	}
	if r.Subject() != "" {
		t.line("about: %s %s", r.Subject(), r.VM)
	}
	if len(r.Steps) == 0 {
		return
	}
	t.line("")
	t.row("STEP", "", "BEGAN", "TOOK", "ACTION", "RESULT")
	for i, s := range r.Steps {
		took := "-"
		if !s.Finished.IsZero() {
			took = fmt.Sprintf("%.1f s", s.Finished.Sub(s.Started).Seconds())
		}
		t.row(fmt.Sprint(i+1), s.Kind, clock(s.Started), took, orDash(s.Recommendation), s.Result)
	}
}

func newRunbook() *cobra.Command {
	var ask clientFlags
	var want api.RunRequest
	cmd := &cobra.Command{
		Use:   "runbook NAME",
		Short: "Begin a run of a runbook by hand; its steps are decided as those that an alert begins",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			want.Runbook = names[0]
			run, err := client.BeginRun(cmd.Context(), want)
			if err != nil {
				return err
			}
			return ask.print(cmd.OutOrStdout(), run, func(t *table) {
				t.line("begun: run %s of the runbook %s; evenkeel runs %s shows how it stands", run.ID, run.Runbook, run.ID)
			})
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&want.VM, "vm", "", "the VM that it is about, by name or UUID")
	cmd.Flags().StringVar(&want.Host, "host", "", "the host that it is about; with --vm the one that the VM is on")
	cmd.Flags().BoolVar(&want.DryRun, "dry-run", false, "change nothing; ask the gates and note what they say")
	return cmd
}

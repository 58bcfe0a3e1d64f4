package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/spf13/cobra"
)

func newRecommendations() *cobra.Command {
	var ask clientFlags
	var state string
	cmd := &cobra.Command{
		Use:     "recommendations [ID...]",
		Aliases: []string{"recs"},
		Short:   "List what is advised, or show recommendations with their evidence",
		RunE: func(cmd *cobra.Command, ids []string) error {
			client, err := ask.client()
			if err != nil {
				return err
			}
			var cases []cluster.Case
			if len(ids) == 0 {
				if cases, err = client.Recommendations(cmd.Context(), state); err != nil {
					return err
				}
			}
			for _, id := range ids {
				c, err := client.Recommendation(cmd.Context(), id)
				if err != nil {
					return err
				}
				cases = append(cases, c)
			}
			return ask.print(cmd.OutOrStdout(), cases, func(t *table) {
				if len(ids) == 0 {
					drawCases(t, cases)
					return
				}
				for _, c := range cases {
					drawCase(t, c)
				}
			})
		},
	}
	ask.register(cmd.Flags())
	cmd.Flags().StringVar(&state, "state", "", "list those in this state, or all; by default those that wait or run")
	return cmd
}

func drawCases(t *table, cases []cluster.Case) {
	if len(cases) == 0 {
		t.line("nothing is advised and nothing is under way; evenkeel status says why")
		return
	}
	t.row("ID", "PRIORITY", "STATE", "ACTION", "EXPIRES", "WHY")
	for _, c := range cases {
		r := c.Recommendation
		t.row(r.ID, fmt.Sprint(r.Priority), c.State.String(), r.Action.String(), clock(r.Expires), r.Reason)
	}
}

func drawCase(t *table, c cluster.Case) {
	r := c.Recommendation
	t.line("%s  %s  (priority %d, %s)", r.ID, r.Action, r.Priority, c.State)
	t.line("  brings: %s", r.Reason)
	t.line("  brings %.2f points on the two hosts, net of its cost", r.Gain)
	t.line("  should take about %.0f s with the guest standing still for %.1f s; made %s, expires %s (%s)", r.PredictedSeconds, r.PredictedDowntimeSeconds, clock(r.Made), clock(r.Expires), until(r.Expires))
	if len(r.DependsOn) > 0 {
		t.line("  only after: %s", strings.Join(r.DependsOn, ", "))
	}
	for _, f := range r.Because {
		t.line("  because: %s", f.Reason)
		drawEvidence(t, f.Evidence, "    ")
	}
	drawCandidates(t, r.Candidates)
	drawEffects(t, c)
	if a := c.Approval; a != nil {
		t.line("  decided by %s at %s via %s %s", a.Who, clock(a.At), a.Via, a.Reason)
	}
	for _, s := range c.Seconds {
		t.line("  yes by %s at %s via %s %s", s.Who, clock(s.At), s.Via, s.Reason)
	}
	if s := c.Snoozed; s != nil {
		t.line("  put off by %s until %s %s", s.Who, clock(s.Until), s.Reason)
	}
	if len(c.Verdicts) > 0 {
		t.line("  the gates, when they were asked last (evenkeel gates %s asks them now):", r.ID)
		drawVerdicts(t, c.Verdicts)
	}
	if o := c.Outcome; o != nil {
		t.line("  outcome: %s, runs on %s %s", o.Result, orDash(o.RunsOn), o.Reason)
		if o.Job.TotalBytes > 0 {
			t.line("  took %.1f s against %.1f s predicted; %.0f MiB sent, downtime %.0f ms", o.Finished.Sub(o.Started).Seconds(),
				r.PredictedSeconds, float64(o.Job.TransferredBytes)/(1<<20), 1000*o.Job.DowntimeSeconds)
		}
	}
	t.line("")
}

func drawEffects(t *table, c cluster.Case) {
	r := c.Recommendation
	for _, e := range r.Effects {
		t.line("  %s %s: %s -> %s", e.Host, strings.ReplaceAll(e.Name, "_", " "), percent(e.Before), percent(e.After))
	}
	m := c.Measured
	if m == nil {
		return
	}
	t.line("  measured at %s, with %d other moves done meanwhile:", clock(m.At), m.Others)
	for _, e := range m.Effects {
		t.line("    %s %s: %s promised, %s seen", e.Host, strings.ReplaceAll(e.Name, "_", " "), percent(e.Before), percent(e.After))
	}
	t.line("    score: %.0f before, %.0f promised, %.0f seen", r.Before.Score, m.PredictedScore, m.Cluster.Score)
	t.line("    the VM waited %s of its time before, %s after", ratio(m.StealRatioBefore), ratio(m.StealRatioAfter))
}

func until(t time.Time) string {
	left := time.Until(t).Round(time.Second)
	if left <= 0 {
		return "expired"
	}
	return "in " + left.String()
}

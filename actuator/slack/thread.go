package slack

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// reply is one thing to say in a plan's thread, once.
type reply struct {
	// key names it among what was said.
	key  string
	text string
}

// replies lists what is to be said about the plan as it stands, in order, said or not.
func replies(p plan) []reply {
	var list []reply
	for _, c := range p.Cases {
		id := c.Recommendation.ID
		if s := c.Snoozed; s != nil {
			list = append(list, reply{fmt.Sprintf("%s/snoozed/%d", id, s.Until.Unix()),
				fmt.Sprintf(":zzz: %s: snoozed by %s until %s", what(c), escape(s.Who), clock(s.Until))})
		}
		for i, s := range c.Seconds {
			list = append(list, reply{fmt.Sprintf("%s/seconded/%d", id, i),
				fmt.Sprintf(":raised_hand: %s: %s says yes; it takes the yes of another person as well", what(c), escape(s.Who))})
		}
		list = append(list, repliesOf(c)...)
	}
	return list
}

func repliesOf(c cluster.Case) []reply {
	id := c.Recommendation.ID
	var list []reply
	say := func(key, text string) { list = append(list, reply{id + "/" + key, cut(text, maxReply)}) }
	switch {
	case c.State == cluster.CaseOpen:
	case c.State == cluster.CaseRejected:
		say("rejected", fmt.Sprintf(":no_entry_sign: %s: rejected%s%s", what(c), by(c), because(c)))
	case c.Approval != nil:
		say("approved", fmt.Sprintf(":ballot_box_with_check: %s: approved%s%s", what(c), by(c), because(c)))
	}
	if c.Outcome != nil {
		say(c.State.String(), fmt.Sprintf("%s: %s", what(c), result(c)))
	}
	if c.Measured != nil && weighed(c.Recommendation) {
		say("measured", measured(c))
	}
	return list
}

// unsaid are the replies that the thread lacks.
func unsaid(p plan) []reply {
	return slices.DeleteFunc(replies(p), func(r reply) bool { return slices.Contains(p.Said, r.key) })
}

// result is what came of an action.
func result(c cluster.Case) string {
	o := c.Outcome
	if o == nil {
		return c.State.String()
	}
	text := c.State.String()
	if c.State == cluster.CaseUnknown {
		text = "nobody knows what came of it; look where it runs, it is not tried again"
	}
	if o.RunsOn != "" {
		text += ", runs on " + escape(o.RunsOn)
	}
	if !o.Started.IsZero() && o.Finished.After(o.Started) {
		text += ", took " + took(o.Finished.Sub(o.Started))
		if weighed(c.Recommendation) {
			text += fmt.Sprintf(" of %s predicted", seconds(c.Recommendation.PredictedSeconds))
		}
	}
	if o.Job.TransferredBytes > 0 {
		text += fmt.Sprintf(", %.0f MiB sent", float64(o.Job.TransferredBytes)/(1<<20))
	}
	if c.State == cluster.CaseDone && o.Job != (cluster.Progress{}) {
		text += fmt.Sprintf(", stood still for %s of %s predicted", seconds(o.Job.DowntimeSeconds), seconds(c.Recommendation.PredictedDowntimeSeconds))
	}
	if o.Reason != "" {
		text += ": " + escape(cut(o.Reason, 1000))
	}
	return text
}

func took(d time.Duration) string { return seconds(d.Seconds()) }

// promised is the measured effect in a few words.
func promised(c cluster.Case) string {
	if c.Measured == nil || !weighed(c.Recommendation) {
		return ""
	}
	return fmt.Sprintf("\nmeasured: score %.1f, promised %.1f, before %.1f", c.Measured.Cluster.Score, c.Measured.PredictedScore, c.Recommendation.Before.Score)
}

// measured is the measured effect in full.
func measured(c cluster.Case) string {
	m := c.Measured
	lines := []string{fmt.Sprintf(":bar_chart: %s: measured %s, with %s done meanwhile", what(c), clock(m.At), count(m.Others, "other action")),
		fmt.Sprintf("score: %.1f before, %.1f promised, %.1f seen", c.Recommendation.Before.Score, m.PredictedScore, m.Cluster.Score)}
	for _, e := range m.Effects {
		lines = append(lines, fmt.Sprintf("%s %s: %s promised, %s seen", escape(e.Host), escape(number(e.Name)), percent(e.Before), percent(e.After)))
	}
	lines = append(lines, fmt.Sprintf("the VM waited %s of its time before, %s after", share(m.StealRatioBefore), share(m.StealRatioAfter)))
	return strings.Join(lines, "\n")
}

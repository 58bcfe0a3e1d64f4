package slack

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/slack-go/slack"
)

// maxShown is how many actions a message shows: two blocks each, of Slack's 50.
const maxShown = 15

// message is a plan as Slack gets it.
type message struct {
	Blocks []slack.Block
	// Text stands in notifications.
	Text string
}

// draw shows the plan as it is. The same plan at the same time gives the same message.
func draw(p plan, consoleURL string, now time.Time) message {
	m := message{Text: cut(summary(p), maxSection)}
	add := func(blocks ...slack.Block) { m.Blocks = append(m.Blocks, blocks...) }
	add(slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, cut(title(p), maxHeader), false, false)))
	var open, waiting []string
	used, shown := 0, 0
	for i, c := range p.Cases {
		text := cut(fmt.Sprintf("*%d.* %s", i+1, describe(p, c, now)), maxSection)
		used += utf8.RuneCountInString(text)
		if i > 0 && (shown == maxShown || used > maxMessage) {
			break
		}
		add(section(text), slack.NewActionBlock("action-"+c.Recommendation.ID, buttons(c)...))
		shown++
		if c.State == cluster.CaseOpen {
			open = append(open, c.Recommendation.ID)
		}
		if decidable(c) {
			waiting = append(waiting, c.Recommendation.ID)
		}
	}
	if left := len(p.Cases) - shown; left > 0 {
		add(section(fmt.Sprintf("%s more: `evenkeel recommendations` lists all, `evenkeel approve ID` decides.", count(left, "action"))))
	}
	if all := together(open, waiting, shown < len(p.Cases)); len(all) > 0 {
		add(slack.NewActionBlock("plan", all...))
	}
	foot := "advised " + clock(p.Made)
	if !slices.ContainsFunc(p.Cases, func(c cluster.Case) bool { return !c.Recommendation.Asked() }) {
		foot = "asked for " + clock(p.Made)
	}
	if consoleURL != "" {
		foot += " · <" + escape(consoleURL) + "|console>"
	}
	add(slack.NewContextBlock("foot", slack.NewTextBlockObject(slack.MarkdownType, foot, false, false)))
	return m
}

func section(text string) slack.Block {
	return slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, text, false, false), nil, nil)
}

// weighed tells whether an action was weighed against the score: moves are, and nothing else.
func weighed(r cluster.Recommendation) bool { return r.Action.Kind == cluster.Migrate }

// title is the plan in one line, as plain text. What is asked for alone is named.
func title(p plan) string {
	name := orWord(p.Cluster, "cluster")
	if !slices.ContainsFunc(p.Cases, func(c cluster.Case) bool { return weighed(c.Recommendation) }) {
		if len(p.Cases) != 1 {
			return fmt.Sprintf("%s: %s", name, count(len(p.Cases), "action"))
		}
		return fmt.Sprintf("%s: %s%s", name, p.Cases[0].Recommendation.Action, stepOf(p.Cases[0].Recommendation))
	}
	before, after := scores(p)
	return fmt.Sprintf("%s: %s, score %.1f → %.1f", name, count(len(p.Cases), "move"), before, after)
}

// stepOf says of which run an action is a step, or nothing where it is none.
func stepOf(r cluster.Recommendation) string {
	if r.Run == "" {
		return ""
	}
	return fmt.Sprintf(", step %d of the runbook's run %s", r.Step, r.Run)
}

// scores are the cluster's without the plan and with all of it. A plan's actions raise the score one by one.
func scores(p plan) (before, after float64) {
	for i, c := range p.Cases {
		b, a := c.Recommendation.Before.Score, c.Recommendation.After.Score
		if i == 0 || b < before {
			before = b
		}
		if i == 0 || a > after {
			after = a
		}
	}
	return before, after
}

// summary is the plan for a notification.
func summary(p plan) string {
	lines := []string{escape(title(p))}
	for _, c := range p.Cases {
		lines = append(lines, fmt.Sprintf("%s (%s)", what(c), c.State))
	}
	return strings.Join(lines, "\n")
}

// describe is one action: what, how it stands, why in numbers.
func describe(p plan, c cluster.Case, now time.Time) string {
	r := c.Recommendation
	lines := []string{
		"*" + what(c) + "*",
		standing(c, now),
		escape(cut(r.Reason, 500)),
	}
	lines = append(lines, effects(r.Effects)...)
	if weighed(r) {
		lines = append(lines, fmt.Sprintf("about %s, guest stands still for %s · priority %d · gain %+.2f points · score %.1f → %.1f · %s",
			seconds(r.PredictedSeconds), seconds(r.PredictedDowntimeSeconds), r.Priority, r.Gain, r.Before.Score, r.After.Score, mono(r.ID)))
	} else {
		lines = append(lines, fmt.Sprintf("priority %d%s · %s", r.Priority, escape(stepOf(r)), mono(r.ID)))
	}
	if len(r.DependsOn) > 0 {
		lines = append(lines, "only after "+escape(quoted(r.DependsOn)))
	}
	return strings.Join(lines, "\n")
}

// effects shows each host's numbers on one line.
func effects(all []cluster.Effect) []string {
	var lines []string
	host := ""
	for _, e := range all {
		one := fmt.Sprintf("%s %s → %s", number(e.Name), percent(e.Before), percent(e.After))
		if e.Host == host && len(lines) > 0 {
			lines[len(lines)-1] += ", " + escape(one)
			continue
		}
		host = e.Host
		lines = append(lines, fmt.Sprintf("%s: %s", escape(e.Host), escape(one)))
	}
	return lines
}

// standing is how an action stands, in a line.
func standing(c cluster.Case, now time.Time) string {
	switch c.State {
	case cluster.CaseOpen:
		return standingOpen(c, now)
	case cluster.CaseApproved:
		return ":ballot_box_with_check: approved" + by(c) + ", waits for its turn"
	case cluster.CaseRunning:
		if k := c.Recommendation.Action.Kind; k != cluster.Migrate && k != cluster.MoveStorage {
			return ":arrow_forward: running" + approvedBy(c)
		}
		return fmt.Sprintf(":arrow_forward: running, %s copied%s", percent(c.Progress.Ratio()), approvedBy(c))
	case cluster.CaseDone:
		return ":white_check_mark: " + result(c) + approvedBy(c) + promised(c)
	case cluster.CaseFailed:
		return ":x: " + result(c) + approvedBy(c)
	case cluster.CaseRefused:
		return ":no_entry: " + result(c) + approvedBy(c)
	case cluster.CaseRejected:
		return ":no_entry_sign: rejected" + by(c) + because(c)
	case cluster.CaseExpired:
		return ":hourglass: expired " + clock(c.Recommendation.Expires)
	case cluster.CaseWithdrawn:
		if c.Recommendation.Asked() {
			return ":leftwards_arrow_with_hook: withdrawn, it is not asked for any longer"
		}
		return ":leftwards_arrow_with_hook: withdrawn, it is not advised any longer"
	case cluster.CaseUnknown:
	}
	return ":grey_question: " + result(c) + approvedBy(c)
}

func standingOpen(c cluster.Case, now time.Time) string {
	text := ":raised_hand: waits for approval, until " + clock(c.Recommendation.Expires)
	if putOff(c, now) {
		text = fmt.Sprintf(":zzz: snoozed by %s until %s", escape(c.Snoozed.Who), clock(c.Snoozed.Until))
	}
	for _, s := range c.Seconds {
		text += fmt.Sprintf("\n%s said yes; it takes the yes of another person as well", escape(s.Who))
	}
	if why := refusals(c); why != "" {
		text += "\nlast refused: " + cut(why, 600)
	}
	return text
}

// refusals are the gates' reasons against an action, or "" where none refuses.
func refusals(c cluster.Case) string {
	var why []string
	for _, v := range c.Verdicts {
		if !v.Pass {
			why = append(why, escape(v.Gate+": "+orWord(v.Detail, v.Reason)))
		}
	}
	return strings.Join(why, "; ")
}

// by is who decided and when.
func by(c cluster.Case) string {
	if c.Approval == nil {
		return ""
	}
	return fmt.Sprintf(" by %s %s", escape(cut(c.Approval.Who, 100)), clock(c.Approval.At))
}

func approvedBy(c cluster.Case) string {
	if c.Approval == nil {
		return ""
	}
	return ", approved" + by(c)
}

func because(c cluster.Case) string {
	if c.Approval == nil || c.Approval.Reason == "" {
		return ""
	}
	return ": " + escape(cut(c.Approval.Reason, 500))
}

// buttons are those that an action has in its state.
func buttons(c cluster.Case) []slack.BlockElement {
	id := c.Recommendation.ID
	var list []slack.BlockElement
	if c.State == cluster.CaseOpen {
		list = append(list, button(actionApprove, id, "Approve").WithStyle(slack.StylePrimary))
	}
	if decidable(c) {
		list = append(list, button(actionReject, id, "Reject").WithStyle(slack.StyleDanger))
	}
	if c.State == cluster.CaseOpen {
		list = append(list, button(actionSnooze, id, "Snooze"))
	}
	return append(list, button(actionDetails, id, "Details"))
}

// decidable tells whether a person's no would still count.
func decidable(c cluster.Case) bool {
	return c.State == cluster.CaseOpen || c.State == cluster.CaseApproved
}

// together are the buttons for two or more actions at once. Their values name the actions, so that what
// is decided is what was shown.
func together(open, waiting []string, some bool) []slack.BlockElement {
	all := "all"
	if some {
		all = "these"
	}
	var list []slack.BlockElement
	if len(open) > 1 {
		list = append(list, button(actionApproveAll, strings.Join(open, ","), fmt.Sprintf("Approve %s %d", all, len(open))).WithStyle(slack.StylePrimary))
	}
	if len(waiting) > 1 {
		list = append(list, button(actionRejectAll, strings.Join(waiting, ","), fmt.Sprintf("Reject %s %d", all, len(waiting))).WithStyle(slack.StyleDanger))
	}
	return list
}

func button(action, value, label string) *slack.ButtonBlockElement {
	return slack.NewButtonBlockElement(action, value, slack.NewTextBlockObject(slack.PlainTextType, cut(label, maxButton), false, false))
}

func orWord(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

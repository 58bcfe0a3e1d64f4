package slack

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// details is all that speaks for an action and against the others: findings with their evidence and
// its PromQL, what the gates said, and the hosts that lost.
func details(c cluster.Case) string {
	r := c.Recommendation
	lines := []string{fmt.Sprintf(":mag: *%s* %s", what(c), mono(r.ID))}
	for _, f := range r.Because {
		lines = append(lines, "*"+escape(f.Detector)+"* "+escape(f.Subject)+": "+escape(f.Reason))
		for _, e := range f.Evidence {
			lines = append(lines, evidence(e))
		}
	}
	if len(r.Candidates) > 0 {
		lines = append(lines, "*other hosts*")
	}
	for _, h := range r.Candidates {
		lines = append(lines, candidate(h))
	}
	if why := refusals(c); why != "" {
		lines = append(lines, "*refused by* "+why)
	}
	more := "\n… `evenkeel recommendations " + escape(r.ID) + "` shows all"
	text := strings.Join(lines, "\n")
	if short := cut(text, maxReply-len(more)); short != text {
		return short[:max(strings.LastIndexByte(short, '\n'), 0)] + more // whole lines, so that no code span is left open
	}
	return text
}

func evidence(e cluster.Evidence) string {
	text := fmt.Sprintf("• %s = %.4g %s", escape(e.Name), e.Value, escape(e.Unit))
	if e.Limit.Known {
		text += fmt.Sprintf(", limit %.4g", e.Limit.Value)
	}
	if e.Query != "" {
		text += "\n   " + mono(cut(e.Query, 700))
	}
	return text
}

func candidate(h cluster.Candidate) string {
	text := "• " + escape(h.Host)
	switch {
	case h.Constraint != "":
		text += " not allowed, " + escape(h.Constraint)
	case h.Gain.Known:
		text += fmt.Sprintf(" %+.2f points", h.Gain.Value)
	}
	if h.Reason != "" {
		text += ": " + escape(h.Reason)
	}
	if h.Others > 0 {
		text += fmt.Sprintf(", and %d more hosts", h.Others)
	}
	return text
}

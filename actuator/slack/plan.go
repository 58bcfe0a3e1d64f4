package slack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// keepQuiet is how long a plan is remembered after the last of its actions came to an end. An effect
// may be measured up to an hour after the action.
const keepQuiet = 2 * time.Hour

// plan is what was advised of one cluster at one instant, and the message that tells of it.
type plan struct {
	Cluster string    `json:"cluster"`
	Made    time.Time `json:"made"`
	// Cases are as the desk last showed them, in the plan's order.
	Cases []cluster.Case `json:"cases"`
	// Known is when the desk last knew one of them.
	Known time.Time `json:"known"`
	// Channel and TS name the message; TS is empty as long as there is none.
	Channel string `json:"channel,omitempty"`
	TS      string `json:"ts,omitempty"`
	// Gone tells that somebody deleted an earlier message.
	Gone bool `json:"gone,omitempty"`
	// Shown is a hash of what the message shows.
	Shown string `json:"shown,omitempty"`
	// Said lists what has been said in the thread: see replies.
	Said []string `json:"said,omitempty"`

	// states and updated are what the message showed when it was last sent, so that mere progress does
	// not send it too often.
	states  string
	updated time.Time
	// trouble is what Slack has against this plan's message alone.
	trouble waiting
}

// keyOf tells which plan a recommendation belongs to.
func keyOf(r cluster.Recommendation) string {
	return r.Cluster + "@" + r.Made.UTC().Format(time.RFC3339Nano)
}

func (p plan) key() string { return keyOf(cluster.Recommendation{Cluster: p.Cluster, Made: p.Made}) }

// see takes what the desk knows of the plan now. What it does not know any longer and what had
// not ended has been withdrawn: it lived in the desk's memory alone.
func (p *plan) see(cases []cluster.Case, now time.Time) {
	if len(cases) > 0 {
		p.Known = now
	}
	merged := slices.Clone(cases)
	for _, old := range p.Cases {
		if slices.ContainsFunc(cases, func(c cluster.Case) bool { return c.Recommendation.ID == old.Recommendation.ID }) {
			continue
		}
		if old.State.Pending() {
			old.State = cluster.CaseWithdrawn
		}
		merged = append(merged, old)
	}
	p.Cases = merged
}

// unsettled tells whether somebody should still have an eye on the plan.
func (p plan) unsettled() bool {
	return slices.ContainsFunc(p.Cases, func(c cluster.Case) bool { return c.State.Unsettled() })
}

// acted tells whether something came of the plan.
func (p plan) acted() bool {
	return slices.ContainsFunc(p.Cases, func(c cluster.Case) bool { return c.Outcome != nil })
}

// worthPosting tells whether a plan that has no message deserves one: what came to nothing while Slack was
// away is not news, nor is what is over and was deleted.
func (p plan) worthPosting() bool { return p.unsettled() || p.acted() && !p.Gone }

// over tells whether nothing more will come of the plan.
func (p plan) over(now time.Time) bool {
	last := p.Known
	if !p.unsettled() {
		last = p.Made
		for _, c := range p.Cases {
			if c.Updated.After(last) {
				last = c.Updated
			}
		}
	}
	return now.Sub(last) > keepQuiet
}

// putOff tells whether a case that waits is put off now.
func putOff(c cluster.Case, now time.Time) bool {
	return c.State == cluster.CaseOpen && c.Snoozed != nil && now.Before(c.Snoozed.Until)
}

// stage sums up all that the message shows but progress.
func (p plan) stage(now time.Time) string {
	text := ""
	for _, c := range p.Cases {
		text += fmt.Sprintf("%s %s %t %d %t %s;", c.Recommendation.ID, c.State, putOff(c, now), len(c.Seconds), c.Measured != nil, refusals(c))
	}
	return text
}

// hash is short and stands for a message's content.
func hash(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8]), nil
}

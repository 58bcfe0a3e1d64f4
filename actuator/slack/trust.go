package slack

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/slack-go/slack"
)

// untold lists the changes of trust that the channel has not been told of.
func (s *Slack) untold() []cluster.TrustChange {
	var list []cluster.TrustChange
	for _, c := range s.desk.Trust() {
		if c.Since.After(s.told[c.Policy]) {
			list = append(list, c)
		}
	}
	return list
}

// tellTrust says in the channel which kinds of action may now happen by themselves, or may no longer. What Slack does not take is
// said when it is back, as far as nothing newer has come of it.
func (s *Slack) tellTrust(ctx context.Context, changes []cluster.TrustChange, trouble waiting) waiting {
	for _, c := range changes {
		err := s.line.call(ctx, postMessage, func(ctx context.Context, api *slack.Client) error {
			_, _, err := api.PostMessageContext(ctx, s.o.Channel, slack.MsgOptionText(trustText(c), false))
			return err
		})
		if trouble = s.came(ctx, trouble, err); err != nil {
			return trouble
		}
		s.told[c.Policy] = c.Since
	}
	return trouble
}

func trustText(c cluster.TrustChange) string {
	sign, what := ":chart_with_upwards_trend:", "has earned"
	if c.To < c.From {
		sign, what = ":chart_with_downwards_trend:", "has lost what it earned, and is back at"
	}
	return fmt.Sprintf("%s *%s* %s the level *%s* (it was %s): %s", sign, escape(c.Policy), what, c.To, c.From, escape(cut(c.Reason, maxReply)))
}

// remember takes what is so at the start for told.
func (s *Slack) remember() {
	s.told = map[string]time.Time{}
	for _, c := range s.desk.Trust() {
		s.told[c.Policy] = c.Since
	}
}

package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"
)

// The actions of buttons and forms.
const (
	actionApprove    = "approve"
	actionReject     = "reject"
	actionSnooze     = "snooze"
	actionDetails    = "details"
	actionApproveAll = "approve_all"
	actionRejectAll  = "reject_all"
	// actionReason is the form that asks for a rejection's reason.
	actionReason = "reason"
)

// Limits of what a click may hold.
const (
	maxIDs    = 100
	maxID     = 64
	maxReason = 1000
)

// errIgnored means that an interaction is none of ours, and harmless.
var errIgnored = errors.New("it is no button or form of evenkeel's")

// click is what a person did in Slack.
type click struct {
	action string
	// ids are the recommendations that it is about, in the plan's order.
	ids        []string
	user, name string
	// channel is where the message stands, ts the message; both are empty for a form.
	channel, ts string
	// trigger lets a form be opened for a few seconds.
	trigger string
	// reason is what the person wrote into the form.
	reason string
}

// form is what a form remembers of the click that opened it.
type form struct {
	IDs     []string `json:"ids"`
	Channel string   `json:"channel"`
}

// decode reads Slack's payload of an interaction. The error is errIgnored, or says what is wrong.
func decode(payload []byte) (click, error) {
	var in slack.InteractionCallback
	if err := json.Unmarshal(payload, &in); err != nil {
		return click{}, fmt.Errorf("read the interaction: %w", err)
	}
	c := click{user: in.User.ID, name: orWord(in.User.Name, in.User.Profile.DisplayName), trigger: in.TriggerID,
		channel: orWord(in.Channel.ID, in.Container.ChannelID), ts: orWord(in.Container.MessageTs, in.Message.Timestamp)}
	switch in.Type {
	case slack.InteractionTypeBlockActions:
		if len(in.ActionCallback.BlockActions) == 0 || in.ActionCallback.BlockActions[0] == nil {
			return click{}, errors.New("read the interaction: it names no action")
		}
		a := in.ActionCallback.BlockActions[0]
		if !slices.Contains([]string{actionApprove, actionReject, actionSnooze, actionDetails, actionApproveAll, actionRejectAll}, a.ActionID) {
			return click{}, errIgnored
		}
		c.action, c.ids = a.ActionID, strings.Split(a.Value, ",")
	case slack.InteractionTypeViewSubmission:
		if in.View.CallbackID != actionReason {
			return click{}, errIgnored
		}
		var f form
		if err := json.Unmarshal([]byte(in.View.PrivateMetadata), &f); err != nil {
			return click{}, fmt.Errorf("read the form: %w", err)
		}
		c.action, c.ids, c.channel = actionReason, f.IDs, f.Channel
		if in.View.State != nil {
			c.reason = cut(strings.TrimSpace(in.View.State.Values[actionReason][actionReason].Value), maxReason)
		}
	default:
		return click{}, errIgnored
	}
	return c, c.check()
}

// check refuses what no button of ours sends.
func (c click) check() error {
	if c.user == "" {
		return errors.New("read the interaction: it names no user")
	}
	if len(c.ids) == 0 || len(c.ids) > maxIDs {
		return fmt.Errorf("read the interaction: it is about %d recommendations, 1 to %d are possible", len(c.ids), maxIDs)
	}
	for _, id := range c.ids {
		if id == "" || len(id) > maxID {
			return fmt.Errorf("read the interaction: a recommendation's ID has %d bytes, 1 to %d are possible", len(id), maxID)
		}
	}
	return nil
}

// take puts a click in the queue, and tells whether there was room.
func (s *Slack) take(c click) bool {
	select {
	case s.clicks <- c:
		return true
	default:
		s.log.Error("too many clicks wait, one was not taken", "waiting", len(s.clicks), "user", c.user)
		return false
	}
}

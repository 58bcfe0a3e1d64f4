package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/slack-go/slack"
)

// clickWork takes clicks from the queue until ctx ends.
func (s *Slack) clickWork(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-s.clicks:
			result := s.work(ctx, c)
			s.retire(ctx, c)
			s.metrics.clicked(result)
			s.log.Info("click", "action", c.action, "ids", c.ids, "who", s.who(c), "result", result)
			signal(s.wake)
		}
	}
}

// work does what a click asks for, and returns how it was taken.
func (s *Slack) work(ctx context.Context, c click) string {
	if c.action == actionDetails {
		return s.tell(ctx, c)
	}
	if why := s.approvers.refuses(ctx, c.user, time.Now()); why != "" {
		s.whisper(ctx, c, why)
		return clickUnauthorised
	}
	switch c.action {
	case actionApprove, actionApproveAll:
		return s.decide(ctx, c, func(id string, word cluster.Approval) (cluster.Case, error) {
			ctx, cancel := lasting(ctx)
			defer cancel()
			return s.desk.Approve(ctx, id, word)
		})
	case actionSnooze:
		until := time.Now().Add(s.o.SnoozeFor)
		return s.decide(ctx, c, func(id string, word cluster.Approval) (cluster.Case, error) {
			return s.desk.Snooze(id, word, until)
		})
	case actionReject, actionRejectAll:
		return s.askReason(ctx, c)
	}
	return s.decide(ctx, c, s.desk.Reject) // the form has come back
}

// decide passes a person's word on each recommendation to the desk, one after the other, and tells the
// person what was not taken and why.
func (s *Slack) decide(ctx context.Context, c click, say func(string, cluster.Approval) (cluster.Case, error)) string {
	var nos []string
	for _, id := range c.ids {
		one, err := say(id, cluster.Approval{Who: s.who(c), Via: "slack", At: time.Now(), Reason: c.reason})
		if err != nil {
			nos = append(nos, no(one, id, err))
		}
	}
	if len(nos) == 0 {
		return clickAccepted
	}
	signal(s.wake) // what changed is shown before the person is told, who may have to wait for Slack
	s.whisper(ctx, c, strings.Join(nos, "\n"))
	return clickRefused
}

// no says why a word was not taken, in friendly words where it came late.
func no(c cluster.Case, id string, err error) string {
	name := mono(id)
	if c.Recommendation.ID != "" {
		name = "*" + what(c) + "*"
	}
	switch {
	case c.State == cluster.CaseRejected && c.Approval != nil:
		return fmt.Sprintf("%s has already been rejected%s.", name, by(c))
	case c.State != cluster.CaseOpen && c.Approval != nil:
		return fmt.Sprintf("%s has already been approved%s, and is %s.", name, by(c), c.State)
	case c.State == cluster.CaseOpen && c.Recommendation.ID != "":
		return fmt.Sprintf("%s is not done: %s. It stays open.", name, escape(strings.TrimSuffix(err.Error(), ".")))
	}
	return fmt.Sprintf("%s cannot be decided any more: %s.", name, escape(strings.TrimSuffix(err.Error(), ".")))
}

// askReason opens the form that asks why. Where Slack does not open it the rejection counts without.
func (s *Slack) askReason(ctx context.Context, c click) string {
	still := slices.ContainsFunc(c.ids, func(id string) bool {
		one, err := s.desk.Case(id)
		return err == nil && decidable(one)
	})
	if !still {
		return s.decide(ctx, c, s.desk.Reject) // the desk says why not
	}
	err := s.line.call(ctx, openView, func(ctx context.Context, api *slack.Client) error {
		view, err := reasonForm(c)
		if err != nil {
			return err
		}
		_, err = api.OpenViewContext(ctx, c.trigger, view)
		return err
	})
	if err == nil {
		return clickAccepted
	}
	s.log.Warn("the form for a rejection's reason could not be opened, it counts without", "ids", c.ids, "err", err)
	return s.decide(ctx, c, s.desk.Reject)
}

// reasonForm asks for a rejection's reason.
func reasonForm(c click) (slack.ModalViewRequest, error) {
	about, err := json.Marshal(form{IDs: c.ids, Channel: c.channel})
	if err != nil {
		return slack.ModalViewRequest{}, err
	}
	plain := func(text string) *slack.TextBlockObject {
		return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
	}
	field := slack.NewPlainTextInputBlockElement(plain("for example: the VM is being tested until Friday"), actionReason).
		WithMultiline(true).WithMaxLength(maxReason)
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: actionReason, PrivateMetadata: string(about),
		Title: plain("Reject"), Submit: plain("Reject"), Close: plain("Cancel"),
		Blocks: slack.Blocks{BlockSet: []slack.Block{
			section(cut("You reject "+escape(quoted(c.ids))+". The VMs are left alone for a while.", maxSection)),
			slack.NewInputBlock(actionReason, plain("Why?"), nil, field).WithOptional(true),
		}},
	}, nil
}

// tell writes an action's details into the thread, once for everybody.
func (s *Slack) tell(ctx context.Context, c click) string {
	id := c.ids[0]
	one, err := s.desk.Case(id)
	if err != nil {
		s.whisper(ctx, c, fmt.Sprintf("%s is not known any longer: %s.", mono(id), escape(err.Error())))
		return clickRefused
	}
	said := id + "/details"
	if !s.book.claim(id, said) {
		s.whisper(ctx, c, "The details stand in the message's thread already.")
		return clickAccepted
	}
	err = s.line.callPatiently(ctx, postMessage, func(ctx context.Context, api *slack.Client) error {
		_, _, err := api.PostMessageContext(ctx, orWord(c.channel, s.o.Channel), append(message{Text: details(one)}.options(), slack.MsgOptionTS(c.ts))...)
		return err
	})
	if err != nil {
		s.book.unclaim(id, said)
		s.log.Warn("details could not be told", "id", id, "err", err)
		s.whisper(ctx, c, "The details could not be posted; `evenkeel recommendations "+escape(id)+"` shows them.")
		return clickRefused
	}
	return clickAccepted
}

// retire takes the buttons from a message that another has replaced: one that Slack took although it did
// not answer, or that was posted before the memory was lost.
func (s *Slack) retire(ctx context.Context, c click) {
	current := s.book.messageOf(c.ids[0])
	if c.ts == "" || current == "" || current == c.ts {
		return
	}
	text := "This message has been replaced by a newer one about the same plan."
	if err := s.update(ctx, plan{Channel: c.channel, TS: c.ts}, message{Text: text, Blocks: []slack.Block{section(text)}}); err != nil {
		s.log.Warn("a message that was replaced still stands", "ts", c.ts, "err", err)
	}
}

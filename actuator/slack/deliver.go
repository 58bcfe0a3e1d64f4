package slack

import (
	"context"
	"errors"
	"time"

	"github.com/slack-go/slack"
)

const (
	// progressEvery is the pause between updates that show nothing new but progress.
	progressEvery = 5 * time.Second
	// idleCheck is after how long without a call Slack is asked whether it is there.
	idleCheck = time.Minute
)

// deliverAll brings Slack in line with what was observed, again and again until ctx ends.
func (s *Slack) deliverAll(ctx context.Context) {
	s.remember()
	trouble := s.check(ctx, waiting{})
	asked := time.Now()
	for pause(ctx, s.o.Every, s.news) {
		now := time.Now()
		due, changes := s.due(now), s.untold()
		_, notices := s.book.firstNotice()
		switch {
		case now.Before(trouble.until):
		case notices:
			trouble, asked = s.tellNotices(ctx, trouble), now
		case len(changes) > 0:
			trouble, asked = s.tellTrust(ctx, changes, trouble), now
		case len(due) > 0:
			trouble, asked = s.deliverDue(ctx, due, trouble), now
		case trouble.failures > 0 || now.Sub(asked) > idleCheck:
			trouble, asked = s.check(ctx, trouble), now
		}
	}
}

// check asks Slack whether it is there and knows the token.
func (s *Slack) check(ctx context.Context, trouble waiting) waiting {
	err := s.line.call(ctx, authTest, func(ctx context.Context, api *slack.Client) error {
		_, err := api.AuthTestContext(ctx)
		return err
	})
	return s.came(ctx, trouble, err)
}

// came notes how the way to Slack is after a call.
func (s *Slack) came(ctx context.Context, trouble waiting, err error) waiting {
	switch {
	case ctx.Err() != nil:
		return trouble
	case err == nil && trouble.failures > 0:
		s.log.Info("Slack is back", "failures", trouble.failures)
		return waiting{}
	case err == nil:
		return waiting{}
	}
	trouble = trouble.failed(err, time.Now(), s.o.Every)
	s.log.Warn("Slack does not take calls", "err", err, "advice", advice(err), "again", trouble.until)
	return trouble
}

// due lists the plans that Slack does not show as they are.
func (s *Slack) due(now time.Time) []string {
	var due []string
	for _, key := range s.book.keys() {
		if p, ok := s.book.plan(key); ok && s.behind(p, now) {
			due = append(due, key)
		}
	}
	return due
}

func (s *Slack) behind(p plan, now time.Time) bool {
	if p.TS == "" {
		return p.worthPosting()
	}
	_, _, changed := s.drawn(p, now)
	return changed || len(unsaid(p)) > 0
}

// drawn is the plan's message with its hash, and whether Slack should get it.
func (s *Slack) drawn(p plan, now time.Time) (m message, sum string, changed bool) {
	m = draw(p, s.o.ConsoleURL, now)
	sum, err := hash(m)
	if err != nil {
		s.log.Error("a message cannot be written as JSON", "plan", p.key(), "err", err)
		return m, "", false
	}
	return m, sum, sum != p.Shown && (p.stage(now) != p.states || now.Sub(p.updated) >= progressEvery)
}

// deliverDue sends what is due. What Slack has against one message does not keep the others; a Slack that
// does not answer or asks to wait ends the round.
func (s *Slack) deliverDue(ctx context.Context, due []string, trouble waiting) waiting {
	for _, key := range due {
		now := time.Now()
		p, ok := s.book.plan(key)
		if !ok || now.Before(p.trouble.until) {
			continue
		}
		err := s.deliver(ctx, key, p, now)
		if ctx.Err() != nil {
			return trouble
		}
		if _, limited := rateLimit(err); code(err) != "" && !limited {
			s.refused(key, p, err, now)
			err = nil // Slack is there
		}
		if trouble = s.came(ctx, trouble, err); err != nil {
			return trouble
		}
	}
	return trouble
}

// refused deals with a message that Slack does not take: one that somebody deleted is written anew where
// it still matters, anything else is tried again later.
func (s *Slack) refused(key string, p plan, err error, now time.Time) {
	if c := code(err); p.TS != "" && (c == "message_not_found" || c == "thread_not_found" || c == "cant_update_message") {
		s.log.Warn("a plan's message is gone from Slack", "plan", key, "err", err)
		s.book.change(key, func(p *plan) { p.TS, p.Shown, p.Said, p.Gone = "", "", nil, true })
		return
	}
	trouble := p.trouble.failed(err, now, s.o.Every)
	s.log.Error("Slack does not take a plan's message", "plan", key, "err", err, "advice", advice(err), "again", trouble.until)
	s.book.note(key, func(p *plan) { p.trouble = trouble })
}

// deliver posts or updates a plan's message, and says in its thread what has not been said.
func (s *Slack) deliver(ctx context.Context, key string, p plan, now time.Time) error {
	m, sum, changed := s.drawn(p, now)
	if p.TS == "" {
		channel, ts, err := s.post(ctx, s.o.Channel, "", m)
		if err != nil {
			return err
		}
		s.log.Info("plan posted", "plan", key, "actions", len(p.Cases), "ts", ts)
		p.Channel, p.TS = channel, ts
	} else if changed {
		if err := s.update(ctx, p, m); err != nil {
			return err
		}
	}
	if p.TS != "" && (changed || p.Shown == "") {
		stage := p.stage(now)
		s.book.change(key, func(b *plan) {
			b.Channel, b.TS, b.Shown, b.states, b.updated, b.trouble = p.Channel, p.TS, sum, stage, now, waiting{}
		})
	}
	for _, r := range unsaid(p) {
		if _, _, err := s.post(ctx, p.Channel, p.TS, message{Text: r.text}); err != nil {
			return err
		}
		s.book.change(key, func(b *plan) { b.Said, b.trouble = append(b.Said, r.key), waiting{} })
	}
	return nil
}

// post writes a message, in a thread where one is named, and returns its channel's ID and its timestamp.
func (s *Slack) post(ctx context.Context, channel, thread string, m message) (id, ts string, err error) {
	err = s.line.call(ctx, postMessage, func(ctx context.Context, api *slack.Client) (err error) {
		id, ts, err = api.PostMessageContext(ctx, channel, append(m.options(), slack.MsgOptionTS(thread))...)
		if err == nil && ts == "" {
			return errors.New("Slack took the message and named no timestamp")
		}
		return err
	})
	return id, ts, err
}

func (s *Slack) update(ctx context.Context, p plan, m message) error {
	return s.line.call(ctx, updateMessage, func(ctx context.Context, api *slack.Client) error {
		_, _, _, err := api.UpdateMessageContext(ctx, p.Channel, p.TS, m.options()...)
		return err
	})
}

// options is the message as the client takes it.
func (m message) options() []slack.MsgOption {
	list := []slack.MsgOption{slack.MsgOptionText(m.Text, false), slack.MsgOptionDisableLinkUnfurl()}
	if len(m.Blocks) > 0 {
		list = append(list, slack.MsgOptionBlocks(m.Blocks...))
	}
	return list
}

// whisper says something to one person in the channel. Nobody else sees it, and nothing hangs on it.
func (s *Slack) whisper(ctx context.Context, c click, text string) {
	channel := orWord(c.channel, s.o.Channel)
	err := s.line.callPatiently(ctx, postEphemeral, func(ctx context.Context, api *slack.Client) error {
		_, err := api.PostEphemeralContext(ctx, channel, c.user, message{Text: cut(text, maxReply)}.options()...)
		return err
	})
	if err != nil {
		s.log.Warn("a person could not be answered", "user", c.user, "err", err)
	}
}

// who is a person as the journal names them: as everywhere else where that is known, so that one person is not two.
func (s *Slack) who(c click) string {
	if name := s.o.Names[c.user]; name != "" {
		return name
	}
	return "slack:" + c.user // the ID: people can change what they are called
}

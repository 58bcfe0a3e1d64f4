package slack

import (
	"context"
	"slices"

	"github.com/slack-go/slack"
)

// maxNotices is how many notices wait for a Slack that is away. Of more the oldest are dropped: they stand in the log.
const maxNotices = 100

// Tell has the channel told something. It never waits; what Slack does not take now is said when it is back, after a restart too.
func (s *Slack) Tell(text string) {
	if dropped := s.book.notice(cut(escape(text), maxReply)); dropped > 0 {
		s.log.Warn("Slack is too far behind, old notices are not told any more", "dropped", dropped)
	}
	signal(s.news)
}

// tellNotices says what is still to be said, in order.
func (s *Slack) tellNotices(ctx context.Context, trouble waiting) waiting {
	for text, more := s.book.firstNotice(); more; text, more = s.book.firstNotice() {
		err := s.line.call(ctx, postMessage, func(ctx context.Context, api *slack.Client) error {
			_, _, err := api.PostMessageContext(ctx, s.o.Channel, message{Text: ":bell: " + text}.options()...)
			return err
		})
		if trouble = s.came(ctx, trouble, err); err != nil {
			return trouble
		}
		s.book.noticed(text)
	}
	return trouble
}

// notice adds one to what is to be said, and tells how many had to go for it.
func (b *book) notice(text string) (dropped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notices = append(b.notices, text)
	dropped = max(0, len(b.notices)-maxNotices)
	b.notices = slices.Delete(b.notices, 0, dropped)
	b.save()
	return dropped
}

// firstNotice is what is to be said next, if there is anything.
func (b *book) firstNotice() (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.notices) == 0 {
		return "", false
	}
	return b.notices[0], true
}

// noticed takes away what was said, unless it had to go meanwhile.
func (b *book) noticed(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.notices) > 0 && b.notices[0] == text {
		b.notices = slices.Delete(b.notices, 0, 1)
		b.save()
	}
}

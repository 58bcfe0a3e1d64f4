package slack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/slack-go/slack"
)

const (
	// maxAnswer caps what is read of one answer of Slack's, in bytes.
	maxAnswer = 4 << 20
	// grace is how long a call that is under way when the server ends may go on, so that what Slack
	// has taken is remembered.
	grace = 2 * time.Second
)

// line is the way out to Slack's Web API: every call has a deadline and is counted.
type line struct {
	api     *slack.Client
	metrics *metrics
	timeout time.Duration
}

func newLine(o Options, m *metrics) *line {
	client := &http.Client{Timeout: o.Timeout, Transport: capped{http.DefaultTransport}}
	return &line{metrics: m, timeout: o.Timeout, api: slack.New(o.BotToken, slack.OptionAPIURL(o.APIURL),
		slack.OptionAppLevelToken(o.AppToken), slack.OptionHTTPClient(client))}
}

// call makes one call under the deadline.
func (l *line) call(ctx context.Context, method string, do func(context.Context, *slack.Client) error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.timeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()
	err := do(bounded, l.api)
	l.metrics.called(method, resultOf(err))
	if err != nil {
		return fmt.Errorf("slack: %s: %w", method, err)
	}
	return nil
}

// callPatiently waits once for as long as Slack asks for, where it asks. It is for what is said to
// one person and would else be lost.
func (l *line) callPatiently(ctx context.Context, method string, do func(context.Context, *slack.Client) error) error {
	err := l.call(ctx, method, do)
	if wait, limited := rateLimit(err); limited && wait <= maxPause && pause(ctx, wait, nil) {
		return l.call(ctx, method, do)
	}
	return err
}

func resultOf(err error) string {
	if err == nil {
		return callDone
	}
	if _, limited := rateLimit(err); limited {
		return callRateLimited
	}
	return callFailed
}

// rateLimit tells whether Slack asked to wait, and for how long.
func rateLimit(err error) (time.Duration, bool) {
	if limited, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return limited.RetryAfter, true
	}
	if code(err) == "ratelimited" {
		return time.Second, true
	}
	return 0, false
}

// code is Slack's own word for what is wrong with a call, or "" when Slack said nothing.
func code(err error) string {
	if answer, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return answer.Err
	}
	return ""
}

// advice says what an operator can do about an error, where it is theirs.
func advice(err error) string {
	switch code(err) {
	case "":
		return "it is tried again; is Slack reachable from here?"
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired":
		return "check the token, and that the app is still installed"
	case "channel_not_found", "not_in_channel", "is_archived":
		return "check the channel, and invite the app to it"
	case "missing_scope":
		return "add the scope to the app and install it again"
	}
	return "see Slack's documentation of the method"
}

// capped reads no more of an answer than maxAnswer.
type capped struct{ next http.RoundTripper }

// RoundTrip makes the request.
func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// waiting counts failures in a row and says how long to wait after each.
type waiting struct {
	failures int
	until    time.Time
}

// failed returns the state after one more failure.
func (w waiting) failed(err error, now time.Time, first time.Duration) waiting {
	wait := min(maxPause, first<<min(w.failures, 10))
	if asked, limited := rateLimit(err); limited {
		wait = max(asked, time.Second)
	}
	return waiting{failures: w.failures + 1, until: now.Add(wait)}
}

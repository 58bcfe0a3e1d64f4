package slack

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/slackfake"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

// FuzzDecode feeds the decoder what Slack sends and what it never would. Whatever it takes must be within
// bounds, and nothing may panic.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"type":"block_actions","user":{"id":"U1","name":"al"},"trigger_id":"1.2","channel":{"id":"C1"},"container":{"type":"message","message_ts":"1.2","channel_id":"C1"},"actions":[{"type":"button","action_id":"approve","block_id":"action-1","value":"0123456789ab"}],"state":{"values":{}}}`,
		`{"type":"block_actions","user":{"id":"U1"},"message":{"ts":"1.2","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"x"}},{"type":"new"}]},"actions":[{"action_id":"reject_all","block_id":"b","value":"a,b,c"}]}`,
		`{"type":"view_submission","user":{"id":"U1"},"view":{"callback_id":"reason","private_metadata":"{\"ids\":[\"a\"],\"channel\":\"C1\"}","state":{"values":{"reason":{"reason":{"type":"plain_text_input","value":"why"}}}}}}`,
		`{"type":"view_closed","view":null}`, `{"actions":[null]}`, `{"type":"block_actions","actions":[{"block_id":1}],"state":null}`, `null`, `[]`, `"x"`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := decode(payload)
		if err != nil {
			return
		}
		if c.user == "" || c.action == "" || len(c.ids) == 0 || len(c.ids) > maxIDs || len([]rune(c.reason)) > maxReason {
			t.Errorf("it takes %+v", c)
		}
		for _, id := range c.ids {
			if id == "" || len(id) > maxID {
				t.Errorf("it takes the ID %q", id)
			}
		}
		if who := (&Slack{}).who(c); !strings.HasPrefix(who, "slack:") {
			t.Errorf("who is %q", who)
		}
	})
}

func TestALinkIsNoDecision(t *testing.T) {
	_, err := decode([]byte(`{"type":"block_actions","user":{"id":"U1"},"actions":[{"type":"button","action_id":"link","block_id":"b","value":"x"}]}`))
	if !errors.Is(err, errIgnored) {
		t.Error(err)
	}
}

// idle is a Slack that is not run, so that nothing is done about clicks.
func idle(t *testing.T) *Slack {
	t.Helper()
	s, err := New(nil, Options{BotToken: "x", AppToken: "y", SigningSecret: "z", Channel: "C", Approvers: []string{"U"}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAClickThatFindsNoRoomMayComeAgain(t *testing.T) {
	s := idle(t)
	for range maxWaiting {
		s.clicks <- click{}
	}
	payload := []byte(`{"type":"block_actions","user":{"id":"U"},"actions":[{"action_id":"approve","block_id":"b","value":"a"}]}`)
	at := time.Now()
	send := func() int {
		r, err := slackfake.Request("/", payload, at, "z")
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Code
	}
	if got := send(); got != http.StatusServiceUnavailable {
		t.Errorf("status %d", got)
	}
	<-s.clicks
	if got := send(); got != http.StatusOK {
		t.Errorf("with room again: status %d", got)
	}
	if got := send(); got != http.StatusConflict {
		t.Errorf("once more: status %d", got)
	}
}

func TestASocketThatPausesTooLongBeginsAnew(t *testing.T) {
	s := idle(t)
	failed := func(backoff time.Duration, err error) error {
		return s.event(t.Context(), nil, socketmode.Event{Type: socketmode.EventTypeConnectionError, Data: &slack.ConnectionErrorEvent{Backoff: backoff, ErrorObj: err}})
	}
	if err := failed(2*time.Minute, errors.New("EOF")); !errors.Is(err, errTooPatient) {
		t.Error(err)
	}
	if err := failed(2*time.Minute, &slack.RateLimitedError{RetryAfter: 2 * time.Minute}); err != nil {
		t.Errorf("although Slack asked for it: %v", err)
	}
	if err := failed(time.Second, errors.New("EOF")); err != nil {
		t.Error(err)
	}
}

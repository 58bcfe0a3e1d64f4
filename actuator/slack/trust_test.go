package slack_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/test/slackfake"
)

// overHTTP has clicks come by HTTP alone.
func overHTTP(s *stage) { s.o.AppToken = "" }

func TestAClickByHTTPMovesTheVM(t *testing.T) {
	s := newStage(t, overHTTP)
	id := s.advise(time.Hour, "v1")[0]
	if status := s.post(s.payload(alice, "approve", id), time.Now(), slackfake.SigningSecret, nil); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	s.eventually("v1 on h2", func() bool { return s.world.where("v1") == "h2" })
	s.shows("approved by slack:UALICE")
}

func TestForgedRequestsReachNothing(t *testing.T) {
	s := newStage(t, overHTTP)
	id := s.advise(time.Hour, "v1")[0]
	payload := s.payload(alice, "approve", id)
	forged := map[string]func() int{
		"wrong secret": func() int { return s.post(payload, time.Now(), "guessed", nil) },
		"no secret":    func() int { return s.post(payload, time.Now(), "", nil) },
		"old stamp":    func() int { return s.post(payload, time.Now().Add(-6*time.Minute), slackfake.SigningSecret, nil) },
		"future stamp": func() int { return s.post(payload, time.Now().Add(6*time.Minute), slackfake.SigningSecret, nil) },
		"new stamp under an old signature": func() int {
			return s.post(payload, time.Now().Add(-6*time.Minute), slackfake.SigningSecret, func(r *http.Request) {
				r.Header.Set("X-Slack-Request-Timestamp", fmt.Sprint(time.Now().Unix()))
			})
		},
		"no signature": func() int {
			return s.post(payload, time.Now(), slackfake.SigningSecret, func(r *http.Request) { r.Header.Del("X-Slack-Signature") })
		},
		"no stamp": func() int {
			return s.post(payload, time.Now(), slackfake.SigningSecret, func(r *http.Request) { r.Header.Del("X-Slack-Request-Timestamp") })
		},
		"another body": func() int {
			r, err := slackfake.Request(s.http.URL, s.payload(bob, "approve", id), time.Now(), slackfake.SigningSecret)
			if err != nil {
				t.Fatal(err)
			}
			return s.post(payload, time.Now(), slackfake.SigningSecret, func(own *http.Request) {
				own.Header.Set("X-Slack-Signature", r.Header.Get("X-Slack-Signature"))
			})
		},
	}
	for name, try := range forged {
		if status := try(); status != http.StatusUnauthorized {
			t.Errorf("%s: status %d", name, status)
		}
	}
	huge, err := http.NewRequest(http.MethodPost, s.http.URL, bytes.NewReader(bytes.Repeat([]byte("payload="), 1<<18)))
	if err != nil {
		t.Fatal(err)
	}
	if status := s.do(huge); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge body: status %d", status)
	}
	get, err := http.NewRequest(http.MethodGet, s.http.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if status := s.do(get); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", status)
	}
	s.counts(`evenkeel_slack_clicks_total{result="forged"}`, float64(len(forged)+1))
	time.Sleep(100 * time.Millisecond)
	if n := len(s.world.entries); n > 0 || s.metric(`evenkeel_slack_clicks_total{result="accepted"}`) != 0 {
		t.Errorf("%d entries in the journal", n)
	}
}

func TestReplayedRequestsReachNothing(t *testing.T) {
	s := newStage(t, overHTTP)
	id := s.advise(time.Hour, "v1")[0]
	payload, at := s.payload(alice, "snooze", id), time.Now() // a snooze could be repeated for ever
	if status := s.post(payload, at, slackfake.SigningSecret, nil); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	s.counts(`evenkeel_slack_clicks_total{result="accepted"}`, 1)
	replays := map[string]func(*http.Request){
		"as it was": nil,
		"in capitals": func(r *http.Request) {
			r.Header.Set("X-Slack-Signature", "v0="+strings.ToUpper(strings.TrimPrefix(r.Header.Get("X-Slack-Signature"), "v0=")))
		},
		"as a retry": func(r *http.Request) { r.Header.Set("X-Slack-Retry-Num", "1") },
	}
	for name, change := range replays {
		if status := s.post(payload, at, slackfake.SigningSecret, change); status != http.StatusConflict {
			t.Errorf("%s: status %d", name, status)
		}
	}
	s.stop()
	time.Sleep(time.Until(at.Truncate(time.Second).Add(time.Second))) // stamps have whole seconds
	s.start()
	if status := s.post(payload, at, slackfake.SigningSecret, nil); status != http.StatusConflict {
		t.Errorf("after a restart: status %d", status)
	}
	s.counts(`evenkeel_slack_clicks_total{result="replayed"}`, 1)
	if n := s.metric(`evenkeel_slack_clicks_total{result="accepted"}`); n != 0 {
		t.Errorf("after the restart %v clicks are taken", n)
	}
}

func TestAnEnvelopeThatComesTwiceCountsOnce(t *testing.T) {
	s := newStage(t, nil)
	id := s.advise(time.Hour, "v1")[0]
	payload := s.payload(alice, "snooze", id)
	for range 3 { // each is acknowledged, so that Slack stops
		if err := s.fake.Envelope("one-and-the-same", payload); err != nil {
			t.Fatal(err)
		}
	}
	s.counts(`evenkeel_slack_clicks_total{result="replayed"}`, 2)
	s.counts(`evenkeel_slack_clicks_total{result="accepted"}`, 1)
}

func TestADoubleClickMovesOnce(t *testing.T) {
	s := newStage(t, nil)
	id := s.advise(time.Hour, "v1")[0]
	payload := s.payload(alice, "approve", id)
	for range 2 {
		if err := s.fake.Send(payload); err != nil {
			t.Fatal(err)
		}
	}
	s.whispered(alice, "name-v1 from h1 to h2* has already been approved by slack:UALICE")
	s.eventually("v1 on h2", func() bool { return s.world.where("v1") == "h2" })
	if n := len(s.world.entriesOf(cluster.EntryIntent)); n != 1 {
		t.Errorf("%d intents", n)
	}
}

func TestOfTwoApproversAtOnceOneIsFirst(t *testing.T) {
	s := newStage(t, nil)
	id := s.advise(time.Hour, "v1")[0]
	payloads := [][]byte{s.payload(alice, "approve", id), s.payload(bob, "approve", id)}
	var wg sync.WaitGroup
	for i, payload := range payloads {
		wg.Go(func() {
			if i == 0 { // one over the socket, one by HTTP
				if err := s.fake.Send(payload); err != nil {
					t.Error(err)
				}
				return
			}
			if status := s.post(payload, time.Now(), slackfake.SigningSecret, nil); status != http.StatusOK {
				t.Errorf("status %d", status)
			}
		})
	}
	wg.Wait()
	s.eventually("one late answer", func() bool { return len(s.fake.Whispers()) == 1 })
	words := s.world.entriesOf(cluster.EntryApproved)
	if len(words) != 1 {
		t.Fatalf("%d approvals", len(words))
	}
	first, late := words[0].Approval.Who, s.fake.Whispers()[0]
	if !strings.Contains(late.Text, "has already been approved by "+first) || strings.Contains(first, late.User) {
		t.Errorf("%s was first, and %s is told %q", first, late.User, late.Text)
	}
	s.counts(`evenkeel_slack_clicks_total{result="accepted"}`, 1)
	s.counts(`evenkeel_slack_clicks_total{result="refused"}`, 1)
}

func TestAStaleApprovalMovesNothing(t *testing.T) {
	s := newStage(t, nil)
	id := s.advise(time.Hour, "v1")[0]
	payload := s.payload(alice, "approve", id)
	s.world.with(func() { s.world.at["v1"] = "h3" }) // somebody moves it by hand
	if err := s.fake.Send(payload); err != nil {
		t.Fatal(err)
	}
	s.whispered(alice, "is not done: refused: ")
	s.shows("last refused: ")
	time.Sleep(100 * time.Millisecond)
	if got, state := s.world.where("v1"), s.state(id); got != "h3" || state != cluster.CaseOpen {
		t.Errorf("v1 runs on %s, its case is %s", got, state)
	}
	s.counts(`evenkeel_slack_clicks_total{result="refused"}`, 1)
}

func TestLateClicksAreToldWhy(t *testing.T) {
	s := newStage(t, nil)
	expired := s.advise(time.Second, "v1")[0]
	payload := s.payload(alice, "approve", expired)
	s.shows("expired")
	if err := s.fake.Send(payload); err != nil {
		t.Fatal(err)
	}
	s.whispered(alice, "cannot be decided any more: it is not open: it expired at")
	withdrawn := s.advise(time.Hour, "v2")[0]
	payload = s.payload(alice, "reject", withdrawn)
	s.world.with(func() { s.world.recs = nil })
	s.shows("withdrawn")
	if err := s.fake.Send(payload); err != nil {
		t.Fatal(err)
	}
	s.whispered(alice, "not advised any longer")
	if err := s.fake.Send(changed(t, payload, func(p map[string]any) {
		p["actions"].([]any)[0].(map[string]any)["value"] = "0123456789ab"
	})); err != nil {
		t.Fatal(err)
	}
	s.whispered(alice, "no such recommendation")
}

func TestOnlyThoseListedMayDecide(t *testing.T) {
	s := newStage(t, nil)
	id := s.advise(time.Hour, "v1")[0]
	for _, action := range []string{"approve", "reject", "snooze"} {
		s.click(mallory, action, id)
	}
	s.counts(`evenkeel_slack_clicks_total{result="unauthorised"}`, 3)
	s.whispered(mallory, "Sorry, you may not decide this. <@UALICE>, <@UBOB> may.")
	if n := len(s.world.entries) + len(s.fake.Views()); n > 0 || s.state(id) != cluster.CaseOpen {
		t.Errorf("%d things happened", n)
	}
}

func TestMembersOfAGroupMayDecide(t *testing.T) {
	s := newStage(t, func(s *stage) {
		s.o.Approvers, s.o.ApproverGroups = nil, []string{"S1", "S2"}
		s.fake.Group("S1", alice)
	})
	ids := s.advise(time.Hour, "v1", "v2", "v3")
	s.click(bob, "approve", ids[1]) // S2 is not to be had, he may be in it
	s.whispered(bob, "I cannot tell whether you may decide this")
	s.click(alice, "approve", ids[0])
	s.eventually("v1 on h2", func() bool { return s.world.where("v1") == "h2" })
	s.fake.Group("S2", bob)
	s.fake.Group("S1")
	s.click(bob, "approve", ids[1])
	s.eventually("v2 on h2", func() bool { return s.world.where("v2") == "h2" })
	if n := s.fake.Calls("usergroups.users.list"); n != 3 {
		t.Errorf("the groups were asked for %d times, members are believed for minutes", n)
	}
	s.click(mallory, "approve", ids[2])
	s.whispered(mallory, "<!subteam^S1>, <!subteam^S2> may.")
}

func TestNonsenseIsRefusedAndHarmless(t *testing.T) {
	s := newStage(t, nil)
	id := s.advise(time.Hour, "v1")[0]
	good := s.payload(alice, "approve", id)
	action := func(key string, value any) func(map[string]any) {
		return func(p map[string]any) { p["actions"].([]any)[0].(map[string]any)[key] = value }
	}
	for name, c := range map[string]struct {
		payload []byte
		status  int
	}{
		"empty":           {nil, http.StatusBadRequest},
		"null":            {[]byte("null"), http.StatusOK},
		"no JSON":         {[]byte("{"), http.StatusBadRequest},
		"a list":          {[]byte("[]"), http.StatusBadRequest},
		"no actions":      {changed(t, good, func(p map[string]any) { p["actions"] = []any{} }), http.StatusBadRequest},
		"null action":     {changed(t, good, func(p map[string]any) { p["actions"] = []any{nil} }), http.StatusBadRequest},
		"no user":         {changed(t, good, func(p map[string]any) { delete(p, "user") }), http.StatusBadRequest},
		"no value":        {changed(t, good, action("value", "")), http.StatusBadRequest},
		"endless ID":      {changed(t, good, action("value", strings.Repeat("a", 100))), http.StatusBadRequest},
		"many IDs":        {changed(t, good, action("value", strings.Repeat("a,", 500)+"a")), http.StatusBadRequest},
		"unknown action":  {changed(t, good, action("action_id", "launch")), http.StatusOK},
		"unknown type":    {changed(t, good, func(p map[string]any) { p["type"] = "shortcut" }), http.StatusOK},
		"form, no state":  {[]byte(`{"type":"view_submission","user":{"id":"U"},"view":{"callback_id":"reason","private_metadata":"{}"}}`), http.StatusBadRequest},
		"form, no memory": {[]byte(`{"type":"view_submission","user":{"id":"U"},"view":{"callback_id":"reason"}}`), http.StatusBadRequest},
		"strange form":    {[]byte(`{"type":"view_submission","user":{"id":"U"},"view":{"callback_id":"other"}}`), http.StatusOK},
	} {
		if status := s.post(c.payload, time.Now(), slackfake.SigningSecret, nil); status != c.status {
			t.Errorf("%s: status %d, want %d", name, status, c.status)
		}
		if len(c.payload) > 0 && !slices.Contains([]string{"no JSON"}, name) {
			if err := s.fake.Send(c.payload); err != nil && name != "a list" { // what slack-go cannot read reaches us never
				t.Errorf("%s over the socket: %v", name, err)
			}
		}
	}
	if n := len(s.world.entries); n > 0 {
		t.Errorf("%d entries in the journal", n)
	}
	if err := s.fake.Send(good); err != nil {
		t.Fatal(err)
	}
	s.eventually("v1 on h2, after all that", func() bool { return s.world.where("v1") == "h2" })
}

func TestWithoutASigningSecretNoRequestIsTaken(t *testing.T) {
	s := newStage(t, func(s *stage) { s.o.SigningSecret = "" })
	id := s.advise(time.Hour, "v1")[0]
	if status := s.post(s.payload(alice, "approve", id), time.Now(), "", nil); status != http.StatusNotFound {
		t.Errorf("status %d", status)
	}
}

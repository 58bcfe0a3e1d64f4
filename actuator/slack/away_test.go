package slack_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/memory"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/test/slackfake"
)

func TestWhatSlackMissesIsMadeUpFor(t *testing.T) {
	for name, mode := range map[string]slackfake.Mode{"down": slackfake.Down, "hanging": slackfake.Hanging, "unreachable": slackfake.Unreachable} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, nil)
			shown := s.advise(time.Hour, "v1")[0]
			s.shows("waits for approval")
			s.fake.Be(mode)
			fresh := s.advise(time.Hour, "v2")[0]
			forgotten := s.advise(100*time.Millisecond, "v3")[0]
			s.eventually("advice", func() bool { _, err := s.desk.Case(forgotten); return err == nil })
			began := time.Now()
			for _, id := range []string{shown, fresh} {
				if _, err := s.desk.Approve(t.Context(), id, cluster.Approval{Who: "carol", Via: "api", At: time.Now()}); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("an approval took %s while Slack was away", took)
			}
			for _, vm := range []string{"v1", "v2"} {
				s.eventually(vm+" on h2 without Slack", func() bool { return s.world.where(vm) == "h2" })
			}
			s.eventually("v3 expired", func() bool { c, err := s.desk.Case(forgotten); return err != nil || c.State == cluster.CaseExpired })
			s.counts("evenkeel_slack_up", 0)
			s.eventually("pending messages", func() bool { return s.metric("evenkeel_slack_messages_pending") >= 2 })
			s.fake.Be(slackfake.Up)
			s.eventually("both plans in Slack", func() bool {
				all := s.fake.Messages()
				if len(all) != 2 {
					return false
				}
				for _, m := range all {
					said := strings.Join(m.Replies, "\n")
					if !strings.Contains(m.Shows(), "done, runs on h2") || strings.Count(said, "approved by carol") != 1 || strings.Count(said, ": done") != 1 {
						return false
					}
				}
				return true
			})
			s.counts("evenkeel_slack_up", 1)
			if strings.Contains(s.channel(), forgotten) {
				t.Error("what came to nothing meanwhile is told")
			}
			s.eventually("the socket again", s.fake.Connected)
		})
	}
}

func TestABusySlackIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	s := newStage(t, nil)
	s.fake.Limit(1, 2*time.Second)
	s.advise(time.Hour, "v1")
	s.counts(`evenkeel_slack_requests_total{method="chat.postMessage",result="rate_limited"}`, 1)
	began := time.Now()
	s.message()
	if waited := time.Since(began); waited < 1500*time.Millisecond {
		t.Errorf("it asked for 2 s and got %s", waited)
	}
	if n := s.fake.Calls("chat.postMessage"); n != 2 {
		t.Errorf("%d calls", n)
	}
}

func TestADisconnectedSocketComesBack(t *testing.T) {
	s := newStage(t, nil)
	id := s.advise(time.Hour, "v1")[0]
	s.message()
	s.fake.Disconnect()
	s.eventually("a new socket", s.fake.Connected)
	s.click(alice, "approve", id)
	s.eventually("v1 on h2", func() bool { return s.world.where("v1") == "h2" })
}

func TestARestartGoesOnWithTheOldMessage(t *testing.T) {
	s := newStage(t, nil)
	id := s.advise(time.Hour, "v1")[0]
	s.click(alice, "details", id)
	s.replied("cpu_utilisation")
	s.stop()
	if _, err := s.desk.Approve(t.Context(), id, cluster.Approval{Who: "carol", Via: "api", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	s.eventually("v1 on h2", func() bool { return s.world.where("v1") == "h2" })
	s.start()
	s.replied("approved by carol")
	s.replied("measured")
	s.shows("measured: score")
	if said := strings.Join(s.message().Replies, "\n"); strings.Count(said, "approved by") != 1 {
		t.Errorf("the thread is\n%s", said)
	}
	s.counts("evenkeel_slack_messages_pending", 0)
	s.stop()
	replies, updates := len(s.message().Replies), s.message().Updates
	s.start()
	time.Sleep(200 * time.Millisecond)
	if m := s.message(); len(m.Replies) != replies || m.Updates != updates {
		t.Errorf("a restart without news makes %d replies of %d and %d updates of %d", len(m.Replies), replies, m.Updates, updates)
	}
}

func TestABrokenMemoryCostsASecondMessageAndNoMore(t *testing.T) {
	for name, content := range map[string]string{"cut off": `{"version":1,"plans":[{"clu`, "of the future": `{"version":99}`, "no JSON": "\x00\x01", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, nil)
			id := s.advise(time.Hour, "v1")[0]
			s.message()
			s.stop()
			if err := os.WriteFile(s.o.State.String(), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			s.start()
			s.eventually("a second message that is remembered", func() bool { return strings.Count(s.log.String(), "plan posted") == 2 && len(s.fake.Messages()) == 2 })
			if !strings.Contains(s.log.String(), "earlier Slack messages are forgotten") {
				t.Error("the log does not say so")
			}
			old := s.fake.Messages()[0].TS
			if err := s.fake.Send(changed(t, s.payload(alice, "approve", id), func(p map[string]any) {
				p["container"].(map[string]any)["message_ts"] = old
			})); err != nil {
				t.Fatal(err)
			}
			s.eventually("v1 on h2", func() bool { return s.world.where("v1") == "h2" })
			s.eventually("an end of the first message", func() bool {
				return strings.TrimSpace(s.fake.Messages()[0].Shows()) == "This message has been replaced by a newer one about the same plan."
			})
			s.shows("done, runs on h2")
			if n := len(s.fake.Messages()); n != 2 {
				t.Errorf("%d messages", n)
			}
		})
	}
}

func TestAMemoryThatCannotBeWrittenStopsNothing(t *testing.T) {
	s := newStage(t, func(s *stage) { s.o.State = memory.File("/dev/null/slack.json") })
	id := s.advise(time.Hour, "v1")[0]
	s.click(alice, "approve", id)
	s.replied(": done")
	if !strings.Contains(s.log.String(), "could not be remembered") {
		t.Error("the log does not say so")
	}
}

func TestOneMessageThatSlackRefusesDoesNotKeepTheOthers(t *testing.T) {
	s := newStage(t, nil)
	id := s.advise(time.Hour, "v1")[0]
	s.message()
	s.fake.Refuse("chat.update", "msg_blocks_too_long")
	s.click(alice, "approve", id)
	s.eventually("a refused update", func() bool { return s.fake.Calls("chat.update") > 0 })
	s.advise(time.Hour, "v2")
	s.shows("name-v2")
	s.fake.Refuse("chat.update", "")
	s.eventually("the first message after all", func() bool { return strings.Contains(s.fake.Messages()[0].Shows(), "done, runs on h2") })
}

func TestAWrongTokenIsSaidAndTriedAgain(t *testing.T) {
	s := newStage(t, func(s *stage) {
		s.o.AppToken = ""
		s.fake.Refuse("auth.test", "invalid_auth")
		s.fake.Refuse("chat.postMessage", "invalid_auth")
	})
	s.advise(time.Hour, "v1")
	s.eventually("advice in the log", func() bool {
		return strings.Contains(s.log.String(), "check the token, and that the app is still installed")
	})
	s.counts("evenkeel_slack_up", 0)
	s.fake.Refuse("auth.test", "")
	s.fake.Refuse("chat.postMessage", "")
	s.message()
}

func TestARefusedSocketIsTriedAgain(t *testing.T) {
	s := newStage(t, nil)
	s.fake.Refuse("apps.connections.open", "invalid_auth")
	s.fake.Disconnect()
	s.eventually("a word in the log", func() bool { return strings.Contains(s.log.String(), "Socket Mode ended") })
	s.fake.Refuse("apps.connections.open", "")
	s.eventually("a socket", s.fake.Connected)
}

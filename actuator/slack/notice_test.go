package slack_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/test/slackfake"
)

func TestANoticeIsToldOnce(t *testing.T) {
	s := newStage(t, nil)
	s.clerk.Tell("runbook down failed: <!channel> & more")
	if m := s.message(); !strings.Contains(m.Text, "runbook down failed: &lt;!channel&gt; &amp; more") {
		t.Errorf("it shows %s", m.Text)
	}
	s.stop()
	s.start()
	time.Sleep(100 * time.Millisecond)
	s.message()
}

func TestNoticesOutliveASlackThatIsAway(t *testing.T) {
	s := newStage(t, func(s *stage) { s.o.AppToken = "" })
	s.fake.Be(slackfake.Down)
	began := time.Now()
	for i := range 103 {
		s.clerk.Tell(fmt.Sprintf("notice %d.", i))
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("telling waits on Slack: %s", d)
	}
	s.stop()
	s.fake.Be(slackfake.Up)
	s.start()
	s.eventually("all notices", func() bool { return len(s.fake.Messages()) == 100 })
	all := s.fake.Messages()
	if !strings.Contains(all[0].Text, "notice 3.") || !strings.Contains(all[99].Text, "notice 102.") {
		t.Errorf("the first is %s, the last %s", all[0].Text, all[99].Text)
	}
}

func TestWhatARunbookAsksForIsShown(t *testing.T) {
	s := newStage(t, func(s *stage) { s.o.AppToken = "" })
	made := time.Now()
	r := cluster.Recommendation{Cluster: "prod", Policy: "maintenance", Priority: 2, Reason: "runbook hot, step 2 of 3: alert HostHot, since 2026-11-24T10:00:00Z", Run: "0123456789ab", Step: 2,
		Action: cluster.Action{Kind: cluster.Maintenance, From: "h1"}, Made: made, Expires: made.Add(time.Hour)}.Identified()
	if _, err := s.desk.Propose(r); err != nil {
		t.Fatal(err)
	}
	m := s.shows("waits for approval")
	for _, want := range []string{"prod: put h1 into maintenance, step 2 of the runbook's run 0123456789ab", "runbook hot, step 2 of 3: alert HostHot"} {
		if !strings.Contains(m.Shows(), want) {
			t.Errorf("it lacks %q:\n%s", want, m.Shows())
		}
	}
	for _, no := range []string{"score", "gain", "stands still", "move"} {
		if strings.Contains(m.Shows(), no) {
			t.Errorf("it speaks of %q:\n%s", no, m.Shows())
		}
	}
	if _, err := s.desk.Approve(t.Context(), r.ID, cluster.Approval{Who: "alice", Via: "test", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	s.replied("put h1 into maintenance: done")
	if m := s.shows(":white_check_mark: done"); strings.Contains(m.Shows()+strings.Join(m.Replies, ""), "predicted") {
		t.Errorf("it speaks of a prediction:\n%s %s", m.Shows(), m.Replies)
	}
}

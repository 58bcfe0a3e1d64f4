package slack_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/actuator/slack"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestFromAClickToAMovedVM(t *testing.T) {
	s := newStage(t, nil)
	arrives := make(chan struct{})
	s.world.with(func() { s.world.slow = arrives })
	ids := s.advise(time.Hour, "v1", "v2")
	m := s.shows("waits for approval")
	for _, want := range []string{
		"prod: 2 moves, score 70.0 → 72.0", "migrate name-v1 from h1 to h2", "h1 is &lt;hot&gt; &amp; busy",
		"h1: cpu utilisation 92 % → 71 %, memory utilisation 50 % → 40 %", "h2: cpu utilisation 0 % → 25 %",
		"about 12 s, guest stands still for 100 ms · priority 2 · gain +3.20 points", ids[0],
		"[Approve] [Reject] [Snooze] [Details]", "[Approve all 2] [Reject all 2]",
	} {
		if !strings.Contains(m.Shows(), want) {
			t.Errorf("the message lacks %q:\n%s", want, m.Shows())
		}
	}
	if !strings.Contains(m.Text, "migrate name-v1") {
		t.Errorf("a notification says %q", m.Text)
	}
	s.click(alice, "approve", ids[0])
	s.shows("running, 40 % copied, approved by slack:UALICE")
	s.replied("migrate name-v1 from h1 to h2: approved by slack:UALICE")
	close(arrives)
	s.replied("migrate name-v1 from h1 to h2: done, runs on h2, took")
	s.replied("measured")
	m = s.shows("measured: score")
	if got := s.world.where("v1"); got != "h2" {
		t.Errorf("v1 runs on %s", got)
	}
	if got := s.world.where("v2"); got != "h1" {
		t.Errorf("v2, which nobody approved, runs on %s", got)
	}
	words := s.world.entriesOf(cluster.EntryApproved)
	if len(words) != 1 || words[0].Approval.Who != "slack:UALICE" || words[0].Approval.Via != "slack" || words[0].Approval.At.IsZero() {
		t.Errorf("the journal holds %+v", words)
	}
	if replies := strings.Join(s.message().Replies, "\n"); strings.Count(replies, "approved by") != 1 || strings.Count(replies, ": done") != 1 ||
		!strings.Contains(replies, "h2 cpu utilisation: 25 % promised") || !strings.Contains(replies, "stood still for 50 ms of 100 ms predicted") {
		t.Errorf("the thread is\n%s", replies)
	}
	if n := m.Updates; n > 12 {
		t.Errorf("the message was updated %d times for one migration", n)
	}
	s.counts(`evenkeel_slack_clicks_total{result="accepted"}`, 1)
	s.counts("evenkeel_slack_messages_pending", 0)
	s.counts("evenkeel_slack_up", 1)
}

func TestAFailureIsToldWithItsReason(t *testing.T) {
	s := newStage(t, nil)
	s.world.with(func() { s.world.fails = errors.New("unable to connect to <h2>") })
	id := s.advise(time.Hour, "v1")[0]
	s.click(alice, "approve", id)
	s.shows(":x: failed")
	s.replied("unable to connect to &lt;h2&gt;")
}

func TestApproveAllApprovesWhatIsShown(t *testing.T) {
	s := newStage(t, nil)
	ids := s.advise(time.Hour, "v1", "v2", "v3")
	s.click(bob, "approve_all", strings.Join(ids, ","))
	for _, vm := range []string{"v1", "v2", "v3"} {
		s.eventually(vm+" on h2", func() bool { return s.world.where(vm) == "h2" })
	}
	if n := len(s.world.entriesOf(cluster.EntryApproved)); n != 3 {
		t.Errorf("%d approvals", n)
	}
}

func TestARejectionIsAskedForItsReason(t *testing.T) {
	s := newStage(t, nil)
	id := s.advise(time.Hour, "v1")[0]
	s.click(alice, "reject", id)
	s.eventually("a form", func() bool { return len(s.fake.Views()) == 1 })
	if got := s.state(id); got != cluster.CaseOpen {
		t.Fatalf("before the form is sent it is %s", got)
	}
	s.form("  it is <tested> until Friday ")
	s.shows("rejected by slack:UALICE")
	s.replied("it is &lt;tested&gt; until Friday")
	if e := s.world.entriesOf(cluster.EntryRejected); len(e) != 1 || e[0].Approval.Reason != "it is <tested> until Friday" {
		t.Errorf("the journal holds %+v", e)
	}
}

func TestARejectionCountsWithoutAFormToo(t *testing.T) {
	s := newStage(t, nil)
	s.fake.ExpireTriggers()
	ids := s.advise(time.Hour, "v1", "v2")
	s.click(alice, "reject_all", strings.Join(ids, ","))
	s.eventually("two rejections", func() bool { return len(s.world.entriesOf(cluster.EntryRejected)) == 2 })
	s.shows("rejected by slack:UALICE")
}

func TestAFormOfSomebodyElseDecidesNothing(t *testing.T) {
	s := newStage(t, nil)
	id := s.advise(time.Hour, "v1")[0]
	s.click(alice, "reject", id)
	s.eventually("a form", func() bool { return len(s.fake.Views()) == 1 })
	view := s.fake.Views()[0]
	view.User = mallory
	payload, err := view.Submission("reason", "reason", "because")
	if err == nil {
		err = s.fake.Send(payload)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.whispered(mallory, "you may not decide this")
	if got := s.state(id); got != cluster.CaseOpen {
		t.Errorf("it is %s", got)
	}
}

func TestSnoozePutsOff(t *testing.T) {
	s := newStage(t, func(s *stage) { s.o.SnoozeFor = 2 * time.Second })
	id := s.advise(time.Hour, "v1")[0]
	s.click(bob, "snooze", id)
	s.shows("snoozed by slack:UBOB until")
	s.replied("snoozed by slack:UBOB until")
	if c, err := s.desk.Case(id); err != nil || c.Snoozed == nil || time.Until(c.Snoozed.Until) > 2*time.Second {
		t.Errorf("it is %+v, %v", c, err)
	}
	s.shows("waits for approval")
}

func TestOnePersonIsOneInSlackAndElsewhere(t *testing.T) {
	s := newStage(t, func(s *stage) {
		s.two = []string{"quarantine"}
		s.o.Names = map[string]string{alice: "alice"}
	})
	id := s.advise(time.Hour, "v1")[0]
	s.click(alice, "approve", id)
	s.shows("alice said yes; it takes the yes of another person as well")
	s.replied("alice says yes; it takes the yes of another person as well")
	if _, err := s.desk.Approve(context.Background(), id, cluster.Approval{Who: "alice", Via: "api", At: time.Now()}); !errors.Is(err, actuator.ErrRefused) {
		t.Errorf("the same person by another way: %v", err)
	}
	s.click(bob, "approve", id)
	s.shows(":white_check_mark:")
}

func TestDetailsStandInTheThreadOnce(t *testing.T) {
	s := newStage(t, nil)
	id := s.advise(time.Hour, "v1")[0]
	s.click(mallory, "details", id) // looking is free
	s.replied("`sum(evenkeel_vm_cpu) by (host) &gt; 0`")
	s.replied("cpu_utilisation = 0.92 , limit 0.8")
	s.replied("h3 +1.50 points: it would be less even")
	s.replied("h4 not allowed, storage: it lacks nfs1")
	s.click(bob, "details", id)
	s.whispered(bob, "thread already")
	if n := len(s.message().Replies); n != 1 {
		t.Errorf("%d replies", n)
	}
}

func TestManyActionsFitOneMessage(t *testing.T) {
	var vms []string
	for i := range 60 {
		vms = append(vms, fmt.Sprintf("v%d", i))
	}
	s := newStage(t, nil)
	ids := s.advise(time.Hour, vms...)
	m := s.shows("45 actions more: `evenkeel recommendations` lists all")
	if !strings.Contains(m.Shows(), "[Approve these 15] [Reject these 15]") {
		t.Errorf("it shows\n%s", m.Shows())
	}
	if _, all, err := m.Button("approve_all", ""); err != nil || all.Value != strings.Join(ids[:15], ",") {
		t.Errorf("the button stands for %q, %v", all.Value, err)
	}
}

func TestWhatCannotWorkIsSaidAtTheStart(t *testing.T) {
	good := slack.Options{BotToken: "x", AppToken: "y", Channel: "C", Approvers: []string{"U"}}
	for want, change := range map[string]func(*slack.Options){
		"bot token":           func(o *slack.Options) { o.BotToken = "" },
		"channel":             func(o *slack.Options) { o.Channel = "" },
		"no click":            func(o *slack.Options) { o.AppToken = "" },
		"nobody may":          func(o *slack.Options) { o.Approvers = nil },
		"duration is negativ": func(o *slack.Options) { o.SnoozeFor = -1 },
	} {
		o := good
		change(&o)
		if _, err := slack.New(nil, o, nil, prometheus.NewRegistry()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestMetricsStartAtZero(t *testing.T) {
	s := newStage(t, nil)
	for name, want := range map[string]int{"evenkeel_slack_up": 1, "evenkeel_slack_messages_pending": 1, "evenkeel_slack_clicks_total": 5, "evenkeel_slack_requests_total": 21} {
		if n, err := testutil.GatherAndCount(s.reg, name); err != nil || n != want {
			t.Errorf("%s has %d series, want %d; %v", name, n, want, err)
		}
	}
	if problems, err := testutil.GatherAndLint(s.reg); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

func TestAMessageThatSomebodyDeletedIsPostedAnewWhereItMatters(t *testing.T) {
	s := newStage(t, nil)
	ids := s.advise(time.Hour, "v1", "v2")
	reject := func(id string) {
		if _, err := s.desk.Reject(id, cluster.Approval{Who: "carol", Via: "api", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	first := s.shows("waits for approval").TS
	s.fake.Delete(first)
	reject(ids[0])
	m := s.shows("rejected by carol")
	s.replied("rejected by carol")
	if m.TS == first || len(s.fake.Messages()) != 1 {
		t.Errorf("there are %d messages", len(s.fake.Messages()))
	}
	s.fake.Delete(m.TS)
	updates := s.fake.Calls("chat.update")
	reject(ids[1])
	s.eventually("an update that finds nothing", func() bool { return s.fake.Calls("chat.update") > updates })
	s.counts("evenkeel_slack_messages_pending", 0)
	if n := len(s.fake.Messages()); n != 0 {
		t.Errorf("what is over is posted again: %s", s.channel())
	}
}

func TestWhatTheDeskForgetsIsWithdrawn(t *testing.T) {
	s := newStage(t, nil)
	s.advise(time.Hour, "v1")
	s.message()
	s.world.with(func() { s.world.recs = nil })
	m := s.shows("withdrawn, it is not advised any longer")
	if _, _, err := m.Button("approve", ""); err == nil {
		t.Error("it can still be approved")
	}
}

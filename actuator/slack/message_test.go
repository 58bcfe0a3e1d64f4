package slack

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/actuator/memory"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"pgregory.net/rapid"
)

func at(minute int) time.Time { return time.Date(2026, 11, 24, 12, minute, 0, 0, time.UTC) }

func caseOf(state cluster.CaseState) cluster.Case {
	return cluster.Case{State: state, Updated: at(1), Recommendation: cluster.Recommendation{ID: "0123456789ab", Cluster: "prod", Made: at(0), Expires: at(30), Reason: "why",
		Action: cluster.Action{Kind: cluster.Migrate, VM: "v", Name: "web1", From: "h1", To: "h2"}, PredictedSeconds: 12}}
}

func TestEveryStateIsShown(t *testing.T) {
	word := &cluster.Approval{Who: "slack:al (U1)", At: at(1), Reason: "go <now>"}
	for state, want := range map[cluster.CaseState][2]string{
		cluster.CaseOpen:      {":raised_hand: waits for approval", "Approve Reject Snooze Details"},
		cluster.CaseApproved:  {"approved by slack:al (U1)", "Reject Details"},
		cluster.CaseRunning:   {"running, 25 % copied, approved by", "Details"},
		cluster.CaseDone:      {":white_check_mark: done, runs on h2, took 9.0 s of 12 s predicted", "Details"},
		cluster.CaseFailed:    {":x: failed, runs on h2, took 9.0 s of 12 s predicted: it broke &amp; burned", "Details"},
		cluster.CaseRefused:   {":no_entry: refused", "Details"},
		cluster.CaseRejected:  {"rejected by slack:al (U1) <!date^1795521660^{date_short_pretty} {time}|2026-11-24T12:01:00Z>: go &lt;now&gt;", "Details"},
		cluster.CaseExpired:   {"expired <!date", "Details"},
		cluster.CaseWithdrawn: {"withdrawn", "Details"},
		cluster.CaseUnknown:   {"nobody knows what came of it", "Details"},
	} {
		c := caseOf(state)
		c.Progress = cluster.Progress{TotalBytes: 100, RemainingBytes: 75}
		if state != cluster.CaseOpen {
			c.Approval = word
		}
		if !state.Pending() {
			c.Outcome = &cluster.Outcome{RunsOn: "h2", Started: at(1), Finished: at(1).Add(9 * time.Second), Reason: "it broke & burned"}
		}
		if got := describe(plan{}, c, at(2)); !strings.Contains(got, want[0]) {
			t.Errorf("%s: lacks %q:\n%s", state, want[0], got)
		}
		b, err := json.Marshal(buttons(c))
		if err != nil {
			t.Fatal(err)
		}
		var list []struct{ Text struct{ Text string } }
		if err := json.Unmarshal(b, &list); err != nil {
			t.Fatal(err)
		}
		labels := ""
		for _, one := range list {
			labels += " " + one.Text.Text
		}
		if strings.TrimSpace(labels) != want[1] {
			t.Errorf("%s: buttons%s, want %s", state, labels, want[1])
		}
	}
}

func TestWhatIsAskedForHasNoScore(t *testing.T) {
	c := caseOf(cluster.CaseWithdrawn)
	c.Recommendation.Policy, c.Recommendation.Action = "reset", cluster.Action{Kind: cluster.Reset, VM: "v", Name: "web1", From: "h1"}
	if got := describe(plan{}, c, at(2)); !strings.Contains(got, "withdrawn, it is not asked for any longer") || !strings.HasSuffix(got, "\npriority 0 · `0123456789ab`") {
		t.Error(got)
	}
	c.State = cluster.CaseRunning
	if got := standing(c, at(2)); got != ":arrow_forward: running" {
		t.Error(got)
	}
	c.State, c.Measured = cluster.CaseDone, &cluster.Measurement{}
	c.Outcome = &cluster.Outcome{Result: cluster.ResultDone, RunsOn: "h1", Started: at(1), Finished: at(1).Add(2 * time.Second)}
	if got := standing(c, at(2)); got != ":white_check_mark: done, runs on h1, took 2.0 s" {
		t.Error(got)
	}
	if list := repliesOf(c); len(list) != 1 {
		t.Errorf("%+v", list)
	}
	if got := title(plan{Cluster: "prod", Cases: []cluster.Case{c, c}}); got != "prod: 2 actions" {
		t.Error(got)
	}
	c.Recommendation.Run, c.Recommendation.Step = "abc", 3
	if got := title(plan{Cluster: "prod", Cases: []cluster.Case{c}}); got != "prod: reset web1 on h1, step 3 of the runbook's run abc" {
		t.Error(got)
	}
}

// TestAnyPlanFits holds Slack's limits against plans of any size and content.
func TestAnyPlanFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Just(strings.Repeat("<long> & ", 600)))
		p := plan{Cluster: text.Draw(t, "cluster"), Made: at(0)}
		for i := range rapid.IntRange(1, 80).Draw(t, "actions") {
			c := caseOf(cluster.CaseState(rapid.IntRange(0, 9).Draw(t, "state")))
			c.Recommendation.ID = fmt.Sprintf("%012x", i)
			c.Recommendation.Reason = text.Draw(t, "reason")
			c.Recommendation.Action.Name = text.Draw(t, "name")
			c.Approval = &cluster.Approval{Who: c.Recommendation.Reason, Reason: c.Recommendation.Reason}
			c.Verdicts = []cluster.Verdict{{Gate: "g", Detail: c.Recommendation.Reason}}
			c.Outcome = &cluster.Outcome{Reason: c.Recommendation.Reason}
			c.Measured = &cluster.Measurement{}
			p.Cases = append(p.Cases, c)
			if n := utf8.RuneCountInString(details(c)); n > maxReply {
				t.Fatalf("details of %d characters", n)
			}
		}
		for _, r := range replies(p) {
			if n := utf8.RuneCountInString(r.text); n > maxReply {
				t.Fatalf("a reply of %d characters", n)
			}
		}
		b, err := json.Marshal(draw(p, "https://console/", at(1)).Blocks)
		if err != nil {
			t.Fatal(err)
		}
		var blocks []struct {
			Type     string
			Text     struct{ Text string }
			Elements []struct {
				Text  json.RawMessage
				Value string
			}
		}
		if err := json.Unmarshal(b, &blocks); err != nil {
			t.Fatal(err)
		}
		all := 0
		for _, b := range blocks {
			n := utf8.RuneCountInString(b.Text.Text)
			all += n
			if n > maxSection || b.Type == "header" && n > maxHeader {
				t.Fatalf("a %s of %d characters", b.Type, n)
			}
			for _, e := range b.Elements {
				if len(e.Value) > 2000 {
					t.Fatalf("a value of %d bytes", len(e.Value))
				}
			}
		}
		if len(blocks) > 50 || all > 11000 {
			t.Fatalf("%d blocks with %d characters", len(blocks), all)
		}
	})
}

func TestCutting(t *testing.T) {
	for in, want := range map[string]string{"short": "short", "0123456789": "0123456789", "01234567890": "012345678…", "0123456&amp;x": "0123456…", "ä123456789€": "ä12345678…"} {
		if got := cut(in, 10); got != want {
			t.Errorf("cut(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTheMemoryForgetsWhatIsOld(t *testing.T) {
	s := newSeen(at(0))
	if !s.first("a", at(0)) || s.first("a", at(10)) {
		t.Error("a request counts twice within ten minutes")
	}
	if !s.first("b", at(12)) || !s.first("a", at(13)) || len(s.at) != 2 {
		t.Errorf("after the stamps are too old anyway, %d are still known", len(s.at))
	}
	s.forget("b")
	if !s.first("b", at(13)) {
		t.Error("what could not be taken may not come again")
	}
	if !s.before(at(0).Add(-time.Second)) || s.before(at(0)) {
		t.Error("the stamp of the start is not told from those before")
	}
}

func TestAPlanIsForgottenWhenNothingMoreCanCome(t *testing.T) {
	p := plan{Made: at(0)}
	p.see([]cluster.Case{caseOf(cluster.CaseOpen)}, at(1))
	if p.over(at(1).Add(keepQuiet)) || !p.over(at(2).Add(keepQuiet)) {
		t.Error("an open one is kept for another time than since it was last known")
	}
	p.see(nil, at(3))
	if p.Cases[0].State != cluster.CaseWithdrawn || !p.Known.Equal(at(1)) {
		t.Errorf("what the desk forgot is %s", p.Cases[0].State)
	}
	p.see([]cluster.Case{caseOf(cluster.CaseOpen)}, at(4))
	if p.Cases[0].State != cluster.CaseOpen || len(p.Cases) != 1 {
		t.Error("what the desk knows again is not open again")
	}
	done := caseOf(cluster.CaseDone)
	p.see([]cluster.Case{done}, at(5))
	if p.over(at(1).Add(keepQuiet)) || !p.over(at(2).Add(keepQuiet)) {
		t.Error("one that ended is kept for another time than since it ended")
	}
}

func TestTheBookIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slack.json")
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	b := openBook(memory.File(path), log)
	key := keyOf(caseOf(cluster.CaseOpen).Recommendation)
	b.note(key, func(p *plan) {
		p.Cluster, p.Made = "prod", at(0)
		p.see([]cluster.Case{caseOf(cluster.CaseOpen)}, at(0))
	})
	b.change(key, func(p *plan) { p.Channel, p.TS, p.Shown, p.Said = "C", "1.2", "abc", []string{"x"} })
	again := openBook(memory.File(path), log)
	got, ok := again.plan(key)
	if !ok || got.TS != "1.2" || got.Channel != "C" || got.Shown != "abc" || !slices.Equal(got.Said, []string{"x"}) || len(got.Cases) != 1 {
		t.Errorf("it is %+v", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("it leaves %v", left)
	}
}

func TestWaitingGrowsToAMinuteAndHeedsSlack(t *testing.T) {
	w := waiting{}
	var pauses []string
	for range 8 {
		w = w.failed(io.EOF, at(0), 2*time.Second)
		pauses = append(pauses, w.until.Sub(at(0)).String())
	}
	if got := strings.Join(pauses, " "); got != "2s 4s 8s 16s 32s 1m0s 1m0s 1m0s" {
		t.Error(got)
	}
}

func TestMereProgressIsNotShownAtEveryLook(t *testing.T) {
	s := idle(t)
	running := caseOf(cluster.CaseRunning)
	p := plan{Cases: []cluster.Case{running}}
	p.states, p.updated = p.stage(at(1)), at(1)
	_, p.Shown, _ = s.drawn(p, at(1))
	if _, _, changed := s.drawn(p, at(2)); changed {
		t.Error("without news it is sent")
	}
	running.Progress = cluster.Progress{TotalBytes: 100, RemainingBytes: 50}
	p.Cases = []cluster.Case{running}
	if _, _, changed := s.drawn(p, at(1).Add(progressEvery-time.Second)); changed {
		t.Error("progress is sent at once")
	}
	if _, _, changed := s.drawn(p, at(1).Add(progressEvery)); !changed {
		t.Error("progress is never sent")
	}
	p.Cases = []cluster.Case{caseOf(cluster.CaseFailed)}
	if _, _, changed := s.drawn(p, at(1)); !changed {
		t.Error("the end is not sent at once")
	}
}

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/test/slackfake"
)

const (
	alice   = "UALICE"
	mallory = "UMALLORY"
)

// slackConfig is a configuration that shows plans in the fake.
func slackConfig(t *testing.T, fake *slackfake.Fake, lines ...string) string {
	t.Helper()
	dir := t.TempDir()
	for name, secret := range map[string]string{"bot": slackfake.BotToken, "app": slackfake.AppToken} {
		writeFile(t, filepath.Join(dir, name), secret)
	}
	return config(append(lines, fmt.Sprintf("slack: {bot_token_file: %s/bot, app_token_file: %s/app, channel: %s, approvers: [{user: %s, name: alice}], api_url: %q}",
		dir, dir, slackfake.Channel, alice, fake.URL()))...)
}

// shows waits until the channel's only message holds the text.
func shows(t *testing.T, fake *slackfake.Fake, within time.Duration, text string) {
	t.Helper()
	eventually(t, within, "the message with "+text, func() error {
		all := ""
		for _, m := range fake.Messages() {
			all += m.Shows() + strings.Join(m.Replies, "\n")
		}
		if !strings.Contains(all, text) {
			return fmt.Errorf("it shows %s", all)
		}
		return nil
	})
}

// whispered waits until the user is told the text.
func whispered(t *testing.T, fake *slackfake.Fake, user, text string) {
	t.Helper()
	eventually(t, 20*time.Second, "a word to "+user, func() error {
		for _, w := range fake.Whispers() {
			if w.User == user && strings.Contains(w.Text, text) {
				return nil
			}
		}
		return fmt.Errorf("told are %+v", fake.Whispers())
	})
}

// A person sees the plan in Slack and approves it there; strangers may not, and a pause holds whatever is clicked. What was
// promised is measured, and all of it stands in a journal whose hashes hold.
func TestAClickInSlackMovesAVM(t *testing.T) {
	home(t)
	exporters(t)
	fake := slackfake.Start()
	defer fake.Close()
	s := server(t, slackConfig(t, fake))
	c := s.open()[0]
	id, vm := c.Recommendation.ID, c.Recommendation.Action.Name
	shows(t, fake, 20*time.Second, "waits for approval")

	if err := fake.Click(mallory, "approve", id); err != nil {
		t.Fatal(err)
	}
	whispered(t, fake, mallory, "you may not decide this")
	if out := mustCLI(t, s, "pause", "--vm", vm, "--reason", "backup at night"); !strings.Contains(out, "paused vm/") {
		t.Errorf("pause says %s", out)
	}
	if err := fake.Click(alice, "approve", id); err != nil {
		t.Fatal(err)
	}
	whispered(t, fake, alice, "paused")
	if out := mustCLI(t, s, "gates", id); !strings.Contains(out, "[NO]  pause") || !strings.Contains(out, "[NO]  approval") || !strings.Contains(out, "2 of 20 gates refuse") {
		t.Errorf("the gates say %s", out)
	}
	if out := mustCLI(t, s, "status"); !strings.Contains(out, "paused: vm/") || !strings.Contains(out, "backup at night") {
		t.Errorf("the status says %s", out)
	}
	mustCLI(t, s, "resume", "--vm", vm)
	if err := fake.Click(alice, "approve", id); err != nil {
		t.Fatal(err)
	}
	got := s.ended(id, time.Minute)
	if got.State != cluster.CaseDone || got.Approval.Who != "alice" || got.Approval.Via != "slack" {
		t.Fatalf("it is %s, approved by %+v: %+v", got.State, got.Approval, got.Outcome)
	}
	wantOn(t, vm, got.Recommendation.Action.To)
	shows(t, fake, 20*time.Second, "approved by alice")
	shows(t, fake, time.Minute, "promised")

	effects := decode[api.Effects](t, mustCLI(t, s, "effects", "-o", "json"))
	if effects.Of != 1 || effects.Promises[0].ID != id || !effects.Promises[0].UtilisationError.Known {
		t.Errorf("the ledger holds %+v", effects)
	}
	if out := mustCLI(t, s, "history", "--verify"); !strings.Contains(out, "none changed") {
		t.Errorf("the journal: %s", out)
	}
	if n := s.metric(`evenkeel_slack_clicks_total{result="unauthorised"}`); n != "1" {
		t.Errorf("%s strangers' clicks are counted", n)
	}
}

// A host is put into maintenance by a word, emptied, kept empty, and let back.
func TestMaintenanceByOrderEmptiesAHost(t *testing.T) {
	home(t)
	exporters(t)
	s := server(t, config("automation: {level: manual}"))
	s.open()
	out, err := s.cli("maintenance", "enter", "host1", "--wait", "2m", "--reason", "new memory")
	if err != nil || !strings.Contains(out, "host1 is empty") {
		board, _ := s.client.Board(ctx())
		t.Fatalf("%v: %s; %s", err, out, board.Plan.StoppedBecause)
	}
	for vm := range guests() {
		if on := running(vm); len(on) != 1 || on[0] == "host1" {
			t.Errorf("%s runs on %v", vm, on)
		}
	}
	if out := mustCLI(t, s, "status"); !strings.Contains(out, "in maintenance: host/host1") {
		t.Errorf("the status says %s", out)
	}
	mustCLI(t, s, "maintenance", "exit", "host1")
	eventually(t, 20*time.Second, "the end of maintenance", func() error {
		board, err := s.client.Board(ctx())
		if h, _ := board.Snapshot.Host("host1"); err == nil && h.State != cluster.HostUp {
			err = fmt.Errorf("it is %s", h.State)
		}
		return err
	})
	if out, err := s.cli("maintenance", "exit", "host1"); err == nil || !strings.Contains(out, "no order") {
		t.Errorf("once more: %v %s", err, out)
	}
}

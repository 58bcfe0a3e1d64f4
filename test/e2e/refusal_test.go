package e2e

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// slowBoard looks rarely, so that advice stands still while the world changes under it; an hour ago there was
// nothing, so nothing needs to hold.
const slowBoard = "analysis: {interval: 1h, window: 8s, max_data_age: 4s}\nstability: {hold_rounds: 1}"

// seasoned starts a server whose Prometheus has seen the cluster for a whole window, and which then
// looks once: its advice stays on the board whatever happens.
func seasoned(t *testing.T) *instance {
	t.Helper()
	s := server(t, config())
	s.open()
	s.end(syscall.SIGTERM)
	file := strings.TrimPrefix(s.args[1], "--config.file=")
	writeFile(t, file, config(slowBoard))
	s.start()
	if len(s.open()) == 0 {
		t.Fatal("nothing is advised")
	}
	return s
}

// refused checks that an approval is refused for the reason and that nothing was moved.
func refused(t *testing.T, s *instance, c cluster.Case, gate, text string) {
	t.Helper()
	before := running(c.Recommendation.Action.Name)
	_, err := s.client.Approve(ctx(), c.Recommendation.ID, "")
	var r *api.RefusedError
	if !errors.As(err, &r) || !strings.Contains(r.Error(), text) {
		t.Fatalf("the approval gives %v, want a refusal with %q", err, text)
	}
	if gate != "" {
		found := false
		for _, v := range r.Problem.Case.Verdicts {
			found = found || v.Gate == gate && !v.Pass
		}
		if !found {
			t.Errorf("gate %s does not refuse: %+v", gate, r.Problem.Case.Verdicts)
		}
	}
	time.Sleep(2 * time.Second)
	if after := running(c.Recommendation.Action.Name); strings.Join(before, ",") != strings.Join(after, ",") {
		t.Errorf("the VM ran on %v and runs on %v", before, after)
	}
	if n := s.metric(`evenkeel_actions_total{kind="migrate",result="done"}`); n != "0" {
		t.Errorf("%s actions were done", n)
	}
}

func TestApprovingTwiceActsOnce(t *testing.T) {
	xenSoon()
	home(t)
	exporters(t)
	s := server(t, config())
	c := s.open()[0]
	if err := s.approve(c.Recommendation.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.approve(c.Recommendation.ID); err == nil || !strings.Contains(err.Error(), "it was approved by operator") {
		t.Errorf("the second approval gives %v", err)
	}
	if got := s.ended(c.Recommendation.ID, time.Minute); got.State != cluster.CaseDone {
		t.Errorf("it ended as %s: %+v", got.State, got.Outcome)
	}
	if err := s.approve(c.Recommendation.ID); err == nil || !strings.Contains(err.Error(), "is done") {
		t.Errorf("the approval of what is done gives %v", err)
	}
	if n := s.metric(`evenkeel_actions_total{kind="migrate",result="done"}`); n != "1" {
		t.Errorf("%s actions were done", n)
	}
}

func TestApprovingAfterExpiryIsRefused(t *testing.T) {
	home(t)
	exporters(t)
	s := server(t, config("analysis: {interval: 1s, window: 8s, max_data_age: 4s, recommendation_lifetime: 3s}"))
	c := s.open()[0]
	time.Sleep(time.Until(c.Recommendation.Expires) + 100*time.Millisecond)
	refused(t, s, c, "", "expired at")
}

func TestApprovingWhatSomebodyMovedByHandIsRefused(t *testing.T) {
	home(t)
	exporters(t)
	s := seasoned(t)
	c := s.open()[0]
	a := c.Recommendation.Action
	third := map[string]string{"host2": "host3", "host3": "host2"}[a.To]
	move(t, a.Name, a.From, third)
	refused(t, s, c, "world", third)
}

func TestApprovingWhileTheTargetIsDownIsRefused(t *testing.T) {
	home(t)
	exporters(t)
	s := seasoned(t)
	c := s.open()[0]
	lab(t, "kill", c.Recommendation.Action.To)
	defer lab(t, "revive", c.Recommendation.Action.To)
	refused(t, s, c, "world", c.Recommendation.Action.To+" does not answer")
}

func TestApprovingOnOldDataIsRefused(t *testing.T) {
	home(t)
	list := exporters(t)
	s := seasoned(t)
	c := s.open()[0]
	list[0].end(syscall.SIGTERM)
	time.Sleep(5 * time.Second)
	refused(t, s, c, "freshness", "host/host1")
}

func TestARejectionIsKept(t *testing.T) {
	home(t)
	exporters(t)
	s := seasoned(t)
	c := s.open()[0]
	if out, err := s.cli("reject", c.Recommendation.ID, "--reason", "not today"); err != nil {
		t.Fatal(err, out)
	}
	refused(t, s, c, "", "it was rejected by operator")
	s.end(syscall.SIGTERM)
	s.start()
	if out := mustCLI(t, s, "history"); !strings.Contains(out, "not today") {
		t.Errorf("after a restart the history says %s", out)
	}
}

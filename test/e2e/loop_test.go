package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// The loop that everything is about: a crowded host is found, explained, relieved on approval, and
// the effect is measured; and then there is silence.
func TestTheWholeLoop(t *testing.T) {
	home(t)
	exporters(t)
	// At the usual threshold the second move is worth just about what it must be, now a little more and now a little less.
	s := server(t, config("analysis: {interval: 1s, window: 8s, max_data_age: 4s, migration_threshold: 4}"))
	open := s.open()
	adviceOfThen(t, s)

	board, err := s.client.Board(ctx())
	if err != nil {
		t.Fatal(err)
	}
	// The machine's clock or its VMs may be found to be something else as well.
	because := open[0].Recommendation.Because
	if len(because) == 0 || !slices.ContainsFunc(because, func(f cluster.Finding) bool { return f.Detector == "imbalance" && f.Subject == "host/host1" }) {
		t.Fatalf("advised because of %+v, found: %+v", because, board.Findings)
	}
	if e := because[0].Evidence; len(e) == 0 || !e[0].Limit.Known || !strings.Contains(e[0].Query, "evenkeel_vm_cpu_seconds_total") {
		t.Errorf("evidence without limit or PromQL: %+v", e)
	}
	out, err := s.cli("where", "e2e-a")
	if err != nil || !strings.Contains(out, "host1") {
		t.Errorf("where says %v %s", err, out)
	}
	if _, err := s.stranger.Approve(ctx(), open[0].Recommendation.ID, ""); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("a stranger's approval gives %v", err)
	}

	var approved []string
	for _, c := range open {
		if err := s.approve(c.Recommendation.ID); err != nil {
			t.Fatalf("approve %s: %v", c.Recommendation.Action, err)
		}
		approved = append(approved, c.Recommendation.ID)
	}
	for _, id := range approved {
		c := s.ended(id, 60*time.Second)
		if c.State != cluster.CaseDone || c.Outcome.RunsOn != c.Recommendation.Action.To || c.Outcome.Job.TransferredBytes == 0 {
			t.Errorf("%s ended as %s: %+v", id, c.State, c.Outcome)
		}
		wantOn(t, c.Recommendation.Action.Name, c.Recommendation.Action.To)
	}
	if n := s.metric(`evenkeel_actions_total{kind="migrate",result="done"}`); n != fmt.Sprint(len(approved)) {
		t.Errorf("the metrics count %s done actions, want %d", n, len(approved))
	}
	if n := s.metric(`evenkeel_actions_total{kind="migrate",result="failed"}`); n != "0" {
		t.Errorf("the metrics count %s failed actions", n)
	}
	for _, id := range approved {
		eventually(t, 40*time.Second, "the measurement of "+id, func() error {
			c, err := s.client.Recommendation(ctx(), id)
			if err == nil && c.Measured == nil {
				err = fmt.Errorf("not measured yet")
			}
			return err
		})
	}
	after := s.await(approved[0], cluster.CaseDone, time.Second)
	if m := after.Measured; m.Cluster.Score <= after.Recommendation.Before.Score {
		t.Errorf("the score was %v and is measured as %v", after.Recommendation.Before.Score, m.Cluster.Score)
	}
	silence(t, s)
	for _, format := range []string{"table", "json"} {
		if out, err := s.cli("history", "-o", format); err != nil || !strings.Contains(out, approved[0]) || !strings.Contains(out, "operator") {
			t.Errorf("history as %s: %v %s", format, err, out)
		}
	}
	past := decode[[]api.Place](t, mustCLI(t, s, "where", "e2e-a", "--at", board.Snapshot.At.Format(time.RFC3339), "-o", "json"))
	if len(past) != 1 || past[0].Host != "host1" {
		t.Errorf("before the move e2e-a was on host1, the map says %+v", past)
	}
}

// silence checks that several passes in a row advise nothing more.
func silence(t *testing.T, s *instance) {
	t.Helper()
	for range 5 {
		p := decode[plan.Plan](t, mustCLI(t, s, "plan", "-o", "json"))
		if len(p.Actions) > 0 {
			t.Errorf("after the plan it wants more: %+v", p.Actions)
		}
		time.Sleep(time.Second)
	}
	if open, err := s.client.Recommendations(ctx(), "open"); err != nil || len(open) > 0 {
		t.Errorf("still open: %v %+v", err, open)
	}
}

func mustCLI(t *testing.T, s *instance, args ...string) string {
	t.Helper()
	out, err := s.cli(args...)
	if err != nil {
		t.Fatalf("evenkeel %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

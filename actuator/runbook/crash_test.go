package runbook_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/runbook"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// The law: wherever the server is killed, between any two writes of the journal, a restart proposes no step twice, does nothing
// twice and brings the run to an end.
func TestLawAKillRepeatsNothingAndForgetsNothing(t *testing.T) {
	book := down(runbook.Step{Kind: runbook.Restart}, runbook.Step{Kind: runbook.Notify, Text: "started"}, runbook.Step{Kind: runbook.Reset}, runbook.Step{Kind: runbook.Wait, Text: "ok", Timeout: time.Minute})
	points := 0
	for left := 1; ; left++ {
		whole := false
		scene(t, cluster.LevelFull, book, func(s *stage) {
			s.with(func() { s.left, s.holds["ok"] = left, true })
			told := []string{alert("firing", "VMDown", "v1", time.Now())}
			status := s.send(0, told...)
			time.Sleep(time.Minute)
			s.with(func() { whole = !s.dead })
			s.restart(book)
			if status != 200 {
				s.accepted(told...)
			}
			time.Sleep(2 * time.Minute)
			s.accepted(told...)
			time.Sleep(2 * time.Minute)
			examine(t, left, s)
		})
		if whole {
			break
		}
		points++
	}
	if points < 10 {
		t.Errorf("only %d points were tried", points)
	}
}

// examine looks at what is left after a kill. Where an intent was written and the hypervisors were not told any more, the action
// has failed, and the run with it.
func examine(t *testing.T, left int, s *stage) {
	t.Helper()
	run := s.only()
	if run.State != cluster.RunDone && run.State != cluster.RunFailed {
		t.Errorf("killed after %d: the run is %s", left, run.State)
	}
	if run.State == cluster.RunDone && s.done() != "start v1, reset v1" || strings.Count(s.done(), "start") > 1 || strings.Count(s.done(), "reset") > 1 {
		t.Errorf("killed after %d: the run is %s, and %s was done", left, run.State, s.done())
	}
	proposed, intended := map[string]int{}, map[string]bool{}
	for _, e := range s.entries {
		if e.Kind == cluster.EntryProposed {
			proposed[fmt.Sprint(e.Recommendation.Step)]++
		}
		intended[e.ID] = intended[e.ID] || e.Kind == cluster.EntryIntent
	}
	for step, n := range proposed {
		if n > 1 {
			t.Errorf("killed after %d: step %s is proposed %d times", left, step, n)
		}
	}
	if run.State == cluster.RunFailed {
		if last := run.Steps[len(run.Steps)-1]; !intended[last.Recommendation] {
			t.Errorf("killed after %d: it failed without an action that was under way: %+v", left, run)
		}
	}
}

func TestAConditionGoesOnAfterARestart(t *testing.T) {
	book := down(runbook.Step{Kind: runbook.Wait, Text: "ok", For: 10 * time.Second, Timeout: time.Minute})
	scene(t, cluster.LevelFull, book, func(s *stage) {
		s.with(func() { s.holds["ok"] = false })
		s.accepted(alert("firing", "VMDown", "v1", time.Now()))
		time.Sleep(50 * time.Second)
		s.restart(book)
		time.Sleep(30 * time.Second)
		if run := s.only(); run.State != cluster.RunFailed || len(run.Steps) != 1 {
			t.Errorf("the time begins anew with each restart: %+v", run)
		}
	})
}

func TestAChangedRunbookIsNotGoneOnWith(t *testing.T) {
	scene(t, cluster.LevelManual, down(), func(s *stage) {
		s.accepted(alert("firing", "VMDown", "v1", time.Now()))
		time.Sleep(10 * time.Second)
		s.restart(down(runbook.Step{Kind: runbook.Reset}))
		time.Sleep(10 * time.Second)
		if run := s.only(); run.State != cluster.RunFailed || s.open() != "" || !strings.Contains(run.Reason, "was changed or taken away") {
			t.Errorf("%+v", run)
		}
	})
}

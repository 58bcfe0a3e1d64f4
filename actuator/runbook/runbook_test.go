package runbook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/runbook"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func TestAnAlertRestartsAVM(t *testing.T) {
	scene(t, cluster.LevelFull, down(), func(s *stage) {
		s.with(func() { s.holds[`up{vm="v1"}`] = true })
		since := time.Now()
		s.accepted(alert("firing", "VMDown", "v1", since, "host", "h1", "name", "name-v1"), alert("firing", "Other", "v2", since))
		time.Sleep(time.Minute)
		run := s.only()
		if run.State != cluster.RunDone || run.VM != "v1" || run.Name != "name-v1" || run.Host != "h1" || len(run.Steps) != 3 || s.done() != "start v1" {
			t.Errorf("%+v, done: %s", run, s.done())
		}
		if s.heard() != "name-v1 (v1) runs on h1 again" {
			t.Errorf("people heard %q", s.heard())
		}
		c, err := s.desk.Case(run.Steps[0].Recommendation)
		if err != nil || c.Recommendation.Run != run.ID || c.Recommendation.Step != 1 || !strings.Contains(c.Recommendation.Reason, "runbook down, step 1 of 3: alert VMDown") {
			t.Errorf("%v %+v", err, c.Recommendation)
		}
		// Told again, by another Alertmanager and after a restart, it begins nothing anew.
		s.accepted(alert("firing", "VMDown", "v1", since, "host", "h1", "name", "name-v1"))
		s.restart(down())
		s.accepted(alert("firing", "VMDown", "v1", since, "name", "name-v1", "host", "h1"))
		time.Sleep(time.Minute)
		s.only()
		// Over and begun anew it is another alert.
		s.accepted(alert("resolved", "VMDown", "v1", since, "name", "name-v1", "host", "h1"))
		s.with(func() { s.vms["v1"].State = cluster.VMShutoff })
		s.accepted(alert("firing", "VMDown", "v1", time.Now(), "name", "name-v1", "host", "h1"))
		time.Sleep(time.Minute)
		if s.states() != "done done" || s.done() != "start v1, start v1" {
			t.Errorf("%s; done: %s", s.states(), s.done())
		}
		s.metric("# HELP evenkeel_runbook_runs_under_way Runs of runbooks that are not over, those that wait for their turn included.\n# TYPE evenkeel_runbook_runs_under_way gauge\nevenkeel_runbook_runs_under_way{runbook=\"down\"} 0\n")
		s.metric(`# HELP evenkeel_runbook_runs_total Runs of runbooks that are over, by how they ended.
# TYPE evenkeel_runbook_runs_total counter
evenkeel_runbook_runs_total{result="done",runbook="down"} 1
evenkeel_runbook_runs_total{result="ended",runbook="down"} 0
evenkeel_runbook_runs_total{result="failed",runbook="down"} 0
evenkeel_runbook_runs_total{result="refused",runbook="down"} 0
`)
	})
}

func TestAStepWaitsForAPersonsWord(t *testing.T) {
	scene(t, cluster.LevelManual, down(runbook.Step{Kind: runbook.Restart}), func(s *stage) {
		s.accepted(alert("firing", "VMDown", "v1", time.Now()))
		time.Sleep(time.Minute)
		if s.states() != "running" || s.done() != "" || s.open() == "" {
			t.Fatalf("%s; done: %s", s.states(), s.done())
		}
		s.approve()
		time.Sleep(time.Minute)
		if s.states() != "done" || s.done() != "start v1" {
			t.Errorf("%s; done: %s", s.states(), s.done())
		}
	})
}

func TestWhatIsNotDoneEndsTheRun(t *testing.T) {
	for name, c := range map[string]struct {
		what func(s *stage)
		want string
	}{
		"rejected": {func(s *stage) {
			_, err := s.desk.Reject(s.open(), cluster.Approval{Who: "bob", At: time.Now(), Reason: "it is being looked at"})
			if err != nil {
				s.t.Error(err)
			}
		}, "start name-v1 on h1 was rejected by bob: it is being looked at"},
		"nobody said anything": {func(*stage) { time.Sleep(20 * time.Minute) }, "start name-v1 on h1 was not approved in time"},
		"withdrawn":            {func(s *stage) { _ = s.desk.Withdraw(s.open()) }, "start name-v1 on h1 is withdrawn"},
		"failed": {func(s *stage) {
			s.with(func() { s.broken = true })
			s.approve()
			time.Sleep(2 * time.Minute)
		}, "start name-v1 on h1 failed: it does not start"},
		"the runbook was changed": {func(s *stage) { _ = s.room.Configure([]runbook.Runbook{down()}, secret) }, "the runbook down was changed or taken away since the run began"},
	} {
		t.Run(name, func(t *testing.T) {
			steps := []runbook.Step{{Kind: runbook.Restart}, {Kind: runbook.Notify, Text: "never"}}
			scene(t, cluster.LevelManual, down(steps...), func(s *stage) {
				s.accepted(alert("firing", "VMDown", "v1", time.Now()))
				time.Sleep(10 * time.Second)
				c.what(s)
				time.Sleep(time.Minute)
				run := s.only()
				if run.State != cluster.RunFailed || !strings.Contains(run.Reason, c.want) || len(run.Steps) != 1 || s.done() != "" || s.open() != "" {
					t.Errorf("%+v; done: %s", run, s.done())
				}
				if heard := s.heard(); !strings.Contains(heard, "runbook down about VMDown (name-v1 on h1) failed at step 1 (restart): ") || !strings.Contains(heard, c.want) || strings.Contains(heard, "never") {
					t.Errorf("people heard %q", heard)
				}
			})
		})
	}
}

func TestTheIdentityGuard(t *testing.T) {
	begin := func(s *stage, labels ...string) { s.accepted(alert("firing", "VMDown", "v1", time.Now(), labels...)) }
	for name, c := range map[string]struct {
		play func(s *stage)
		want string
	}{
		"another name": {func(s *stage) { begin(s, "name", "db1") }, `the alert calls the VM "db1", and it is called "name-v1"`},
		"another host": {func(s *stage) { begin(s, "host", "h2") }, "the alert has the VM on h2, and it is on h1"},
		"no such VM":   {func(s *stage) { s.accepted(alert("firing", "VMDown", "v77", time.Now())) }, "no VM has that UUID"},
		"renamed before the step": {func(s *stage) {
			begin(s)
			time.Sleep(30 * time.Second) // the first step, which waits
			s.with(func() { s.vms["v1"].Name = "db1"; s.holds["go"] = true })
		}, `the VM v1 was called "name-v1" when the run began, and is called "db1" now`},
		"moved before the step": {func(s *stage) {
			begin(s)
			time.Sleep(30 * time.Second)
			s.with(func() { s.vms["v1"].Host = "h2"; s.holds["go"] = true })
		}, "name-v1 was on h1 when the run began, and is on h2 now"},
		"gone before the step": {func(s *stage) {
			begin(s)
			time.Sleep(30 * time.Second)
			s.with(func() { delete(s.vms, "v1"); s.holds["go"] = true })
		}, "is not there any more"},
	} {
		t.Run(name, func(t *testing.T) {
			steps := []runbook.Step{{Kind: runbook.Wait, Text: "go", Timeout: time.Minute}, {Kind: runbook.Restart}}
			scene(t, cluster.LevelFull, down(steps...), func(s *stage) {
				s.with(func() { s.holds["go"] = false })
				c.play(s)
				time.Sleep(2 * time.Minute)
				if run := s.only(); run.State != cluster.RunFailed || !strings.Contains(run.Reason, c.want) || s.done() != "" {
					t.Errorf("%+v; done: %s", run, s.done())
				}
				if !strings.Contains(s.heard(), c.want) {
					t.Errorf("people heard %q", s.heard())
				}
			})
		})
	}
	scene(t, cluster.LevelFull, down(), func(s *stage) {
		s.accepted(alert("firing", "VMDown", "", time.Now(), "name", "name-v1"))
		if run := s.only(); run.State != cluster.RunRefused || !strings.Contains(run.Reason, "step 1 (restart) is done to a VM, and the alert has no label vm with its UUID") {
			t.Errorf("%+v", run)
		}
	})
}

func TestTheBlastRadius(t *testing.T) {
	firing := func(from, to int) (list []string) {
		for i := from; i <= to; i++ {
			list = append(list, alert("firing", "VMDown", fmt.Sprintf("v%d", i), time.Now()))
		}
		return list
	}
	restart := down(runbook.Step{Kind: runbook.Restart})
	t.Run("too many in one notification", func(t *testing.T) {
		scene(t, cluster.LevelFull, restart, func(s *stage) {
			all := firing(1, 4)
			s.accepted(all...)
			time.Sleep(time.Minute)
			s.restart(restart)
			s.accepted(all...) // told again, also when some of them are over
			s.accepted(all[0])
			time.Sleep(time.Minute)
			if s.states() != "refused refused refused refused" || s.done() != "" {
				t.Errorf("%s; done: %s", s.states(), s.done())
			}
			if heard := s.heard(); strings.Count(heard, "4 alerts match at once, and with more than 3") != 1 {
				t.Errorf("people heard %q", heard)
			}
		})
	})
	t.Run("too many left out", func(t *testing.T) {
		scene(t, cluster.LevelFull, restart, func(s *stage) {
			s.send(40, firing(1, 1)...)
			time.Sleep(time.Minute)
			if s.states() != "refused" || s.done() != "" {
				t.Errorf("%s; done: %s", s.states(), s.done())
			}
			// The group is told anew without the others.
			s.accepted(firing(2, 2)...)
			time.Sleep(time.Minute)
			if s.states() != "refused done" {
				t.Errorf("%s; done: %s", s.states(), s.done())
			}
		})
	})
	t.Run("too many one by one", func(t *testing.T) {
		scene(t, cluster.LevelManual, restart, func(s *stage) {
			for i := range 3 {
				s.accepted(firing(i+1, i+1)...)
			}
			time.Sleep(10 * time.Second)
			if s.states() != "running running running" || s.open() == "" {
				t.Fatal(s.states())
			}
			s.restart(restart) // what fires is known after a restart too
			s.accepted(firing(4, 4)...)
			time.Sleep(time.Minute)
			if got := s.states(); strings.Count(got, "refused") != 3 || strings.Count(got, "failed") != 1 || s.open() != "" || s.done() != "" {
				t.Errorf("%s; done: %s", got, s.done())
			}
		})
	})
	t.Run("one at once", func(t *testing.T) {
		scene(t, cluster.LevelManual, restart, func(s *stage) {
			s.accepted(firing(1, 2)...)
			time.Sleep(10 * time.Second)
			if n := len(s.desk.List(func(c cluster.Case) bool { return c.State == cluster.CaseOpen })); n != 1 {
				t.Fatalf("%d are proposed", n)
			}
			s.approve()
			time.Sleep(10 * time.Second)
			s.approve()
			time.Sleep(10 * time.Second)
			if s.states() != "done done" {
				t.Error(s.states())
			}
		})
	})
	t.Run("per hour", func(t *testing.T) {
		book := restart
		book.PerHour = 2
		scene(t, cluster.LevelFull, book, func(s *stage) {
			s.accepted(firing(1, 3)...)
			time.Sleep(2 * time.Hour)
			s.accepted(firing(4, 4)...)
			time.Sleep(time.Minute)
			if got := s.states(); strings.Count(got, "done") != 2 || strings.Count(got, "refused") != 2 {
				t.Error(got) // the fourth is one too many at once, as three are not over
			}
			if !strings.Contains(s.heard(), "2 runs began within the hour") {
				t.Error(s.heard())
			}
		})
	})
	t.Run("what is not told again is over", func(t *testing.T) {
		scene(t, cluster.LevelFull, restart, func(s *stage) {
			s.accepted(firing(1, 3)...)
			time.Sleep(7 * time.Hour)
			s.accepted(firing(4, 6)...)
			time.Sleep(time.Minute)
			if s.states() != "done done done done done done" {
				t.Error(s.states())
			}
		})
	})
}

func TestADryRunChangesNothing(t *testing.T) {
	book := down()
	book.DryRun = true
	scene(t, cluster.LevelManual, book, func(s *stage) {
		s.with(func() { s.holds[`up{vm="v1"}`] = false })
		s.accepted(alert("firing", "VMDown", "v1", time.Now()))
		time.Sleep(time.Minute)
		run := s.only()
		if run.State != cluster.RunDone || !run.DryRun || len(run.Steps) != 3 || s.done() != "" || s.heard() != "" || s.open() != "" {
			t.Fatalf("%+v; done: %s, heard: %s", run, s.done(), s.heard())
		}
		for i, want := range []string{"would start name-v1 on h1; gates that refuse now: approval: nobody has approved", `would wait for up{vm="v1"}, which does not hold now`, "would tell: name-v1 (v1) runs on h1 again"} {
			if !strings.Contains(run.Steps[i].Result, want) {
				t.Errorf("step %d: %s", i+1, run.Steps[i].Result)
			}
		}
	})
}

func TestAnAlertThatIsOver(t *testing.T) {
	t.Run("while a step waits for a word", func(t *testing.T) {
		scene(t, cluster.LevelManual, down(), func(s *stage) {
			since := time.Now()
			s.accepted(alert("firing", "VMDown", "v1", since))
			time.Sleep(10 * time.Second)
			s.accepted(alert("resolved", "VMDown", "v1", since))
			time.Sleep(10 * time.Second)
			if run := s.only(); run.State != cluster.RunEnded || s.open() != "" || s.heard() != "" || !strings.Contains(run.Reason, "resolved at") {
				t.Errorf("%+v, heard: %s", run, s.heard())
			}
			s.accepted(alert("firing", "VMDown", "v1", since)) // late
			time.Sleep(10 * time.Second)
			s.only()
		})
	})
	t.Run("before anything was told of it", func(t *testing.T) {
		scene(t, cluster.LevelFull, down(), func(s *stage) {
			since := time.Now()
			s.accepted(alert("resolved", "VMDown", "v1", since))
			s.accepted(alert("firing", "VMDown", "v1", since))
			time.Sleep(10 * time.Second)
			if runs := s.room.Runs(); len(runs) != 0 {
				t.Errorf("%+v", runs)
			}
		})
	})
	t.Run("because of what was done", func(t *testing.T) {
		book := down()
		book.Steps = append(book.Steps, runbook.Step{Kind: runbook.Reset}, runbook.Step{Kind: runbook.Notify, Text: "never"})
		scene(t, cluster.LevelFull, book, func(s *stage) {
			s.with(func() { s.holds[`up{vm="v1"}`] = false })
			since := time.Now()
			s.accepted(alert("firing", "VMDown", "v1", since))
			time.Sleep(30 * time.Second)
			s.accepted(alert("resolved", "VMDown", "v1", since))
			s.with(func() { s.holds[`up{vm="v1"}`] = true })
			time.Sleep(time.Minute)
			if run := s.only(); run.State != cluster.RunEnded || len(run.Steps) != 3 || s.done() != "start v1" || s.heard() != "name-v1 (v1) runs on h1 again" {
				t.Errorf("%+v; done: %s, heard: %s", run, s.done(), s.heard())
			}
		})
	})
}

func TestAConditionThatIsNotMet(t *testing.T) {
	scene(t, cluster.LevelFull, down(), func(s *stage) { // Prometheus hangs
		s.accepted(alert("firing", "VMDown", "v1", time.Now()))
		time.Sleep(5 * time.Minute)
		if run := s.only(); run.State != cluster.RunFailed || !strings.Contains(run.Reason, `not met within 1m0s: up{vm="v1"}; the last answer: context deadline exceeded`) {
			t.Errorf("%+v", run)
		}
	})
	wait := runbook.Step{Kind: runbook.Wait, Text: `up{vm="{{.vm}}", x='{{.x}}'}`, For: 5 * time.Second, Timeout: time.Minute}
	scene(t, cluster.LevelFull, down(wait), func(s *stage) {
		hostile := `up{vm="v1", x='\x27} or vector(1)\\ \x22'}`
		s.with(func() { s.holds[hostile] = true })
		s.accepted(alert("firing", "VMDown", "v1", time.Now(), "x", `'} or vector(1)\ "`))
		time.Sleep(4 * time.Second)
		s.with(func() { s.holds[hostile] = false })
		time.Sleep(4 * time.Second)
		if s.states() != "running" {
			t.Errorf("it does not wait until the condition has held: %s, asked %q", s.states(), s.asked[0])
		}
		s.with(func() { s.holds[hostile] = true })
		time.Sleep(10 * time.Second)
		if s.states() != "done" {
			t.Error(s.states())
		}
	})
	scene(t, cluster.LevelFull, down(wait), func(s *stage) {
		s.accepted(alert("firing", "VMDown", "v1", time.Now()))
		time.Sleep(time.Minute)
		if run := s.only(); run.State != cluster.RunFailed || !strings.Contains(run.Reason, "the query cannot be filled in") {
			t.Errorf("%+v", run)
		}
	})
}

func TestAHostIsEmptiedForATime(t *testing.T) {
	book := down(runbook.Step{Kind: runbook.Evacuate, For: 2 * time.Hour, Timeout: 30 * time.Minute}, runbook.Step{Kind: runbook.Notify, Text: "{{.host}} is empty"})
	play := func(empties bool, want string) func(s *stage) {
		return func(s *stage) {
			s.with(func() { s.vms["v1"].State = cluster.VMRunning })
			s.accepted(alert("firing", "VMDown", "", time.Now(), "host", "h1"))
			time.Sleep(10 * time.Minute)
			if orders := s.desk.Orders(); len(orders) != 1 || orders[0].Kind != cluster.OrderMaintenance || orders[0].Subject != "host/h1" || time.Until(orders[0].Until) > 2*time.Hour {
				s.t.Errorf("%+v", orders)
			}
			if s.states() != "running" {
				s.t.Error("it does not wait until the host is empty")
			}
			if empties {
				s.with(func() { s.vms["v1"].Host = "h2" })
			}
			time.Sleep(30 * time.Minute)
			if run := s.only(); !strings.Contains(run.State.String()+": "+run.Reason+s.heard(), want) {
				s.t.Errorf("%+v, heard: %s", run, s.heard())
			}
			time.Sleep(2 * time.Hour)
			if orders := s.desk.Orders(); len(orders) > 0 {
				s.t.Errorf("it never ends: %+v", orders)
			}
		}
	}
	scene(t, cluster.LevelFull, book, play(true, "done: h1 is empty"))
	scene(t, cluster.LevelFull, book, play(false, "failed: h1 is not empty within 30m0s: name-v1 left"))
}

func TestBlindnessIsWaitedOut(t *testing.T) {
	scene(t, cluster.LevelFull, down(runbook.Step{Kind: runbook.Restart}), func(s *stage) {
		s.with(func() { s.blind = errors.New("no route") })
		s.accepted(alert("firing", "VMDown", "v1", time.Now()))
		time.Sleep(time.Minute)
		s.with(func() { s.blind = nil })
		time.Sleep(time.Minute)
		if s.states() != "done" {
			t.Error(s.only())
		}
		s.with(func() { s.blind = errors.New("no route") })
		s.accepted(alert("firing", "VMDown", "v2", time.Now()))
		time.Sleep(5 * time.Minute)
		if s.states() != "done failed" {
			t.Error(s.states())
		}
	})
}

func TestByHand(t *testing.T) {
	scene(t, cluster.LevelFull, down(runbook.Step{Kind: runbook.Restart}), func(s *stage) {
		for _, c := range []struct{ book, vm, host, want string }{
			{"up", "v1", "", `there is no runbook "up"; there are down`}, {"down", "nobody", "", `0 VMs have the name or UUID "nobody"`},
			{"down", "v1", "h2", "the alert has the VM on h2, and it is on h1"}, {"down", "", "h9", "there is none of that name"}, {"down", "", "h1", "has no label vm"},
		} {
			run, err := s.room.Begin(context.Background(), c.book, c.vm, c.host, false, "alice")
			if err != nil || run.State != cluster.RunRefused || !strings.Contains(run.Reason, c.want) {
				t.Errorf("%+v: %v %+v", c, err, run)
			}
		}
		if run, err := s.room.Begin(context.Background(), "down", "name-v1", "h1", true, "alice"); err != nil || run.State != cluster.RunUnderWay || !run.DryRun {
			t.Errorf("%v %+v", err, run)
		}
		time.Sleep(time.Minute)
		if s.states() != "done" || s.done() != "" {
			t.Errorf("%s; done: %s", s.states(), s.done())
		}
		if run, err := s.room.Begin(context.Background(), "down", "name-v1", "", false, "alice"); err != nil || run.By != "alice" {
			t.Errorf("%v %+v", err, run)
		}
		time.Sleep(time.Minute)
		if s.states() != "done done" || s.done() != "start v1" {
			t.Errorf("%s; done: %s", s.states(), s.done())
		}
		s.with(func() { s.blind = errors.New("no route") })
		if _, err := s.room.Begin(context.Background(), "down", "name-v1", "", false, "alice"); err == nil {
			t.Error("it begins blindly")
		}
	})
}

func TestTheWebhookIsGuarded(t *testing.T) {
	scene(t, cluster.LevelFull, down(), func(s *stage) {
		good := `{"version": "4", "alerts": [` + alert("firing", "VMDown", "v1", time.Now()) + `]}`
		for body, want := range map[string]int{
			strings.Replace(good, `"4"`, `"5"`, 1): 400, strings.Replace(good, `"4"`, `4`, 1): 400, strings.Replace(good, "firing", "on", 1): 400, "": 400, "[]": 400, `{"version": "4"}`: 400,
			`{"version": "4", "alerts": [{"status": "firing", "startsAt": "2026-01-01T00:00:00Z"}]}`: 400, `{"version": "4", "alerts": [{"status": "firing", "labels": {"a": "b"}}]}`: 400,
			`{"version": "4", "x": "` + strings.Repeat("x", 1<<20) + `"}`: 413,
		} {
			if got := s.post(body, secret); got != want {
				t.Errorf("%.80s: %d, want %d", body, got, want)
			}
		}
		for _, token := range []string{"", "guess", secret + "x"} {
			if got := s.post(good, token); got != http.StatusUnauthorized {
				t.Errorf("the token %q gives %d", token, got)
			}
		}
		s.with(func() { s.full = errors.New("no space") })
		if got := s.post(good, secret); got != http.StatusServiceUnavailable || len(s.room.Runs()) > 0 {
			t.Errorf("without a journal it answers %d, runs %v", got, s.room.Runs())
		}
		s.with(func() { s.full = nil })
		if got := s.post(good, secret); got != http.StatusOK || len(s.room.Runs()) != 1 {
			t.Errorf("it answers %d, runs %v", got, s.room.Runs())
		}
		for range 200 {
			s.post(good, "guess")
		}
		if got := s.post(good, "guess"); got != http.StatusTooManyRequests {
			t.Errorf("guessing gives %d", got)
		}
		if err := s.room.Configure(nil, ""); err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{"", secret} {
			if got := s.post(good, token); got != http.StatusNotFound {
				t.Errorf("closed, it answers %d", got)
			}
		}
	})
}

func TestTwoPrometheisTellOfOneAlert(t *testing.T) {
	scene(t, cluster.LevelManual, down(), func(s *stage) {
		since := time.Now()
		s.accepted(alert("firing", "VMDown", "v1", since))
		s.accepted(alert("firing", "VMDown", "v1", since.Add(15*time.Second)))
		time.Sleep(10 * time.Second)
		s.only()
		s.accepted(alert("resolved", "VMDown", "v1", since.Add(15*time.Second)))
		time.Sleep(10 * time.Second)
		if run := s.only(); run.State != cluster.RunEnded {
			t.Errorf("%+v", run)
		}
		s.accepted(alert("firing", "VMDown", "v1", since.Add(time.Minute))) // it is over, and begins again
		time.Sleep(10 * time.Second)
		if n := len(s.room.Runs()); n != 2 {
			t.Errorf("there are %d runs", n)
		}
	})
}

func TestAnOldAlertIsNotActedOn(t *testing.T) {
	book := down()
	book.Steps = []runbook.Step{{Kind: runbook.Wait, Text: `up{vm="{{.vm}}"}`, For: time.Second, Timeout: 3 * time.Hour}, {Kind: runbook.Restart}}
	scene(t, cluster.LevelFull, book, func(s *stage) {
		s.with(func() { s.holds[`up{vm="v1"}`] = false })
		s.accepted(alert("firing", "VMDown", "v1", time.Now()))
		time.Sleep(2 * time.Hour)
		s.with(func() { s.holds[`up{vm="v1"}`] = true })
		time.Sleep(time.Minute)
		if run := s.only(); run.State != cluster.RunFailed || s.done() != "" || !strings.Contains(run.Reason, "too long ago to act on") {
			t.Errorf("%+v; done: %s", run, s.done())
		}
	})
}

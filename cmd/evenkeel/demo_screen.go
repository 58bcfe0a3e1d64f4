package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/simulator"
)

// refresh is how often the demo shows the cluster.
const refresh = 4 * time.Second

// screen shows what the demo's server sees, asks, and takes the answer.
type screen struct {
	out     *table
	answers <-chan bool
	server  *server
	live    *simulator.Live
	flags   demoFlags
	dir     string
	// asked is the last question, so that it is not put twice; shown are the measurements shown already.
	asked string
	shown map[string]bool
}

func newScreen(out io.Writer, in io.Reader, s *server, live *simulator.Live, f demoFlags, dir string) *screen {
	sc := &screen{out: newTable(out), server: s, live: live, flags: f, dir: dir, shown: map[string]bool{}}
	if !f.yes {
		sc.answers = readAnswers(in)
	}
	return sc
}

// readAnswers reads lines until there are no more; y says yes. Nothing can interrupt the reading, so it
// ends with the process.
func readAnswers(in io.Reader) <-chan bool {
	answers := make(chan bool)
	go func() {
		defer close(answers)
		for lines := bufio.NewScanner(in); lines.Scan(); {
			answers <- strings.HasPrefix(strings.ToLower(strings.TrimSpace(lines.Text())), "y")
		}
	}()
	return answers
}

func (sc *screen) run(ctx context.Context) error {
	sc.welcome()
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	answers := sc.answers
	for {
		select {
		case <-ctx.Done():
			sc.out.line("\nended; nothing is left behind")
			return nil
		case yes, open := <-answers:
			if !open {
				answers = nil
				sc.out.line("nobody can be asked here: approve in a browser or from another terminal, or start with --yes")
				continue
			}
			if yes {
				sc.approve(ctx)
			} else {
				sc.out.line("left alone; it is withdrawn when it is no longer true")
			}
		case <-tick.C:
			sc.show()
			if sc.flags.yes {
				sc.approve(ctx)
			} else if answers != nil {
				sc.ask()
			}
		}
	}
}

func (sc *screen) welcome() {
	url, token := "http://"+sc.flags.listen, filepath.Join(sc.dir, "data", "token")
	sc.out.line("A simulated cluster; a day of its loads passes in %s. Everything else is real: exporters, Prometheus, server, gates.", time.Duration(24*float64(time.Hour)/sc.flags.speed).Round(time.Second))
	sc.out.line("In a browser: %s/   To decide there, log in with the token in %s", url, token)
	sc.out.line("From another terminal:\n")
	sc.out.line("  export EVENKEEL_SERVER=%s EVENKEEL_TOKEN_FILE=%s", url, token)
	sc.out.line("  evenkeel status;  evenkeel recommendations;  evenkeel approve ID;  evenkeel history;  evenkeel where web1")
	sc.out.line("  %s/prometheus/api/v1/query?query=evenkeel_vm_info   is the Prometheus, for Grafana too", url)
	sc.out.line("\nCtrl-C ends it and leaves nothing behind. The first judgement takes some twenty seconds: one sample moves no VM.")
}

// show prints the cluster in a few lines.
func (sc *screen) show() {
	board, err := sc.server.analyzer.Board()
	if board.Snapshot.At.IsZero() {
		return
	}
	score := "no VM can be judged yet"
	if len(board.Scores) > 0 {
		score = fmt.Sprintf("score %.0f of 100   wanted and not there: %.1f cores", board.Plan.Before.Score, board.Plan.Before.ContendedCPUCores)
	}
	sc.out.line("\n%s in the simulated day   %s", sc.live.Loads().UTC().Format("15:04"), score)
	if err != nil {
		sc.out.line("  the last pass failed: %v", err)
	}
	for pair := range slices.Chunk(board.Loads, 2) {
		lines := make([]string, 2)
		for i, l := range pair {
			lines[i] = hostLine(l)
		}
		sc.out.row(lines...)
	}
	_ = sc.out.flush() // an error of the terminal ends the demo by other ways
	for _, f := range board.Findings {
		if f.Detector == "imbalance" || f.Detector == "contended_host" {
			sc.out.line("  found %s: %s%s", f.Detector, f.Reason, pending(f))
		}
	}
	sc.out.line("  in a browser: http://%s/   log in there with the token in %s", sc.flags.listen, filepath.Join(sc.dir, "data", "token"))
	sc.results()
	for _, c := range sc.cases(func(c cluster.Case) bool { return c.State.Unsettled() }) {
		sc.out.line("  %-8s %s  %s; %s", c.State, c.Recommendation.ID, c.Recommendation.Action, c.Recommendation.Reason)
	}
}

func hostLine(l cluster.Load) string {
	runs := fmt.Sprintf("%2d VMs", l.VMs)
	if l.Kind == cluster.KindPhysical {
		runs = "a physical machine"
	}
	return fmt.Sprintf("  %-7s %s %4s  %s", l.Host, bar(l.CPUUtilisation), percent(l.CPUUtilisation), runs)
}

func pending(f cluster.Finding) string {
	if f.Pending {
		return " (not for long enough yet)"
	}
	return ""
}

// results shows what ended since the last time, promise beside measurement.
func (sc *screen) results() {
	for _, c := range sc.cases(func(c cluster.Case) bool { return c.Outcome != nil }) {
		r := c.Recommendation
		if key := r.ID + c.State.String(); !sc.shown[key] {
			sc.shown[key] = true
			sc.out.line("  %-8s %s  %s  %s", c.State, r.ID, r.Action, took(*c.Outcome))
		}
		if m := c.Measured; m != nil && !sc.shown[r.ID] {
			sc.shown[r.ID] = true
			sc.out.line("  measured %s  score %.0f promised, %.0f measured%s", r.ID, m.PredictedScore, m.Cluster.Score, effects(m.Effects))
		}
	}
}

// took says how long an action lasted, or why there was none.
func took(o cluster.Outcome) string {
	if o.Started.IsZero() {
		return o.Reason
	}
	return strings.TrimSpace(fmt.Sprintf("in %.1f s  %s", o.Finished.Sub(o.Started).Seconds(), o.Reason))
}

// effects says what became of the CPU of the two hosts.
func effects(all []cluster.Effect) string {
	text := ""
	for _, e := range all {
		if e.Name == cluster.CPUUtilisation {
			text += fmt.Sprintf("; %s CPU %s promised, %s measured", e.Host, percent(e.Before), percent(e.After))
		}
	}
	return text
}

func (sc *screen) cases(want func(cluster.Case) bool) []cluster.Case {
	return sc.server.actuator.List(want)
}

// open is what can be approved. While what was approved has not been done there is nothing: one plan after
// the other is easier to follow.
func (sc *screen) open() []cluster.Case {
	busy := sc.cases(func(c cluster.Case) bool { return c.State == cluster.CaseApproved || c.State == cluster.CaseRunning })
	if len(busy) > 0 {
		return nil
	}
	return sc.cases(func(c cluster.Case) bool { return c.State == cluster.CaseOpen })
}

// ask puts the question when there is something new to be asked.
func (sc *screen) ask() {
	var ids []string
	for _, c := range sc.open() {
		ids = append(ids, c.Recommendation.ID)
	}
	question := strings.Join(ids, " ")
	if question != sc.asked && question != "" {
		sc.out.line("approve these %d live migrations? [y/N] ", len(ids))
	}
	sc.asked = question
}

// approve says yes to all that is open. The gates may still say no.
func (sc *screen) approve(ctx context.Context) {
	for _, c := range sc.open() {
		word := cluster.Approval{Who: "demo", Via: "terminal", At: time.Now()}
		if _, err := sc.server.actuator.Approve(ctx, c.Recommendation.ID, word); err != nil {
			if errors.Is(err, actuator.ErrNotOpen) {
				continue // the advice was made anew meanwhile; the next look shows it
			}
			sc.out.line("  refused  %s  %v", c.Recommendation.ID, err)
			continue
		}
		sc.out.line("  approved %s  %s", c.Recommendation.ID, c.Recommendation.Action)
	}
}

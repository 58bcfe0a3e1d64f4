// Command peers measures the planner beside others on generated clusters: beside hbal, Ganeti's
// balancer, beside plain hill climbing, and on small clusters beside the best that there is at all.
// Each subject is a process of its own whose CPU time and memory are measured from its start to its
// end. Every plan is replayed by test/checker, and a single complaint fails the run; a missed goal does
// not, for a machine may be busy. It runs from the root of the sources, with bin/evenkeel built.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	evenkeel   string
	only, hbal string
	seed       uint64
	rounds     int
	clusters   int
	limit      time.Duration
	climbLimit time.Duration
	checker    string
	work       string
}

// scene is one comparison.
type scene struct {
	name, what string
	run        func(context.Context, *session, io.Writer) ([]goal, error)
}

func scenes() []scene {
	return []scene{
		{"hbal", "whole plans side by side", sideBySide},
		{"front", "what a number of moves buys, 100 hosts", frontScene},
		{"scale", "large clusters, as many moves as the subject wants", scaleScene},
		{"optimum", "small clusters, beside the best plan of as many moves", optimumScene},
	}
}

func main() {
	var o options
	report := flag.String("measure", "", "run the command that follows and write to this `file` what it took")
	hillOn := flag.String("climb", "", "be the hill climbing on this snapshot `file`")
	flag.StringVar(&o.evenkeel, "evenkeel", "bin/evenkeel", "the `program` to measure")
	flag.StringVar(&o.only, "only", "", "these `scenes` alone, with commas between: hbal, front, scale, optimum")
	flag.StringVar(&o.hbal, "hbal", "small", "the clusters that hbal runs on: small (50 hosts), all (also 100 hosts, which takes it many minutes) or none")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the generated clusters")
	flag.IntVar(&o.rounds, "rounds", 5, "how often the planner is measured on small clusters; the median counts")
	flag.IntVar(&o.clusters, "clusters", 400, "how many small clusters are compared with the optimum")
	flag.DurationVar(&o.limit, "limit", 30*time.Minute, "how long a subject may take")
	flag.DurationVar(&o.climbLimit, "climb-limit", 2*time.Minute, "how much CPU time the hill climbing may take before it is cut off")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch {
	case *report != "":
		exitOn(beMeasurer(ctx, *report, o.limit, flag.Args()))
	case *hillOn != "":
		exitOn(beClimber(*hillOn, o.climbLimit))
	default:
		exitOn(runAll(ctx, o))
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers: FAIL:", err)
		os.Exit(1)
	}
}

// runAll runs the scenes and prints what they say. One that fails does not keep the others from being
// measured.
func runAll(ctx context.Context, o options) error {
	chosen, err := choose(o)
	if err != nil {
		return err
	}
	if o.work, err = os.MkdirTemp("", "peers"); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(o.work) }() // what is left is in a directory for such things
	o.checker = filepath.Join(o.work, "checker")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", o.checker, "./test/checker").CombinedOutput(); err != nil {
		return fmt.Errorf("build the checker: %w: %s", err, out)
	}
	fmt.Printf("# The planner beside its peers\n\n%d CPUs; load before: %s. Seed %d.\n", runtime.NumCPU(), load(), o.seed)
	s := newSession(o)
	var goals []goal
	var failed error
	for _, sc := range chosen {
		fmt.Fprintln(os.Stderr, "peers:", sc.what)
		fmt.Printf("\n## %s: %s\n\n", sc.name, sc.what)
		reached, err := sc.run(ctx, s, os.Stdout)
		if err != nil {
			fmt.Printf("\nFAILED: %v\n", err)
			failed = errors.Join(failed, fmt.Errorf("%s: %w", sc.name, err))
		}
		goals = append(goals, reached...)
	}
	writeGoals(os.Stdout, goals)
	fmt.Printf("\nLoad after: %s.\n", load())
	return failed
}

func choose(o options) ([]scene, error) {
	if _, err := os.Stat(o.evenkeel); err != nil {
		return nil, fmt.Errorf("there is no planner, run make build first: %w", err)
	}
	if !slices.Contains([]string{"none", "small", "all"}, o.hbal) {
		return nil, fmt.Errorf("-hbal is %q; it takes none, small or all", o.hbal)
	}
	if _, err := exec.LookPath("hbal"); err != nil && o.hbal != "none" {
		return nil, fmt.Errorf("hbal is in the Debian package ganeti-htools; install that or give -hbal none: %w", err)
	}
	if o.rounds < 1 || o.clusters < 1 {
		return nil, errors.New("-rounds and -clusters must be at least 1")
	}
	if o.only == "" {
		return scenes(), nil
	}
	var chosen []scene
	for _, name := range strings.Split(o.only, ",") {
		i := slices.IndexFunc(scenes(), func(s scene) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no such scene: %s", name)
		}
		chosen = append(chosen, scenes()[i])
	}
	return chosen, nil
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

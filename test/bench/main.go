// Command bench measures the exporter beside others and beside the cheapest reading there can be: one
// bulk call to libvirt over an open connection. It needs the lab of test/lab for all but libvirt's test
// driver. It judges nothing but its own goals, and exits with 0 when one of them is missed: a machine
// may be busy. It exits with another status when something could not be measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	rounds, scrapes int
	rest, storm     time.Duration
	only            string
	keep            bool
	binary          string
	inovex, tinkoff string
	work            string
}

// scene is one situation to measure in.
type scene struct {
	name, what string
	lab        bool
	run        func(context.Context, options, io.Writer) ([]goal, error)
}

func scenes() []scene {
	return []scene{
		{"guests", "20 running guests of the lab", true, guestsScene},
		{"domains", "500 domains of libvirt's test driver", false, domainsScene},
		{"memory", "memory after many scrapes of 500 domains", false, memoryScene},
		{"storm", "scrapes while guests migrate", true, stormScene},
	}
}

func main() {
	var o options
	floor := flag.String("floor", "", "be the floor for this libvirt `URI`: one call for each line read")
	flag.IntVar(&o.rounds, "rounds", 7, "how many rounds; each exporter has its turn in each")
	flag.IntVar(&o.scrapes, "scrapes", 20, "how many scrapes a turn has")
	flag.DurationVar(&o.rest, "rest", 20*time.Second, "how long the work between scrapes is measured; 0 leaves that out")
	flag.DurationVar(&o.storm, "storm", 90*time.Second, "how long guests are moved back and forth")
	flag.StringVar(&o.only, "only", "", "these `scenes` alone, with commas between: guests, domains, memory, storm")
	flag.BoolVar(&o.keep, "keep", false, "leave the lab up, also if it was not up before")
	flag.StringVar(&o.binary, "binary", "bin/evenkeel-exporter", "the `program` to measure, with its subcommand if it takes one, as in \"bin/evenkeel exporter\"")
	flag.StringVar(&o.inovex, "inovex", "", "`file` of the inovex exporter; without it that one is left out")
	flag.StringVar(&o.tinkoff, "tinkoff", "", "`file` of the Tinkoff exporter; without it that one is left out")
	flag.Parse()
	if *floor != "" {
		exitOn(beFloor(*floor))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exitOn(run(ctx, o))
}

func second(_ string, err error) error { return err }

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: FAIL:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	chosen, err := choose(o.only)
	if err != nil {
		return err
	}
	if words := strings.Fields(o.binary); len(words) == 0 {
		return errors.New("-binary names no program")
	} else if _, err := os.Stat(words[0]); err != nil {
		return fmt.Errorf("there is no binary, run make bench, or make build first: %w", err)
	}
	lab := slices.ContainsFunc(chosen, func(s scene) bool { return s.lab })
	if lab && os.Geteuid() != 0 {
		return errors.New("THE LAB MAKES NETWORK NAMESPACES AND NEEDS ROOT: run make bench, or leave it out with -only domains,memory")
	}
	if o.rounds < 1 || o.scrapes < 1 {
		return errors.New("-rounds and -scrapes must be at least 1")
	}
	if o.work, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(o.work) }() // what is left is in a directory for such things
	if lab && !labUp() && !o.keep {
		defer func() { exitOn(second(hostlab(context.Background(), "down"))) }()
	}
	return runAll(ctx, o, chosen)
}

// runAll runs the scenes and prints what they say. One that fails does not keep the others from being
// measured.
func runAll(ctx context.Context, o options, chosen []scene) error {
	fmt.Printf("# Benchmark\n\n%d CPUs; load before: %s.\n", runtime.NumCPU(), load())
	var failed error
	var goals []goal
	for _, s := range chosen {
		fmt.Fprintln(os.Stderr, "bench:", s.what)
		fmt.Printf("\n## %s: %s\n\n", s.name, s.what)
		reached, err := s.run(ctx, o, os.Stdout)
		if err != nil {
			fmt.Printf("NOT MEASURED: %v\n", err)
			failed = errors.Join(failed, fmt.Errorf("%s: %w", s.name, err))
		}
		goals = append(goals, reached...)
	}
	writeGoals(os.Stdout, goals)
	fmt.Printf("\nLoad after: %s.\n", load())
	return failed
}

func choose(only string) ([]scene, error) {
	if only == "" {
		return scenes(), nil
	}
	var chosen []scene
	for _, name := range strings.Split(only, ",") {
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

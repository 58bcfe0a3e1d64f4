// Command checker replays a plan on its snapshot and says what is wrong with it. It knows the file
// formats and the rules that stand with them, and shares no code with the planner: it decodes both
// files by structures of its own, counts in the most obvious way, and so finds what a planner that
// miscounts would not find about itself. Whether a plan is any good is not its business.
//
//	checker [--max-memory RATIO] [--max-cpu RATIO] SNAPSHOT PLAN
//
// It exits with 0 and prints nothing when nothing is wrong, with 1 and a line for each fault when
// something is, and with 2 when it cannot read what it was given.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

// limits say how full the target of a step may be, as ratios of its memory and cores.
type limits struct {
	memory, cpu float64
}

func main() {
	var l limits
	flag.Float64Var(&l.memory, "max-memory", 0.95, "the `ratio` of a host's memory that may be promised: its reserve and the configured sizes of its VMs")
	flag.Float64Var(&l.cpu, "max-cpu", 0.9, "the `ratio` of a host's cores that may be in demand, its reserve included")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: checker [--max-memory RATIO] [--max-cpu RATIO] SNAPSHOT PLAN")
		os.Exit(2)
	}
	faults, err := checkFiles(flag.Arg(0), flag.Arg(1), l)
	if err != nil {
		fmt.Fprintln(os.Stderr, "checker:", err)
		os.Exit(2)
	}
	for _, f := range faults {
		fmt.Println(f)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
}

func checkFiles(snapshotFile, planFile string, l limits) ([]string, error) {
	var s snapshot
	var p plan
	if err := read(snapshotFile, &s); err != nil {
		return nil, err
	}
	if s.Version != 1 {
		return nil, fmt.Errorf("read %s: it is of version %d, not 1", snapshotFile, s.Version)
	}
	if err := read(planFile, &p); err != nil {
		return nil, err
	}
	faults, err := check(s, p, l)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", snapshotFile, err)
	}
	return faults, nil
}

func read(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read file: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("decode %s: %w", file, err)
	}
	return nil
}

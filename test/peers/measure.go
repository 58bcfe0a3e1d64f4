package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// usage is what a process took from its start to its end.
type usage struct {
	CPUSeconds   float64 `json:"cpu_seconds"`
	PeakRSSBytes int64   `json:"peak_rss_bytes"`
	TimedOut     bool    `json:"timed_out"`
}

// measured runs the command, with its standard output in the file out, through another process of this
// program that does nothing else. Linux begins a child's peak memory with that of its parent, and the
// parent of what is measured must therefore be small.
func measured(ctx context.Context, limit time.Duration, out string, command ...string) (usage, error) {
	self, err := os.Executable()
	if err != nil {
		return usage{}, fmt.Errorf("find this program: %w", err)
	}
	report := out + ".usage"
	file, err := os.Create(out)
	if err != nil {
		return usage{}, fmt.Errorf("create output: %w", err)
	}
	defer func() { _ = file.Close() }() // the child wrote it and closed its own
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, self, slices.Concat([]string{"-measure", report, "-limit", limit.String(), "--"}, command)...)
	cmd.Stdout, cmd.Stderr = file, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Run(); err != nil {
		return usage{}, fmt.Errorf("run %s: %w: %s", command[0], err, strings.TrimSpace(stderr.String()))
	}
	var u usage
	text, err := os.ReadFile(report)
	if err != nil {
		return usage{}, fmt.Errorf("read usage: %w", err)
	}
	if err := json.Unmarshal(text, &u); err != nil {
		return usage{}, fmt.Errorf("decode usage: %w", err)
	}
	return u, nil
}

// beMeasurer runs the command and writes what it took. A command that runs out of time is no failure.
func beMeasurer(ctx context.Context, report string, limit time.Duration, command []string) error {
	if len(command) == 0 {
		return errors.New("there is no command to measure")
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(limited, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	timedOut := errors.Is(limited.Err(), context.DeadlineExceeded)
	if err != nil && !timedOut {
		return fmt.Errorf("run %s: %w", command[0], err)
	}
	state := cmd.ProcessState
	if state == nil {
		return fmt.Errorf("run %s: there was no time to start it", command[0])
	}
	u := usage{CPUSeconds: (state.UserTime() + state.SystemTime()).Seconds(), TimedOut: timedOut}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.PeakRSSBytes = r.Maxrss << 10 // Linux counts it in KiB
	}
	text, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("encode usage: %w", err)
	}
	if err := os.WriteFile(report, text, 0o600); err != nil {
		return fmt.Errorf("write usage: %w", err)
	}
	return nil
}

// ownCPU is what this process has used so far.
func ownCPU() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic("peers: a process may always ask for its own usage: " + err.Error())
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

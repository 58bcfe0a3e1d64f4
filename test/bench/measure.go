package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// warmUp is for how long subjects are scraped before it counts, so that what they learn once is known.
const warmUp = 10 * time.Second

// figures are what was measured of one subject. Times are of one scrape, CPU times user and system
// together; the daemon's stay 0 where the driver runs within the exporter.
type figures struct {
	name              string
	families, series  int
	wall, cpu, daemon time.Duration
	// restCPU and restDaemon are what it takes within a second in which nobody scrapes.
	restCPU, restDaemon time.Duration
}

func (f figures) sum() time.Duration { return f.cpu + f.daemon }

// cpuTime is what a process has used, to the nanosecond, with its threads that have ended. The kernel
// has such a clock for each process; the ticks of /proc are of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	const schedClock = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &t); err != nil {
		return 0, fmt.Errorf("read the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// spent runs f and returns what the two processes used meanwhile.
func spent(subject, daemon int, f func() error) (cpu, daemonCPU time.Duration, err error) {
	s0, err1 := cpuTime(subject)
	d0, err2 := cpuTime(daemon)
	err = f()
	s1, err3 := cpuTime(subject)
	d1, err4 := cpuTime(daemon)
	return s1 - s0, d1 - d0, errors.Join(err, err1, err2, err3, err4)
}

// compare measures the subjects side by side: in each round each has a turn of some scrapes, while the
// others are stopped. Of the rounds the median counts.
func compare(ctx context.Context, o options, subjects []*subject, daemon int) ([]figures, error) {
	all := make([]figures, len(subjects))
	for i, s := range subjects {
		if err := warm(ctx, s); err != nil {
			return nil, err
		}
		var err error
		all[i].name = s.name
		if all[i].families, all[i].series, err = s.size(ctx); err != nil {
			return nil, err
		}
		if err := s.pause(); err != nil {
			return nil, err
		}
	}
	rounds := make([][]figures, len(subjects))
	for range o.rounds {
		for i, s := range subjects {
			f, err := turn(ctx, s, o.scrapes, daemon)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			rounds[i] = append(rounds[i], f)
		}
	}
	for i, r := range rounds {
		all[i].wall = medianOf(r, func(f figures) time.Duration { return f.wall })
		all[i].cpu = medianOf(r, func(f figures) time.Duration { return f.cpu })
		all[i].daemon = medianOf(r, func(f figures) time.Duration { return f.daemon })
	}
	return all, rest(ctx, o, subjects, daemon, all)
}

func warm(ctx context.Context, s *subject) error {
	for end := time.Now().Add(warmUp); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if _, err := s.scrape(ctx); err != nil {
			return fmt.Errorf("warm %s up: %w", s.name, err)
		}
	}
	return nil
}

// turn is one subject's turn of a round. Its first scrape after it was stopped does not count.
func turn(ctx context.Context, s *subject, scrapes, daemon int) (figures, error) {
	var f figures
	if err := s.resume(); err != nil {
		return f, err
	}
	if _, err := s.scrape(ctx); err != nil {
		return f, err
	}
	var walls []time.Duration
	cpu, daemonCPU, err := spent(s.cmd.Process.Pid, daemon, func() error {
		for range scrapes {
			took, err := s.scrape(ctx)
			if err != nil {
				return err
			}
			walls = append(walls, took)
		}
		return nil
	})
	if err != nil {
		return f, err
	}
	f.wall, f.cpu, f.daemon = quantile(walls, 0.5), cpu/time.Duration(scrapes), daemonCPU/time.Duration(scrapes)
	return f, s.pause()
}

// rest measures what the subjects do while nobody scrapes them, which the turns count too little: there
// scrapes follow one another far closer than in real life. What the daemon does by itself is taken off.
func rest(ctx context.Context, o options, subjects []*subject, daemon int, all []figures) error {
	if o.rest == 0 || daemon == 0 {
		return nil
	}
	wait := func() error {
		select {
		case <-time.After(o.rest):
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	perSecond := func(d time.Duration) time.Duration { return time.Duration(float64(d) / o.rest.Seconds()) }
	_, alone, err := spent(0, daemon, wait)
	if err != nil {
		return err
	}
	for i, s := range subjects {
		if err := s.resume(); err != nil {
			return err
		}
		cpu, daemonCPU, err := spent(s.cmd.Process.Pid, daemon, wait)
		if err := errors.Join(err, s.pause()); err != nil {
			return err
		}
		all[i].restCPU, all[i].restDaemon = perSecond(cpu), perSecond(max(0, daemonCPU-alone))
	}
	return nil
}

func medianOf(rounds []figures, of func(figures) time.Duration) time.Duration {
	values := make([]time.Duration, 0, len(rounds))
	for _, f := range rounds {
		values = append(values, of(f))
	}
	return quantile(values, 0.5)
}

// quantile returns the value below which the share of the values lies, at least.
func quantile(values []time.Duration, share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// memory is what a process has in memory by the kernel's words for it, in MiB.
func memory(pid int) (map[string]float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	m := map[string]float64{}
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[2] == "kB" {
			if m[f[0]], err = strconv.ParseFloat(f[1], 64); err != nil {
				return nil, err
			}
			m[f[0]] /= 1024
		}
	}
	return m, nil
}

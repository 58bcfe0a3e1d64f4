// Command scale looks whether one server keeps up with a large cluster: it serves the pages of simulated hosts,
// which the real exporter made and on which the numbers move, has evenkeel look after them, and Debian's Prometheus scrape the
// same beside it. Hosts are of libvirt's test driver, which knows their VMs and no more: nobody approves, and nothing is moved. It runs from the root of
// the sources, with bin/evenkeel built. A missed goal does not fail the run, for a machine may be busy; what could not be measured does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// What evenkeel and Prometheus are both told. The first interval is Prometheus' usual one; evenkeel's is 2 s, for the sake of failures.
const (
	scrapeInterval = 15 * time.Second
	scrapeTimeout  = 10 * time.Second
)

// options are what the command line says.
type options struct {
	evenkeel, prometheus string
	hosts, vms           int
	duration, patience   time.Duration
	window               time.Duration
	alone                bool
	profile              string
	work                 string
}

func main() {
	var o options
	flag.StringVar(&o.evenkeel, "evenkeel", "bin/evenkeel", "the `program` to measure")
	flag.StringVar(&o.prometheus, "prometheus", "/usr/bin/prometheus", "the `program` to measure it beside")
	flag.IntVar(&o.hosts, "hosts", 1000, "how many hosts")
	flag.IntVar(&o.vms, "vms", 20000, "how many VMs, all together")
	flag.DurationVar(&o.duration, "duration", 30*time.Minute, "how long it is measured, once every host and VM was seen")
	flag.DurationVar(&o.patience, "patience", 25*time.Minute, "how long it may take until then")
	flag.DurationVar(&o.window, "window", 15*time.Minute, "analysis.window, which is its default here as well; no VM counts as seen before it has passed, so that a short try needs a short one")
	flag.BoolVar(&o.alone, "without-prometheus", false, "measure evenkeel alone")
	flag.StringVar(&o.profile, "profile", "", "write evenkeel's CPU profile of 30 s and its heap, at the end, to files with this `prefix`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "scale: FAIL:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.hosts < 2 || o.hosts > 10_000 || o.vms < o.hosts || o.duration < 4*scrapeInterval {
		return fmt.Errorf("-hosts is from 2 to 10000, -vms at least as many and -duration at least %s", 4*scrapeInterval)
	}
	if _, err := os.Stat(o.evenkeel); err != nil {
		return fmt.Errorf("there is no program, run make build first: %w", err)
	}
	if o.work, err = os.MkdirTemp("", "scale"); err != nil {
		return fmt.Errorf("make a directory for what is measured: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.work)) }()
	say("making the pages of %d hosts with %d VMs", o.hosts, o.vms)
	e, err := newExporters(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- e.run(ctx) }()
	defer func() { cancel(); err = errors.Join(err, <-served) }()
	s, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	return s.measure(ctx)
}

// say tells those who wait what goes on.
func say(format string, about ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05")+" "+format+"\n", about...)
}

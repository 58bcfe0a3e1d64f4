package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// The goals.
const (
	goalAdvice = 30 * time.Second // of the 95th percentile
	goalUp     = .999             // of all scrapes that there was time for
)

// report writes what was measured. It is an error if that is not what it was to be.
func (s *session) report(ctx context.Context, out io.Writer, w watched) error {
	if len(w.rounds) < 2 {
		return fmt.Errorf("%d rounds are too few to say anything: %v", len(w.rounds), w.failed)
	}
	rounds := w.rounds[1:] // the first may have been on the board when the watch began
	fmt.Fprintf(out, "# %d hosts with %d VMs, scraped every %s for %s, %d CPUs\n\n", s.o.hosts, s.o.vms, scrapeInterval, w.ended.Sub(w.begun).Round(time.Second), runtime.NumCPU())
	fmt.Fprintf(out, "| from snapshot to recommendation, %d rounds | p50 | p95 | longest |\n|---|---|---|---|\n", len(rounds))
	var advised []time.Duration
	for _, line := range []struct {
		what string
		of   func(round) time.Duration
	}{{"from the look to what is advised", round.sinceLook}, {fmt.Sprintf("from the instant that is looked at, %s before", scrapeTimeout), round.sinceInstant}} {
		advised = nil
		for _, r := range rounds {
			advised = append(advised, line.of(r))
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", line.what, seconds(quantile(advised, .5)), seconds(quantile(advised, .95)), seconds(quantile(advised, 1)))
	}
	fewest, most, gaps := rounds[0].open, 0, 0
	for _, r := range rounds {
		fewest, most, gaps = min(fewest, r.open), max(most, r.open), gaps+min(1, r.gap)
	}
	fmt.Fprintf(out, "\nOpen recommendations: %d to %d; rounds with gaps: %d; passes that failed: %d.\n", fewest, most, gaps, len(w.failed))

	how := map[string]scrapes{}
	var unknown error
	fmt.Fprintf(out, "\n| scrapes | answered, of all there was time for | skipped | took p50 | p95 | longest | samples/s | series | samples of a page |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, subject := range s.subjects() {
		r, err := s.scraped(ctx, subject, w)
		if err != nil {
			unknown = errors.Join(unknown, fmt.Errorf("%s: %w", subject.name, err))
		}
		how[subject.name] = r
		fmt.Fprintf(out, "| %s | %.3f %% of %d | %d | %s | %s | %s | %.0f | %.0f | %.0f |\n", subject.name, 100*r.share(), r.wanted, max(0, r.wanted-r.stored),
			seconds(quantile(r.took, .5)), seconds(quantile(r.took, .95)), seconds(quantile(r.took, 1)), r.samples, r.series, r.samplesOfPage)
	}
	fmt.Fprintf(out, "\n| cost | CPU s | cores | cores, second half | RSS MiB, at half | at the end | peak |\n|---|---|---|---|---|---|---|\n")
	for _, name := range s.names() {
		c := w.costs[name]
		first, half, last := c[0], c[len(c)/2], c[len(c)-1]
		fmt.Fprintf(out, "| %s | %.0f | %.2f | %.2f | %.0f | %.0f | %.0f |\n", name, (last.cpu - first.cpu).Seconds(), used(first, last), used(half, last), half.rss, last.rss, last.peak)
	}
	if c := w.costs; s.beside != nil {
		e, p := c[s.evenkeel.name], c[s.beside.name]
		fmt.Fprintf(out, "\nevenkeel takes %.2f times Prometheus' CPU and %.2f times its peak memory.\n", used(e[0], e[len(e)-1])/used(p[0], p[len(p)-1]), e[len(e)-1].peak/p[len(p)-1].peak)
	}
	unknown = errors.Join(unknown, s.rules(ctx, out, w))
	p95 := quantile(advised, .95)
	fmt.Fprintf(out, "\n%s: what is advised is published within %s of the instant in 95 %% of the rounds (goal %s)\n", verdict(p95 <= goalAdvice && len(w.failed) == 0), seconds(p95), seconds(goalAdvice))
	fmt.Fprintf(out, "%s: %.3f %% of all scrapes are answered (goal %.1f %%)\n", verdict(how[s.evenkeel.name].share() >= goalUp), 100*how[s.evenkeel.name].share(), 100*goalUp)
	return errors.Join(unknown, s.believable(ctx, w, gaps, most))
}

// rules tells how evenkeel's own rules kept up, and how its passes did by its own account.
func (s *session) rules(ctx context.Context, out io.Writer, w watched) error {
	p, err := s.evenkeel.prometheus()
	if err != nil {
		return err
	}
	span := fmt.Sprintf("[%ds]", int(w.ended.Sub(w.begun).Seconds()))
	var took, missed, pass float64
	for query, into := range map[string]*float64{
		`sum(avg_over_time(prometheus_rule_group_last_duration_seconds{job="evenkeel-server"}` + span + `))`:                                                                            &took,
		`sum(increase(prometheus_rule_group_iterations_missed_total{job="evenkeel-server"}` + span + `))`:                                                                               &missed,
		`rate(evenkeel_analyzer_pass_duration_seconds_sum{job="evenkeel-server"}` + span + `) / rate(evenkeel_analyzer_pass_duration_seconds_count{job="evenkeel-server"}` + span + `)`: &pass,
	} {
		var missing error
		*into, missing = number(ctx, p, query, w.ended)
		err = errors.Join(err, missing)
	}
	fmt.Fprintf(out, "\nBy evenkeel's own account a pass takes %.1f s on average, all rules once %.1f s; evaluations missed: %.0f.\n", pass, took, missed)
	return err
}

// believable is an error where something else was measured than it seems.
func (s *session) believable(ctx context.Context, w watched, gaps, most int) error {
	p, err := s.evenkeel.prometheus()
	if err != nil {
		return err
	}
	seen, err := number(ctx, p, `count(evenkeel_vm_cpu_demand_cores{job="evenkeel-server"})`, w.ended)
	if err != nil {
		return err
	}
	var errs []error
	if int(seen) != s.o.vms {
		errs = append(errs, fmt.Errorf("the analyzer goes by the demand of %.0f VMs, not of %d", seen, s.o.vms))
	}
	if most == 0 {
		errs = append(errs, errors.New("nothing was ever advised"))
	}
	if gaps > 0 {
		errs = append(errs, fmt.Errorf("%d rounds did not see every host", gaps))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("this was not the load of %d hosts with %d VMs: %s", s.o.hosts, s.o.vms, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

func (s *session) names() []string {
	var names []string
	for _, subject := range s.subjects() {
		names = append(names, subject.name)
	}
	return append(names, generator)
}

func (r scrapes) share() float64 { return min(1, float64(r.up)/float64(r.wanted)) }

// used is how many cores were busy with it.
func used(from, to cost) float64 { return (to.cpu - from.cpu).Seconds() / to.at.Sub(from.at).Seconds() }

func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func verdict(reached bool) string {
	if reached {
		return "REACHED"
	}
	return "MISSED"
}

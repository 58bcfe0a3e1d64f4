package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// look is how often the server is asked how it stands, and so how exactly a round is timed.
const look = 100 * time.Millisecond

// standing is what the server says of itself.
type standing struct {
	SnapshotAt time.Time                          `json:"snapshot_at"`
	LastError  string                             `json:"last_error"`
	Gaps       []struct{ Subject, Reason string } `json:"gaps"`
	Open       int                                `json:"open_recommendations"`
	Findings   int                                `json:"findings"`
}

// round is one pass of the analyzer that was seen.
type round struct {
	at, published    time.Time
	open, found, gap int
	// hidden is the first gap, in words.
	hidden string
}

// sinceInstant is from the instant that the pass looked at until what it advises could be read.
func (r round) sinceInstant() time.Duration { return r.published.Sub(r.at) }

// sinceLook is the same from the look, which waits until the scrapes of before the instant are in.
func (r round) sinceLook() time.Duration { return r.sinceInstant() - scrapeTimeout }

// watched is what was seen while it was measured.
type watched struct {
	begun, ended time.Time
	rounds       []round
	failed       []string
	// costs are those at the beginning, each minute and at the end.
	costs map[string][]cost
}

// measure waits until all is seen, measures and reports.
func (s *session) measure(ctx context.Context) error {
	begun, told := time.Now(), 1
	say("waiting until every host and VM has been seen")
	for first := (watched{costs: map[string][]cost{}}); ; {
		if err := s.watch(ctx, &first, 2*time.Second); err != nil {
			return err
		}
		if since := time.Since(begun); since > time.Duration(told)*time.Minute {
			told++
			s.tell(first)
		}
		if n := len(first.rounds); n > 0 && first.rounds[n-1].gap == 0 {
			break
		}
		if time.Since(begun) > s.o.patience {
			return fmt.Errorf("not every host was seen within %s: %d rounds, %v: %s", s.o.patience, len(first.rounds), first.failed, s.evenkeel.lastWords())
		}
	}
	say("all was seen after %s; measuring for %s", time.Since(begun).Round(time.Second), s.o.duration)
	w := watched{begun: time.Now(), costs: map[string][]cost{}}
	for left := s.o.duration; left > 0; left = s.o.duration - time.Since(w.begun) {
		if err := s.weigh(&w); err != nil {
			return err
		}
		if err := s.watch(ctx, &w, min(left, time.Minute, s.o.duration/4)); err != nil {
			return err
		}
		s.tell(w)
	}
	w.ended = time.Now()
	if err := s.weigh(&w); err != nil {
		return err
	}
	return errors.Join(s.report(ctx, os.Stdout, w), s.profiles(ctx))
}

// watch notes rounds for a while.
func (s *session) watch(ctx context.Context, w *watched, while time.Duration) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for end := time.Now().Add(while); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		for _, subject := range s.subjects() {
			if err := subject.alive(ctx); err != nil {
				return err
			}
		}
		now, err := s.ask(ctx)
		if err != nil {
			return err
		}
		if n := len(w.failed); now.LastError != "" && (n == 0 || w.failed[n-1] != now.LastError) {
			w.failed = append(w.failed, now.LastError)
		}
		if n := len(w.rounds); !now.SnapshotAt.IsZero() && (n == 0 || !w.rounds[n-1].at.Equal(now.SnapshotAt)) {
			r := round{at: now.SnapshotAt, published: time.Now(), open: now.Open, found: now.Findings, gap: len(now.Gaps)}
			if r.gap > 0 {
				r.hidden = now.Gaps[0].Subject + ": " + now.Gaps[0].Reason
			}
			w.rounds = append(w.rounds, r)
		}
	}
	return nil
}

func (s *session) ask(ctx context.Context) (now standing, err error) {
	body, err := s.evenkeel.get(ctx, "/api/v1/status", "")
	if err != nil {
		return now, err
	}
	if err := json.Unmarshal(body, &now); err != nil {
		return now, fmt.Errorf("read evenkeel's status: %w", err)
	}
	return now, nil
}

func (s *subject) get(ctx context.Context, path, token string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", s.name, err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", s.name, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read to its end
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s to %s: %.300s", s.name, resp.Status, path, body)
	}
	return body, err
}

// generator is the name of this program among what costs.
const generator = "the generator"

// weigh asks what each has cost until now.
func (s *session) weigh(w *watched) error {
	of := map[string]int{generator: os.Getpid()}
	for _, subject := range s.subjects() {
		of[subject.name] = subject.cmd.Process.Pid
	}
	for name, pid := range of {
		c, err := costOf(pid)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		w.costs[name] = append(w.costs[name], c)
	}
	return nil
}

// tell says where it stands.
func (s *session) tell(w watched) {
	if len(w.rounds) == 0 {
		say("no round yet %v", w.failed)
		return
	}
	last := w.rounds[len(w.rounds)-1]
	say("%d rounds, the last published %.1f s after its instant with %d open recommendations, %d findings and %d gaps %s %v", len(w.rounds), last.sinceInstant().Seconds(), last.open, last.found, last.gap, last.hidden, w.failed)
}

// profiles keeps evenkeel's profiles where they are wanted.
func (s *session) profiles(ctx context.Context) error {
	if s.o.profile == "" {
		return nil
	}
	token, err := os.ReadFile(filepath.Join(s.o.work, "evenkeel", "token"))
	if err != nil {
		return fmt.Errorf("profiles are for those with the token: %w", err)
	}
	for name, path := range map[string]string{"cpu": "/debug/pprof/cpu?seconds=30", "heap": "/debug/pprof/heap"} {
		body, err := s.evenkeel.get(ctx, path, strings.TrimSpace(string(token)))
		if err == nil {
			err = os.WriteFile(s.o.profile+name+".pprof", body, 0o600)
		}
		if err != nil {
			return fmt.Errorf("take the %s profile: %w", name, err)
		}
	}
	return nil
}

// scrapes is how those of the hosts went.
type scrapes struct {
	// wanted are as many as there was time for, stored those of which something is known, up those that had an answer.
	wanted, stored, up int
	took               []time.Duration
	samples            float64 // a second
	series             float64
	samplesOfPage      float64
}

// scraped asks a Prometheus how the scrapes went.
func (s *session) scraped(ctx context.Context, of *subject, w watched) (r scrapes, err error) {
	p, err := of.prometheus()
	if err != nil {
		return r, err
	}
	span := w.ended.Sub(w.begun).Truncate(time.Second)
	r.wanted = int(span/scrapeInterval) * s.o.hosts
	over := fmt.Sprintf(`[%s]`, model.Duration(span.Truncate(scrapeInterval)))
	ups, err := samples(ctx, p, `up{job="evenkeel-exporter"}`+over, w.ended)
	if err != nil {
		return r, err
	}
	took, err := samples(ctx, p, `scrape_duration_seconds{job="evenkeel-exporter"}`+over, w.ended)
	if err != nil {
		return r, err
	}
	for _, up := range ups {
		r.up += int(up)
	}
	r.stored = len(ups)
	for _, seconds := range took {
		r.took = append(r.took, time.Duration(seconds*float64(time.Second)))
	}
	own := fmt.Sprintf(`{job=%q}`, of.job)
	for query, into := range map[string]*float64{
		`sum(rate(prometheus_tsdb_head_samples_appended_total` + own + over + `))`: &r.samples,
		`sum(prometheus_tsdb_head_series` + own + `)`:                              &r.series,
		`avg(scrape_samples_scraped{job="evenkeel-exporter"})`:                     &r.samplesOfPage,
	} {
		var missing error
		*into, missing = number(ctx, p, query, w.ended)
		err = errors.Join(err, missing) // the rest is worth to be seen all the same
	}
	return r, err
}

// samples are all that a query for a range gives.
func samples(ctx context.Context, p v1.API, query string, at time.Time) (values []float64, err error) {
	answer, _, _, err := p.Query(ctx, query, at)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", query, err)
	}
	matrix, _ := answer.(model.Matrix)
	for _, series := range matrix {
		for _, sample := range series.Values {
			values = append(values, float64(sample.Value))
		}
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("query %s: the answer is empty", query)
	}
	return values, nil
}

// number is the only value of the answer.
func number(ctx context.Context, p v1.API, query string, at time.Time) (float64, error) {
	answer, _, _, err := p.Query(ctx, query, at)
	if err != nil {
		return math.NaN(), fmt.Errorf("query %s: %w", query, err)
	}
	vector, _ := answer.(model.Vector)
	if len(vector) != 1 {
		return math.NaN(), fmt.Errorf("query %s: %d values, not one", query, len(vector))
	}
	return float64(vector[0].Value), nil
}

// quantile returns the value below or at which the share of the values lies.
func quantile(values []time.Duration, share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

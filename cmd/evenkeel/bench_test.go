package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/evenkeel/evenkeel/internal/engine"
	"github.com/evenkeel/evenkeel/internal/simulator"
	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

const (
	benchHosts, benchVMsOnHost = 200, 20
	benchPast                  = 90 * time.Minute
	benchScrape                = 15 * time.Second
)

// BenchmarkSnapshot takes snapshots of 200 hosts with 4,000 VMs from the embedded engine, which holds an
// hour and a half of what the real exporter tells of simulated hosts. Each is of a time at which none was taken
// before; s-first is the first one, which also asks what is asked once an hour.
func BenchmarkSnapshot(b *testing.B) {
	hosts, e, series, until := benchEngine(b)
	c := config.Default()
	c.Cluster = "bench"
	for _, h := range hosts {
		c.Hosts = append(c.Hosts, config.Host{Name: h})
	}
	source, err := promql.New("http://embedded.invalid/prometheus", e.RoundTripper(), sourceOptions(c))
	if err != nil {
		b.Fatal(err)
	}
	look := func(at time.Time) {
		s, err := source.Snapshot(b.Context(), at)
		if err != nil {
			b.Fatal(err)
		}
		if len(s.VMs) != benchHosts*benchVMsOnHost || len(s.Gaps) > 0 {
			b.Fatalf("%d VMs, %d gaps: %v", len(s.VMs), len(s.Gaps), s.Gaps[:min(3, len(s.Gaps))])
		}
	}
	begun := time.Now()
	look(until)
	first := time.Since(begun)
	for i := 0; b.Loop(); i++ {
		look(until.Add(-time.Duration(1+i%40) * benchScrape))
	}
	b.ReportMetric(float64(series), "series")
	b.ReportMetric(first.Seconds(), "s-first")
}

// BenchmarkRules evaluates every rule that comes with evenkeel once, on the same engine: what the embedded Prometheus does each 15 s. s-slowest is
// the slowest rule's share.
func BenchmarkRules(b *testing.B) {
	_, e, _, until := benchEngine(b)
	queries := ruleQueries(b)
	client, err := api.NewClient(api.Config{Address: "http://embedded.invalid/prometheus", RoundTripper: e.RoundTripper()})
	if err != nil {
		b.Fatal(err)
	}
	slowest := time.Duration(0)
	for i := 0; b.Loop(); i++ {
		for _, q := range queries {
			begun := time.Now()
			if _, _, _, err := promv1.NewAPI(client).Query(b.Context(), q, until.Add(-time.Duration(i%40)*benchScrape)); err != nil {
				b.Fatal(q, err)
			}
			slowest = max(slowest, time.Since(begun))
		}
	}
	b.ReportMetric(float64(len(queries)), "rules")
	b.ReportMetric(slowest.Seconds(), "s-slowest")
}

// ruleQueries are the queries of all rules that come with evenkeel.
func ruleQueries(tb testing.TB) (queries []string) {
	tb.Helper()
	files, err := ruleFiles(config.Default())
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range files {
		groups, errs := rulefmt.Parse(f.Text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
		if len(errs) > 0 {
			tb.Fatal(errs)
		}
		for _, g := range groups.Groups {
			for _, r := range g.Rules {
				queries = append(queries, r.Expr)
			}
		}
	}
	return queries
}

// benchEngine is an engine that holds the cluster's past until that time.
func benchEngine(b *testing.B) (hosts []string, e *engine.Engine, series int, until time.Time) {
	live, hosts := benchCluster(b)
	until = time.Now().Truncate(time.Hour).Add(-time.Minute)
	dir := b.TempDir()
	series = fill(b, dir, live, hosts, until)
	e, err := engine.Open(engine.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-ended })
	return hosts, e, series, until
}

// benchCluster is the simulated cluster, once a window has passed.
func benchCluster(b *testing.B) (*simulator.Live, []string) {
	scenario := fmt.Sprintf(`
duration: 1h
hosts:
  - {name: node, count: %d, cores: 32, memory: 256GiB, storage: [nfs], networks: [lan]}
vms:
  - {name: vm, count: %d, vcpus: 4, memory: 8GiB, storage: [nfs], networks: [lan], load: {noise: {mean: 0.3, sd: 0.1}}}
`, benchHosts, benchHosts*benchVMsOnHost)
	s, err := simulator.ParseScenario("bench", "", []byte(scenario))
	if err != nil {
		b.Fatal(err)
	}
	c, err := simulator.New(s, 0)
	if err != nil {
		b.Fatal(err)
	}
	live := simulator.NewLive(c)
	live.Step(live.Now().Add(time.Minute))
	return live, c.Hosts()
}

// fill writes what the hosts' exporters tell as if they had been scraped all the time until then, counters
// growing on, and returns the number of series.
func fill(b *testing.B, dir string, live *simulator.Live, hosts []string, until time.Time) (series int) {
	var page []line
	for _, host := range hosts {
		page = append(page, pageOf(b, live, host)...)
	}
	scrapePast(b, dir, page, until.Add(-benchPast), until)
	return len(page)
}

// scrapePast writes the series into the directory as if they had been scraped from then until then.
func scrapePast(b testing.TB, dir string, page []line, begin, until time.Time) {
	db, err := tsdb.Open(dir, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}()
	db.DisableCompactions()
	for at := begin; !at.After(until); at = at.Add(benchScrape) {
		app := db.Appender(b.Context())
		for i := range page {
			p := &page[i]
			value := p.value
			if p.counter { // it grows as it did in the cluster's first minute
				value *= 1 + at.Sub(begin).Minutes()
			}
			if p.ref, err = app.Append(p.ref, p.labels, at.UnixMilli(), value); err != nil {
				b.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

// line is one series of a page.
type line struct {
	labels  labels.Labels
	value   float64
	counter bool
	ref     storage.SeriesRef
}

func pageOf(b testing.TB, live *simulator.Live, host string) []line {
	w := httptest.NewRecorder()
	demoMetrics(live, host, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		b.Fatal(err)
	}
	var page []line
	for name, f := range families {
		for _, m := range f.Metric {
			l := labels.NewBuilder(labels.FromStrings("__name__", name, "instance", host+":9177", "job", "evenkeel-exporter"))
			for _, pair := range m.Label {
				l.Set(pair.GetName(), pair.GetValue())
			}
			page = append(page, line{labels: l.Labels(), value: m.Counter.GetValue() + m.Gauge.GetValue(), counter: m.Counter != nil})
		}
	}
	return page
}

package engine

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// compareInterval is the scrape interval of both in the comparison.
const compareInterval = 250 * time.Millisecond

// tolerance is by how much two values may differ: relatively, or in units of
// the value. Zero means that they must be equal.
type tolerance struct{ rel, abs float64 }

// The two scrape at different instants. What grows at a constant slope has the
// same slope for both, up to the jitter of a busy machine; its value differs by
// what it gains within an interval.
var (
	exact   = tolerance{}
	slope   = tolerance{rel: 0.05}
	instant = tolerance{abs: 2 * 3 * compareInterval.Seconds()} // at most 3 per second
)

// comparison is a PromQL expression that both are asked, at one instant and,
// if steady, over a range. An answer with no series at all must be announced.
type comparison struct {
	query  string
	within tolerance
	steady bool
	empty  bool
}

var comparisons = []comparison{
	{query: `up`, steady: true},
	{query: `count(test_requests_total)`, steady: true},
	{query: `sum by (zone) (test_memory_bytes)`, steady: true},
	{query: `sum without (vm) (test_memory_bytes)`, steady: true},
	{query: `avg(test_memory_bytes) / 2 ^ 20 % 7`, steady: true},
	{query: `stddev(test_memory_bytes)`, steady: true},
	{query: `quantile(0.3, test_memory_bytes)`, steady: true},
	{query: `topk(2, test_memory_bytes)`, steady: true},
	{query: `bottomk by (zone) (1, test_memory_bytes)`, steady: true},
	{query: `count_values("bytes", test_memory_bytes)`, steady: true},
	{query: `clamp_max(test_memory_bytes, 2e9) > bool 1.5e9`, steady: true},
	{query: `label_replace(test_memory_bytes, "short", "$1", "vm", "vm-(.*)")`, steady: true},
	{query: `label_join(test_memory_bytes, "both", "/", "zone", "vm")`, steady: true},
	{query: `last_over_time(test_memory_bytes[2s])`, steady: true},
	{query: `test_memory_bytes{vm=~"vm-[12]", zone!="b"} unless test_memory_bytes{vm="vm-1"}`, steady: true},
	{query: `test_memory_bytes offset 1s`},
	{query: `test_odd_values`, steady: true},
	{query: `test_text_info`, steady: true},
	{query: `absent(test_nothing{vm="x"})`, steady: true},
	{query: `absent(test_memory_bytes)`, steady: true, empty: true},
	{query: `test_nothing`, steady: true, empty: true},
	{query: `time()`, steady: true},
	{query: `vector(scalar(test_memory_bytes{vm="vm-1"}))`, steady: true},

	// Slopes: 10, 25, 70 and 200 per second.
	{query: `rate(test_requests_total[2s])`, within: slope, steady: true},
	{query: `sum by (zone) (rate(test_requests_total[2s]))`, within: slope, steady: true},
	{query: `topk(2, rate(test_requests_total[2s]))`, within: slope, steady: true},
	{query: `increase(test_requests_total[2s])`, within: slope, steady: true},
	{query: `irate(test_requests_total[2s])`, within: tolerance{rel: 0.2}},
	{query: `sum(rate(test_requests_total[2s])) / count(test_requests_total)`, within: slope, steady: true},
	{query: `deriv(test_temperature_celsius[2s])`, within: slope, steady: true},
	{query: `predict_linear(test_temperature_celsius[2s], 600)`, within: slope},
	{query: `test_temperature_celsius`, within: instant},
	{query: `max_over_time(test_temperature_celsius[2s])`, within: instant},
	{query: `avg_over_time(test_temperature_celsius[2s:500ms])`, within: instant},
	{query: `max_over_time(rate(test_requests_total[1s])[1s:250ms])`, within: tolerance{rel: 0.2}},
	{query: `time() - max by (job) (timestamp(test_memory_bytes))`, within: instant},
	{query: `histogram_quantile(0.9, sum by (le, zone) (rate(test_latency_seconds_bucket[2s])))`, within: slope, steady: true},
	{query: `histogram_quantile(0.5, rate(test_latency_seconds_bucket[2s]))`, within: slope, steady: true},
	{query: `rate(test_latency_seconds_sum[2s]) / rate(test_latency_seconds_count[2s])`, within: slope, steady: true},

	// What happened when the exporter changed its phase: a VM migrated, a
	// counter began anew, a series ended.
	{query: `resets(test_resets_total[1m])`},
	{query: `changes(test_phase[1m])`},
	{query: `test_phase`},
	{query: `test_vm_info`},
	{query: `count by (vm) (count_over_time(test_vm_info[1m]))`},
	{query: `test_memory_bytes * on (vm) group_left (host, name) test_vm_info`},
	{query: `test_ended`, empty: true},
	{query: `sum by (vm) (present_over_time(test_ended[1m]))`},
	{query: `max_over_time(test_state[1m]) - min_over_time(test_state[1m])`},
}

// changingExporter exports series of constant slope, and others that change
// once, when its phase does.
type changingExporter struct {
	mu      sync.Mutex
	began   time.Time
	changed time.Time // zero in the first phase
}

func (x *changingExporter) change() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.changed = time.Now()
}

func (x *changingExporter) metrics() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	s := now.Sub(x.began).Seconds()
	phase, host, resets := 0, "h1", 1000+5*s
	if !x.changed.IsZero() {
		phase, host, resets = 1, "h2", 5*now.Sub(x.changed).Seconds()
	}
	var b strings.Builder
	b.WriteString("# HELP test_requests_total Requests.\n# TYPE test_requests_total counter\n")
	for i, perSecond := range []float64{10, 25, 70, 200} {
		fmt.Fprintf(&b, "test_requests_total{vm=\"vm-%d\",zone=%q} %f\n", i+1, zone(i), 1e6+perSecond*s)
	}
	b.WriteString("# TYPE test_memory_bytes gauge\n")
	for i := range 4 {
		fmt.Fprintf(&b, "test_memory_bytes{vm=\"vm-%d\",zone=%q} %d\n", i+1, zone(i), (i+1)*1e9)
		fmt.Fprintf(&b, "test_temperature_celsius{vm=\"vm-%d\"} %f\n", i+1, float64(30*i)+float64(i)*s)
	}
	b.WriteString("# TYPE test_latency_seconds histogram\n")
	for i, z := range []string{"a", "b"} {
		for _, bucket := range []struct {
			le        string
			perSecond float64
		}{{"0.1", 50}, {"0.5", float64(80 + 10*i)}, {"2.5", 95}, {"+Inf", 100}} {
			fmt.Fprintf(&b, "test_latency_seconds_bucket{zone=%q,le=%q} %f\n", z, bucket.le, 1e6+bucket.perSecond*s)
		}
		fmt.Fprintf(&b, "test_latency_seconds_sum{zone=%q} %f\ntest_latency_seconds_count{zone=%q} %f\n", z, 1e6+30*s, z, 1e6+100*s)
	}
	fmt.Fprintf(&b, "test_resets_total %f\ntest_phase %d\n", resets, phase)
	fmt.Fprintf(&b, "test_vm_info{vm=\"vm-1\",host=%q,name=\"web\"} 1\ntest_vm_info{vm=\"vm-2\",host=\"h3\",name=\"db\"} 1\n", host)
	fmt.Fprintf(&b, "test_state{state=\"running\"} %d\ntest_state{state=\"paused\"} %d\n", phase, 1-phase)
	if phase == 0 {
		b.WriteString("test_ended{vm=\"vm-9\"} 1\n")
	}
	b.WriteString("test_odd_values{v=\"nan\"} NaN\ntest_odd_values{v=\"inf\"} -Inf\ntest_odd_values{v=\"tiny\"} 4.9e-324\n")
	b.WriteString("test_text_info{text=\"quote \\\" backslash \\\\ newline \\n umlaut ü\"} 1\n")
	return b.String()
}

func zone(vm int) string { return []string{"a", "a", "b", "b"}[vm] }

// TestLikeDebiansPrometheus lets the engine and Debian's Prometheus scrape one
// exporter and asks both the same, through the same client. It does not run
// beside the other tests, so that scrapes come in time.
func TestLikeDebiansPrometheus(t *testing.T) {
	source := &changingExporter{began: time.Now()}
	address := exporter(t, source.metrics)
	reference := startPrometheus(t, address)
	e := openEngine(t, Options{ScrapeInterval: compareInterval})
	if err := e.SetTargets([]Target{{Job: "test", Address: address, Labels: map[string]string{"rack": "A"}}}); err != nil {
		t.Fatal(err)
	}
	start(t, e)
	embedded := client(t, e)
	for _, c := range []promv1.API{reference, embedded} {
		eventually(t, c, `count(count_over_time(test_phase{rack="A"}[1m]) >= 3)`, `{} 1`)
	}
	source.change()
	// Five seconds of samples: windows of 2 s, a range of 2 s, and a second to
	// let everything settle that the common instant may see.
	enough := fmt.Sprintf(`count(count_over_time(test_phase[1m]) >= %d)`, int(5*time.Second/compareInterval))
	for _, c := range []promv1.API{reference, embedded} {
		eventually(t, c, enough, `{} 1`)
	}
	// A scrape that came late on a busy machine may spoil one instant. What
	// really differs differs at each.
	var differences []string
	for range 3 {
		at := time.Now().Add(-time.Second).Truncate(time.Millisecond)
		if differences = differ(t, reference, embedded, at); len(differences) == 0 {
			break
		}
		time.Sleep(time.Second)
	}
	for _, d := range differences {
		t.Error(d)
	}
	compareCatalogues(t, reference, embedded)
}

// differ asks both everything and returns what is not the same.
func differ(t *testing.T, reference, embedded promv1.API, at time.Time) (differences []string) {
	t.Helper()
	for _, q := range comparisons {
		ask := func(c promv1.API) (model.Value, error) {
			v, _, _, err := c.Query(t.Context(), q.query, at)
			return v, err
		}
		if err := askBoth(reference, embedded, ask, q); err != nil {
			differences = append(differences, fmt.Sprintf("%s at %s: %v", q.query, at, err))
		}
		if !q.steady {
			continue
		}
		ask = func(c promv1.API) (model.Value, error) {
			v, _, _, err := c.QueryRange(t.Context(), q.query, promv1.Range{Start: at.Add(-2 * time.Second), End: at, Step: 500 * time.Millisecond})
			return v, err
		}
		if err := askBoth(reference, embedded, ask, q); err != nil {
			differences = append(differences, fmt.Sprintf("%s over 2s until %s: %v", q.query, at, err))
		}
	}
	return differences
}

func askBoth(reference, embedded promv1.API, ask func(promv1.API) (model.Value, error), q comparison) error {
	want, err := ask(reference)
	if err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	got, err := ask(embedded)
	if err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	return compare(want, got, q.within, q.empty)
}

// compare returns how got differs from want. All kinds of values become lists
// of points by series, in order.
func compare(want, got model.Value, within tolerance, empty bool) error {
	w, g := points(want), points(got)
	if (len(w) == 0) != empty {
		return fmt.Errorf("the reference gives %d series, expected none: %t", len(w), empty)
	}
	if want.Type() != got.Type() {
		return fmt.Errorf("a %s instead of a %s", got.Type(), want.Type())
	}
	near := cmp.Comparer(func(a, b float64) bool { return within.holds(a, b) })
	if diff := cmp.Diff(w, g, near); diff != "" {
		return fmt.Errorf("reference (-) and embedded (+) differ by more than %+v:\n%s", within, diff)
	}
	return nil
}

func (t tolerance) holds(a, b float64) bool {
	if a == b || math.IsNaN(a) && math.IsNaN(b) {
		return true
	}
	return math.Abs(a-b) <= max(t.abs, t.rel*max(math.Abs(a), math.Abs(b)))
}

type point struct {
	At    model.Time
	Value float64
}

func points(v model.Value) map[string][]point {
	series := map[string][]point{}
	switch v := v.(type) {
	case *model.Scalar:
		series[""] = []point{{v.Timestamp, float64(v.Value)}}
	case model.Vector:
		for _, s := range v {
			series[s.Metric.String()] = append(series[s.Metric.String()], point{s.Timestamp, float64(s.Value)})
		}
	case model.Matrix:
		for _, s := range v {
			for _, p := range s.Values {
				series[s.Metric.String()] = append(series[s.Metric.String()], point{p.Timestamp, float64(p.Value)})
			}
		}
	}
	return series
}

// compareCatalogues compares what both say about series, labels and targets.
func compareCatalogues(t *testing.T, reference, embedded promv1.API) {
	t.Helper()
	ask := func(c promv1.API) (answers []any) {
		ctx, from, to := t.Context(), time.Now().Add(-time.Minute), time.Now()
		series, _, _, err := c.Series(ctx, []string{`{job="test"}`}, from, to)
		if err != nil {
			t.Fatal(err)
		}
		names, _, _, err := c.LabelNames(ctx, nil, from, to)
		if err != nil {
			t.Fatal(err)
		}
		values, _, _, err := c.LabelValues(ctx, "vm", []string{`test_memory_bytes`}, from, to)
		if err != nil {
			t.Fatal(err)
		}
		metadata, err := c.Metadata(ctx, "test_requests_total", "")
		if err != nil {
			t.Fatal(err)
		}
		targets, err := c.Targets(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, s := range series {
			lines = append(lines, s.String())
		}
		slices.Sort(lines)
		for _, a := range targets.Active {
			answers = append(answers, a.Labels, a.Health, a.LastError, a.ScrapePool)
		}
		return append(answers, lines, names, values, metadata)
	}
	if diff := cmp.Diff(ask(reference), ask(embedded)); diff != "" {
		t.Errorf("catalogues of reference (-) and embedded (+) differ:\n%s", diff)
	}
}

// startPrometheus runs Debian's Prometheus until the test ends.
func startPrometheus(t *testing.T, target string) promv1.API {
	t.Helper()
	const binary = "/usr/bin/prometheus"
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("the reference is missing, run: apt-get install prometheus (%v)", err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	config := fmt.Sprintf(`{global: {scrape_interval: %[1]s, scrape_timeout: %[1]s}, scrape_configs: [
		{job_name: test, static_configs: [{targets: [%[2]q], labels: {rack: A}}]}]}`, model.Duration(compareInterval), target)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	var log logBuffer
	cmd := exec.Command(binary, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of %s:\n%s", binary, log.String())
		}
	})
	c, err := api.NewClient(api.Config{Address: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	reference := promv1.NewAPI(c)
	poll(t, func() bool {
		_, err = reference.Buildinfo(context.Background())
		return err == nil
	}, func() string { return fmt.Sprintf("%s does not answer: %v\n%s", binary, err, log.String()) })
	return reference
}

// freeAddress returns an address that nobody listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestCompareFinds makes sure that the comparison above can fail.
func TestCompareFinds(t *testing.T) {
	t.Parallel()
	vector := func(vm string, at model.Time, v float64) model.Vector {
		return model.Vector{{Metric: model.Metric{"vm": model.LabelValue(vm)}, Timestamp: at, Value: model.SampleValue(v)}}
	}
	want := vector("a", 1000, 100)
	for name, test := range map[string]struct {
		got    model.Value
		within tolerance
		empty  bool
		same   bool
	}{
		"the same":               {got: vector("a", 1000, 100), same: true},
		"near enough":            {got: vector("a", 1000, 104), within: slope, same: true},
		"near enough in units":   {got: vector("a", 1000, 101), within: instant, same: true},
		"another value":          {got: vector("a", 1000, 100.001)},
		"a value too far":        {got: vector("a", 1000, 106), within: slope},
		"a value missing":        {got: vector("a", 1000, math.NaN()), within: slope},
		"another time":           {got: vector("a", 1001, 100), within: slope},
		"another series":         {got: vector("b", 1000, 100), within: slope},
		"one series more":        {got: append(vector("a", 1000, 100), vector("b", 1000, 100)...), within: slope},
		"no series":              {got: model.Vector{}, within: slope},
		"another type":           {got: model.Matrix{}, within: slope},
		"not empty, as expected": {got: vector("a", 1000, 100), empty: true},
	} {
		if err := compare(want, test.got, test.within, test.empty); (err == nil) != test.same {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := compare(model.Vector{}, model.Vector{}, exact, false); err == nil {
		t.Error("two unexpectedly empty answers pass for the same")
	}
}

package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/hypervisor"
	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/dashboards"
	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// vocabulary is which labels each metric has.
type vocabulary map[string][]string

// ofServer lists what a server can ever publish, by the descriptions in its registry: much is there only when something fails.
func (v vocabulary) ofServer(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bot.token"), "xoxb-0000000000000000")
	write(t, filepath.Join(dir, "app.token"), "xapp-0000000000000000")
	file := write(t, filepath.Join(dir, "evenkeel.yml"), oneHost+"slack: {bot_token_file: bot.token, app_token_file: app.token, channel: C1, approvers: [{user: U1, name: ada}]}\n")
	n, err := buildNode(serverFlags{web: command.Web{Listen: []string{"127.0.0.1:0"}}, config: file, storage: filepath.Join(dir, "data")}, hypervisor.New(nil, hypervisor.Options{}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	}()
	descs := make(chan *prometheus.Desc)
	go func() {
		n.registry.Describe(descs)
		n.leads.Load().registry.Describe(descs)
		close(descs)
	}()
	form := regexp.MustCompile(`(?s)^Desc\{fqName: "(\w+)", .* constLabels: \{(.*?)\}, variableLabels: \{(.*)\}\}$`)
	for d := range descs {
		part := form.FindStringSubmatch(d.String())
		if part == nil {
			t.Fatalf("%s is not written as expected", d)
		}
		var labels []string
		for _, l := range strings.Split(part[2]+","+part[3], ",") {
			if name, _, _ := strings.Cut(l, "="); name != "" {
				labels = append(labels, name)
			}
		}
		for _, suffix := range []string{"", "_sum", "_count"} {
			v[part[1]+suffix] = labels
		}
		v[part[1]+"_bucket"] = append(slices.Clone(labels), "le")
	}
}

// ofExporter lists what the exporter publishes, by its golden page.
func (v vocabulary) ofExporter(t *testing.T) {
	t.Helper()
	page, err := os.Open(filepath.Join("..", "..", "exporter", "testdata", "metrics.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close() //nolint:errcheck // it was only read
	text := expfmt.NewTextParser(model.UTF8Validation)
	families, err := text.TextToMetricFamilies(page)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			v[name] = append(v[name], labelNames(m)...)
		}
	}
}

// strangers says which metrics and labels of an expression nobody publishes. The labels that it gives are added under the name that the
// expression is recorded as.
func (v vocabulary) strangers(expr, record string) ([]string, error) {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return nil, err
	}
	var found []string
	known := []string{"instance", "job"} // Prometheus' own
	parser.Inspect(tree, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			labels, ok := v[n.Name]
			if !ok {
				found = append(found, "metric "+n.Name)
			}
			for _, m := range n.LabelMatchers {
				if m.Name != model.MetricNameLabel && !slices.Contains(labels, m.Name) && m.Name != "instance" && m.Name != "job" {
					found = append(found, fmt.Sprintf("label %s of %s", m.Name, n.Name))
				}
			}
			known = append(known, labels...)
		case *parser.Call:
			if n.Func.Name == "label_replace" {
				if made, ok := n.Args[1].(*parser.StringLiteral); ok {
					known = append(known, made.Val)
				}
			}
		}
		return nil
	})
	used := func(labels []string) {
		for _, l := range labels {
			if !slices.Contains(known, l) {
				found = append(found, "label "+l)
			}
		}
	}
	parser.Inspect(tree, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.AggregateExpr:
			used(n.Grouping)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				used(n.VectorMatching.MatchingLabels)
				used(n.VectorMatching.Include)
			}
		}
		return nil
	})
	if record != "" {
		v[record] = known
	}
	return found, nil
}

func everything(t *testing.T) vocabulary {
	t.Helper()
	v := vocabulary{"up": nil, "scrape_duration_seconds": nil, "scrape_samples_scraped": nil}
	v.ofServer(t)
	v.ofExporter(t)
	return v
}

func TestAnUnknownNameIsFound(t *testing.T) {
	v := everything(t)
	for expr, want := range map[string]string{
		`evenkeel_host_cpus == 0`:                                                        "",
		`evenkeel_recovery_stuck{cause="host-off"}`:                                      "",
		`rate(evenkeel_analyzer_pass_duration_seconds_sum[5m])`:                          "",
		`label_replace(evenkeel_recovery_stuck, "host", "$1", "subject", "(.*)") == 1`:   "",
		`evenkeel_host_cpu == 0`:                                                         "metric evenkeel_host_cpu",
		`evenkeel_host_cpus{node="h1"}`:                                                  "label node of evenkeel_host_cpus",
		`sum by (node) (evenkeel_host_cpus)`:                                             "label node",
		`evenkeel_host_cpus * on (vm) evenkeel_host_memory_bytes`:                        "label vm",
		`evenkeel_host_cpus * on (host) group_left (name) evenkeel_host_maintenance`:     "label name",
		`evenkeel_earned_level{kind="balance"} < max_over_time(evenkeel_earned[6h])`:     "label kind of evenkeel_earned_level, metric evenkeel_earned",
		`count without (case) (evenkeel_failover_ok{case_kind="host", subject="h1"})`:    "label case",
		`histogram_quantile(0.9, evenkeel_analyzer_pass_duration_seconds_bucket{le=""})`: "",
	} {
		found, err := v.strangers(expr, "")
		if err != nil || strings.Join(found, ", ") != want {
			t.Errorf("%s: it finds %q, %v; want %q", expr, found, err, want)
		}
	}
}

// Every metric and label that a panel asks for is one that the exporters or the server publish, or Prometheus itself for each target.
func TestTheDashboardsAskForWhatIsPublished(t *testing.T) {
	v := everything(t)
	all, err := dashboards.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		for _, q := range questions(t, d) {
			strange, err := v.strangers(strings.NewReplacer("$__range_s", "60", "$__range", "1m", "$__rate_interval", "1m").Replace(q.Expr), "")
			if err != nil {
				t.Errorf("%s: %v", q.Where, err)
			}
			for _, s := range strange {
				t.Errorf("%s: %s: nobody publishes that", q.Where, s)
			}
		}
	}
}

// heard is a Prometheus that holds nothing and remembers what it was asked.
type heard struct {
	mu      sync.Mutex
	queries map[string]bool
}

// RoundTrip is part of http.RoundTripper.
func (h *heard) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.queries[r.Form.Get("query")] = true
	kind := "vector"
	if strings.HasSuffix(r.Form.Get("query"), "]") || strings.HasSuffix(r.URL.Path, "/query_range") {
		kind = "matrix"
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{"status":"success","data":{"resultType":"` + kind + `","result":[]}}`))}, nil
}

// What the analyzer asks for is published too. Of physical machines it asks node_exporter, which another test does with a real one.
func TestTheAnalyzerAsksForWhatIsPublished(t *testing.T) {
	v := everything(t)
	for _, name := range []string{"node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes", "node_cpu_seconds_total", "node_pressure_cpu_waiting_seconds_total", "node_pressure_memory_waiting_seconds_total", "node_pressure_io_waiting_seconds_total"} {
		v[name] = []string{"cpu", "mode"}
	}
	c := config.Default()
	c.Cluster, c.Power.Advise, c.Machines = "test", true, []config.Machine{{Name: "storage", Instance: "storage:9100"}}
	h := &heard{queries: map[string]bool{}}
	source, err := promql.New("http://nobody.invalid", h, sourceOptions(c))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	_, err = source.Snapshot(t.Context(), now)
	if err != nil {
		t.Error(err)
	}
	if _, err := source.Signs(t.Context(), now); err != nil {
		t.Error(err)
	}
	if _, err := source.Usage(t.Context(), now, 7*24*time.Hour); err != nil {
		t.Error(err)
	}
	if _, err := source.Moves(t.Context(), now.Add(-time.Hour), now, ""); err != nil {
		t.Error(err)
	}
	if _, err := source.Moves(t.Context(), now.Add(-time.Hour), now, "a"); err != nil {
		t.Error(err)
	}
	if _, err := source.Guests(t.Context(), now, time.Minute, []string{"a"}); err != nil {
		t.Error(err)
	}
	for _, subject := range []string{"cluster", "host/h1", "vm/a"} {
		if _, err := source.Trends(t.Context(), subject, now.Add(-time.Hour), now); err != nil {
			t.Error(err)
		}
	}
	if len(h.queries) < 80 {
		t.Errorf("it asked only %d times", len(h.queries))
	}
	for query := range h.queries {
		strange, err := v.strangers(query, "")
		if err != nil {
			t.Errorf("%s: %v", query, err)
		}
		for _, s := range strange {
			t.Errorf("%s: %s: nobody publishes that", query, s)
		}
	}
}

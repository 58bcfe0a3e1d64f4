package main

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/actuator/hypervisor"
	"github.com/evenkeel/evenkeel/alerts"
	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
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
	s, err := buildServer(serverFlags{web: command.Web{Listen: []string{"127.0.0.1:0"}}, config: file, storage: filepath.Join(dir, "data")}, hypervisor.New(nil, hypervisor.Options{}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		s.driver.Close()
		if err := s.kept.Close(); err != nil {
			t.Error(err)
		}
		if err := s.journal.Close(); err != nil {
			t.Error(err)
		}
	}()
	descs := make(chan *prometheus.Desc)
	go func() {
		s.registry.Describe(descs)
		close(descs)
	}()
	form := regexp.MustCompile(`(?s)^Desc\{fqName: "(\w+)", .* variableLabels: \{(.*)\}\}$`)
	for d := range descs {
		part := form.FindStringSubmatch(d.String())
		if part == nil {
			t.Fatalf("%s is not written as expected", d)
		}
		var labels []string
		if part[2] != "" {
			labels = strings.Split(part[2], ",")
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
	v := vocabulary{"up": nil}
	v.ofServer(t)
	v.ofExporter(t)
	return v
}

type alertRule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

// rulesOf reads every rule.
func rulesOf(t *testing.T) []alertRule {
	t.Helper()
	files, err := fs.Glob(alerts.Files, "*.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules []alertRule
	for _, name := range files {
		text, err := fs.ReadFile(alerts.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Groups []struct{ Rules []alertRule }
		}
		if err := yaml.Unmarshal(text, &f); err != nil {
			t.Fatal(err)
		}
		for _, g := range f.Groups {
			rules = append(rules, g.Rules...)
		}
	}
	return rules
}

// rulesHold wants a server's own Prometheus to evaluate every rule on a cluster that does well, and nothing to wake anybody.
func rulesHold(t *testing.T, server string) {
	t.Helper()
	for _, r := range rulesOf(t) {
		_, body, err := fetch(http.DefaultClient, server+"/prometheus/api/v1/query?query="+url.QueryEscape(r.Expr), "")
		if err != nil || !strings.Contains(body, `"status":"success"`) {
			t.Errorf("%s%s: %v %s", r.Record, r.Alert, err, body)
		}
		if r.Labels["severity"] == "critical" && !strings.Contains(body, `"result":[]`) {
			t.Errorf("%s fires: %s", r.Alert, body)
		}
	}
}

func TestRulesNameOnlyWhatIsPublished(t *testing.T) {
	v, rules := everything(t), rulesOf(t)
	// What is recorded is known before what uses it.
	slices.SortStableFunc(rules, func(x, y alertRule) int { return strings.Compare(x.Alert, y.Alert) })
	shown := regexp.MustCompile(`\$labels\.(\w+)`)
	for _, r := range rules {
		strange, err := v.strangers(r.Expr, r.Record+r.Alert)
		if err != nil {
			t.Errorf("%s%s: %v", r.Record, r.Alert, err)
		}
		for _, s := range strange {
			t.Errorf("%s%s: %s: nobody publishes that", r.Record, r.Alert, s)
		}
		for _, text := range r.Annotations {
			for _, label := range shown.FindAllStringSubmatch(text, -1) {
				if !slices.Contains(v[r.Alert], label[1]) {
					t.Errorf("%s: its annotations show the label %s, which its expression does not have", r.Alert, label[1])
				}
			}
		}
	}
	if len(rules) < 50 {
		t.Errorf("only %d rules were read", len(rules))
	}
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

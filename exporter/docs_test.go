package exporter

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// docs writes docs/metrics.md out of the metrics' own words, between two parts that people wrote.
func docs(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	part := func(name string) {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	part("metrics_head.md")
	all := families()
	all = append(all, family{name: "the exporter itself", metrics: newOwn().metrics()})
	for _, f := range all {
		fmt.Fprintf(&b, "\n### %s\n\n| metric | type | labels | unit | what | from | on |\n|---|---|---|---|---|---|---|\n", f.name)
		for _, m := range f.metrics {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", m.name, kindName(m), strings.Join(m.labels, ", "), m.unit, m.help, m.source, m.on)
		}
	}
	part("metrics_tail.md")
	return b.String()
}

func kindName(m *metric) string {
	if m.kind == dto.MetricType_COUNTER {
		return "counter"
	}
	return "gauge"
}

func TestTheDocumentationIsUpToDate(t *testing.T) {
	golden(t, filepath.Join("..", "docs", "metrics.md"), docs(t))
}

// The golden page has every metric that is documented, with the labels and the type that are
// documented, and no other.
func TestDocumentationAndPageAgree(t *testing.T) {
	types, labels := map[string]string{}, map[string]string{}
	for _, l := range strings.Split(whole(t), "\n") {
		if rest, ok := strings.CutPrefix(l, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			types[name] = kind
		} else if name, rest, ok := strings.Cut(l, "{"); ok {
			labels[name] = labelNames(rest)
		}
	}
	documented := map[string]bool{}
	for _, l := range strings.Split(docs(t), "\n") {
		cells := strings.Split(l, " | ")
		name := strings.Trim(strings.TrimPrefix(cells[0], "| "), "`")
		if len(cells) != 7 || !strings.HasPrefix(name, "evenkeel_") {
			continue
		}
		documented[name] = true
		if types[name] != cells[1] || labels[name] != cells[2] {
			t.Errorf("%s is documented as a %s with labels %q; on the page it is a %s with %q", name, cells[1], cells[2], types[name], labels[name])
		}
	}
	for name := range types {
		if !documented[name] {
			t.Errorf("%s is on the page and not documented", name)
		}
	}
	if len(documented) < 150 {
		t.Errorf("only %d metrics are documented: is the table read at all?", len(documented))
	}
}

func labelNames(series string) string {
	var names []string
	for _, part := range strings.Split(series, `="`) {
		at := max(strings.LastIndex(part, ","), -1)
		if name := part[at+1:]; !strings.ContainsAny(name, `"} `) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// A number whose unit is told stands in base units, with the unit in its name.
func TestUnitsStandInTheNames(t *testing.T) {
	for _, f := range families() {
		for _, m := range f.metrics {
			if m.unit != "" && !strings.Contains(m.name, m.unit) {
				t.Errorf("%s is in %s and does not say so", m.name, m.unit)
			}
			if !strings.HasPrefix(m.name, "evenkeel_") || m.help == "" || m.source == "" || m.on == "" {
				t.Errorf("%s lacks its prefix, help, source or hypervisors", m.name)
			}
		}
	}
}

package main

import (
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/alerts"
	"go.yaml.in/yaml/v3"
)

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

package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Alertmanager says whose notifications are taken.
type Alertmanager struct {
	// TokenFile holds the token that they come with; without it none is taken.
	TokenFile string `yaml:"token_file"`
}

// Runbook is what is to be done about an alert.
type Runbook struct {
	Name string `yaml:"name"`
	// Match is a series selector of PromQL, by labels of the alert.
	Match       string      `yaml:"match"`
	DryRun      bool        `yaml:"dry_run"`
	BlastRadius BlastRadius `yaml:"blast_radius"`
	// The labels of the alert that hold the VM's UUID, the host and the VM's name.
	VMLabel   string        `yaml:"vm_label"`
	HostLabel string        `yaml:"host_label"`
	NameLabel string        `yaml:"name_label"`
	Steps     []RunbookStep `yaml:"steps"`
}

// BlastRadius bounds how much of a runbook happens at once.
type BlastRadius struct {
	// AtOnce is how many runs may be under way, PerHour how many may begin in an hour.
	AtOnce  int `yaml:"at_once"`
	PerHour int `yaml:"per_hour"`
	// Alerts is how many may match at the same time for anything to be done at all.
	Alerts int `yaml:"alerts"`
}

// RunbookStep is one step: one of its keys is given.
type RunbookStep struct {
	Restart     *struct{}     `yaml:"restart"`
	Reset       *struct{}     `yaml:"reset"`
	Resume      *struct{}     `yaml:"resume"`
	Shutdown    *struct{}     `yaml:"shutdown"`
	Evacuate    *EvacuateStep `yaml:"evacuate"`
	Maintenance *struct{}     `yaml:"maintenance"`
	Notify      *NotifyStep   `yaml:"notify"`
	Wait        *WaitStep     `yaml:"wait"`
}

// EvacuateStep puts a host into maintenance for a time, and waits until it is empty.
type EvacuateStep struct {
	For     Duration `yaml:"for"`
	Timeout Duration `yaml:"timeout"`
}

// NotifyStep tells people something: a template over the alert's labels.
type NotifyStep struct {
	Text string `yaml:"text"`
}

// WaitStep waits until a query has had a sample that is not zero for a time.
type WaitStep struct {
	Query   string   `yaml:"query"`
	For     Duration `yaml:"for"`
	Timeout Duration `yaml:"timeout"`
}

// Kinds are the keys of the step that are given.
func (s RunbookStep) Kinds() []string {
	var kinds []string
	for _, k := range []struct {
		name  string
		given bool
	}{{"restart", s.Restart != nil}, {"reset", s.Reset != nil}, {"resume", s.Resume != nil}, {"shutdown", s.Shutdown != nil},
		{"evacuate", s.Evacuate != nil}, {"maintenance", s.Maintenance != nil}, {"notify", s.Notify != nil}, {"wait", s.Wait != nil}} {
		if k.given {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

// Matchers returns what the alert's labels must be.
func (r Runbook) Matchers() ([]*labels.Matcher, error) {
	list, err := parser.NewParser(parser.Options{}).ParseMetricSelector(r.Match)
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		if m.Name == model.MetricNameLabel {
			return nil, fmt.Errorf("an alert has no metric name; write {alertname=%q}", m.Value)
		}
	}
	if !slices.ContainsFunc(list, func(m *labels.Matcher) bool { return !m.Matches("") }) {
		return nil, fmt.Errorf("it matches every alert; name at least one label that must be there")
	}
	return list, nil
}

// fill puts the defaults where nothing is given.
func (r *Runbook) fill() {
	b := &r.BlastRadius
	b.AtOnce, b.PerHour, b.Alerts = cmp.Or(b.AtOnce, 1), cmp.Or(b.PerHour, 5), cmp.Or(b.Alerts, 3)
	r.VMLabel, r.HostLabel, r.NameLabel = cmp.Or(r.VMLabel, "vm"), cmp.Or(r.HostLabel, "host"), cmp.Or(r.NameLabel, "name")
	for i := range r.Steps {
		if e := r.Steps[i].Evacuate; e != nil {
			e.For, e.Timeout = cmp.Or(e.For, Duration(2*time.Hour)), cmp.Or(e.Timeout, Duration(30*time.Minute))
		}
		if w := r.Steps[i].Wait; w != nil {
			w.Timeout = cmp.Or(w.Timeout, Duration(5*time.Minute))
		}
	}
}

// maxStep is how long a step may wait: a run that hangs about is none that anybody counts on.
const maxStep = Duration(24 * time.Hour)

func (c Config) checkRunbooks(p *problems) {
	seen := map[string]bool{}
	for i, r := range c.Runbooks {
		key := fmt.Sprintf("runbooks[%d]", i)
		p.add(r.Name == "" || seen[r.Name], key+".name", "is missing or stands twice; it is what the journal and people call it by")
		seen[r.Name] = true
		p.add(r.Match == "", key+".match", "is missing; write the alerts' labels as PromQL selects series, for example {alertname=\"VMHung\"}")
		_, err := r.Matchers()
		p.add(r.Match != "" && err != nil, key+".match", "%q cannot be used: %v", r.Match, err)
		for name, n := range map[string]int{"at_once": r.BlastRadius.AtOnce, "per_hour": r.BlastRadius.PerHour, "alerts": r.BlastRadius.Alerts} {
			p.add(n < 1, key+".blast_radius."+name, "is %d; the least is 1, and a runbook that is to do nothing has dry_run: true", n)
		}
		p.add(len(r.Steps) == 0, key+".steps", "is empty; give at least one step, for example notify")
		for j, s := range r.Steps {
			s.check(p, fmt.Sprintf("%s.steps[%d]", key, j), time.Duration(c.Analysis.RecommendationLifetime))
		}
	}
}

// check looks at one step; lifetime is how long an approval can take.
func (s RunbookStep) check(p *problems, key string, lifetime time.Duration) {
	if kinds := s.Kinds(); len(kinds) != 1 {
		p.add(true, key, "has %d of the keys restart, reset, resume, shutdown, evacuate, maintenance, notify and wait, and needs exactly one; write for example restart: {}", len(kinds))
		return
	}
	if e := s.Evacuate; e != nil {
		p.add(time.Duration(e.For) <= lifetime, key+".evacuate.for", "is %s; it must be longer than analysis.recommendation_lifetime (%s), for it counts from when it is asked for", time.Duration(e.For), lifetime)
		p.add(e.Timeout < Duration(time.Second) || e.Timeout > maxStep, key+".evacuate.timeout", "is %s; it runs from 1s to 1d", time.Duration(e.Timeout))
	}
	if n := s.Notify; n != nil {
		_, err := rendered(n.Text)
		p.add(n.Text == "", key+".notify.text", "is missing; write for example \"{{.name}} on {{.host}} hangs\"")
		p.add(err != nil, key+".notify.text", "is no template: %v; labels of the alert stand in it as {{.name}}", err)
	}
	if w := s.Wait; w != nil {
		query, err := rendered(w.Query)
		if err == nil {
			_, err = parser.NewParser(parser.Options{}).ParseExpr(query)
		}
		p.add(err != nil, key+".wait.query", "cannot be used: %v; write PromQL, with labels of the alert for example as vm=\"{{.vm}}\"", err)
		p.add(w.Timeout < Duration(time.Second) || w.Timeout > maxStep, key+".wait.timeout", "is %s; it runs from 1s to 1d", time.Duration(w.Timeout))
		p.add(w.For < 0 || w.For >= w.Timeout, key+".wait.for", "is %s; it must be shorter than the timeout (%s)", time.Duration(w.For), time.Duration(w.Timeout))
	}
}

// word is what may be the name of a label in a template.
var word = regexp.MustCompile(`\.([a-zA-Z_][a-zA-Z0-9_]*)`)

// rendered fills a template in with a value for every label that it names.
func rendered(text string) (string, error) {
	t, err := template.New("").Parse(text)
	if err != nil {
		return "", err
	}
	values := map[string]string{}
	for _, m := range word.FindAllStringSubmatch(text, -1) {
		values[m[1]] = "x"
	}
	var out strings.Builder
	if err := t.Execute(&out, values); err != nil {
		return "", err
	}
	return out.String(), nil
}

// ReadToken returns the webhook's token, or "" where none is configured.
func (a Alertmanager) ReadToken() (string, error) {
	if a.TokenFile == "" {
		return "", nil
	}
	return Token{File: a.TokenFile}.Read()
}

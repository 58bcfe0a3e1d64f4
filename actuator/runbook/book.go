package runbook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/prometheus/model/labels"
)

// The kinds of step, as the configuration calls them.
const (
	Restart     = "restart"
	Reset       = "reset"
	Resume      = "resume"
	Shutdown    = "shutdown"
	Evacuate    = "evacuate"
	Maintenance = "maintenance"
	Notify      = "notify"
	Wait        = "wait"
)

// Runbook is what is to be done about an alert.
type Runbook struct {
	Name string
	// Match is what the alert's labels must be.
	Match []*labels.Matcher
	// DryRun has no step change anything.
	DryRun bool
	// AtOnce is how many runs may be under way, PerHour how many may begin in an hour. With more than Alerts that match at the
	// same time nothing is done at all.
	AtOnce, PerHour, Alerts int
	// The labels that hold the VM's UUID, the host and the VM's name.
	VMLabel, HostLabel, NameLabel string
	Steps                         []Step
}

// Step is one step of a runbook.
type Step struct {
	Kind string
	// For is how long a host is kept empty, or how long a condition must hold; Timeout is how long that may take to come.
	For, Timeout time.Duration
	// Text is a template of what is told, or of the query that is waited for.
	Text string
}

// book is a runbook that is ready for use.
type book struct {
	Runbook
	definition string
	texts      []*template.Template // by step, nil where it has none
}

// compile prepares a runbook.
func compile(one Runbook) (book, error) {
	b := book{Runbook: one, texts: make([]*template.Template, len(one.Steps))}
	if one.Name == "" || len(one.Match) == 0 || len(one.Steps) == 0 {
		return b, errors.New("it has no name, matches nothing or has no steps")
	}
	text := fmt.Sprintf("%q %q %q %q %q", one.Name, fmt.Sprint(one.Match), one.VMLabel, one.HostLabel, one.NameLabel)
	for i, s := range one.Steps {
		text += fmt.Sprintf(" %+q", fmt.Sprintf("%+v", s))
		if s.Text == "" {
			continue
		}
		missing := "missingkey=zero"
		if s.Kind == Wait {
			missing = "missingkey=error" // a query that lacks a label would ask about something else
		}
		t, err := template.New(s.Kind).Option(missing).Parse(s.Text)
		if err != nil {
			return b, fmt.Errorf("step %d (%s): %w", i+1, s.Kind, err)
		}
		b.texts[i] = t
	}
	sum := sha256.Sum256([]byte(text))
	b.definition = hex.EncodeToString(sum[:6])
	return b, nil
}

// matches tells whether the runbook is for an alert with these labels.
func (b book) matches(alert map[string]string) bool {
	return !slices.ContainsFunc(b.Match, func(m *labels.Matcher) bool { return !m.Matches(alert[m.Name]) })
}

// lacks says what an alert does not tell that a step needs, or "".
func (b book) lacks(alert map[string]string) string {
	for i, s := range b.Steps {
		switch kind := s.action(); {
		case kind == cluster.KindNone:
		case kind != cluster.Maintenance && alert[b.VMLabel] == "":
			return fmt.Sprintf("step %d (%s) is done to a VM, and the alert has no label %s with its UUID", i+1, s.Kind, b.VMLabel)
		case alert[b.VMLabel] == "" && alert[b.HostLabel] == "":
			return fmt.Sprintf("step %d (%s) is done to a host, and the alert has neither a label %s nor a label %s", i+1, s.Kind, b.HostLabel, b.VMLabel)
		}
	}
	return ""
}

// action is the kind of action that the step asks for, or none.
func (s Step) action() cluster.Kind {
	return map[string]cluster.Kind{Restart: cluster.Start, Reset: cluster.Reset, Resume: cluster.Resume, Shutdown: cluster.Shutdown,
		Evacuate: cluster.Maintenance, Maintenance: cluster.Maintenance}[s.Kind]
}

// wanted is the action that the step asks for about what the run is about.
func (s Step) wanted(run cluster.Run, now time.Time) cluster.Action {
	a := cluster.Action{Kind: s.action()}
	if a.Kind != cluster.Maintenance {
		a.VM = run.VM
		return a
	}
	a.From = run.Host
	if s.For > 0 {
		a.Until = now.Add(s.For).Truncate(time.Second)
	}
	return a
}

// words are what templates may use: the alert's labels and, in their places, what the run found them to mean.
func words(run cluster.Run) map[string]string {
	w := map[string]string{}
	for name, value := range run.Alert {
		w[name] = value
	}
	for name, value := range map[string]string{"vm": run.VM, "name": run.Name, "host": run.Host} {
		if value != "" {
			w[name] = value
		}
	}
	return w
}

// say fills in a template.
func (b book) say(step int, w map[string]string) (string, error) {
	var text strings.Builder
	if err := b.texts[step].Execute(&text, w); err != nil {
		return "", err
	}
	return text.String(), nil
}

// query fills in a query. Labels are what others wrote: inside quotes none of them can end the quotes.
func (b book) query(step int, run cluster.Run) (string, error) {
	w := words(run)
	for name, value := range w {
		w[name] = strings.NewReplacer(`\`, `\\`, `"`, `\x22`, `'`, `\x27`, "`", "", "\n", `\n`).Replace(value)
	}
	return b.say(step, w)
}

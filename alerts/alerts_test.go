package alerts

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// rule is a rule as its file has it.
type rule struct {
	Record, Alert, Expr string
	For                 string
	Labels, Annotations map[string]string
}

// testFile is what promtool test rules reads, as far as it says which alerts are expected when.
type testFile struct {
	Tests []struct {
		Cases []testCase `yaml:"alert_rule_test"`
	}
}

type testCase struct {
	Alert string           `yaml:"alertname"`
	At    string           `yaml:"eval_time"`
	Fires []map[string]any `yaml:"exp_alerts"`
}

// rulesIn reads all rule files of a directory.
func rulesIn(files fs.FS) ([]rule, error) {
	names, err := fs.Glob(files, "*.yml")
	if err == nil && len(names) == 0 {
		err = errors.New("there is no rule file")
	}
	var all []rule
	for _, name := range names {
		text, readErr := fs.ReadFile(files, name)
		var f struct{ Groups []struct{ Rules []rule } }
		err = errors.Join(err, readErr, yaml.Unmarshal(text, &f))
		for _, g := range f.Groups {
			all = append(all, g.Rules...)
		}
	}
	return all, err
}

// casesIn reads all test files of a directory.
func casesIn(files fs.FS) ([]testCase, error) {
	names, err := fs.Glob(files, "*.yml")
	var all []testCase
	for _, name := range names {
		text, readErr := fs.ReadFile(files, name)
		var f testFile
		err = errors.Join(err, readErr, yaml.Unmarshal(text, &f))
		for _, t := range f.Tests {
			all = append(all, t.Cases...)
		}
	}
	return all, err
}

const runbooks = "https://github.com/evenkeel/evenkeel/blob/main/docs/runbooks/"

// kebab is an alert's name as its runbook has it: EvenkeelVMDown is vm-down.
func kebab(alert string) string {
	name := strings.TrimPrefix(alert, "Evenkeel")
	name = regexp.MustCompile(`([a-z0-9])([A-Z])`).ReplaceAllString(name, "$1-$2")
	return strings.ToLower(regexp.MustCompile(`([A-Z]+)([A-Z][a-z])`).ReplaceAllString(name, "$1-$2"))
}

// faults says what an alert lacks.
func faults(r rule, cases []testCase, runbook func(name string) bool) []string {
	var found []string
	lack := func(what string, ok bool) {
		if !ok {
			found = append(found, r.Alert+": "+what)
		}
	}
	lack("its severity is none of critical, warning, info and none", slices.Contains([]string{"critical", "warning", "info", "none"}, r.Labels["severity"]))
	lack("it has no summary", r.Annotations["summary"] != "")
	said := r.Annotations["description"]
	lack("its description has no number, value or label", regexp.MustCompile(`\$value|\$labels\.|\d`).MatchString(said))
	want := kebab(r.Alert) + ".md"
	lack("its runbook_url is not "+runbooks+want, r.Annotations["runbook_url"] == runbooks+want)
	lack("there is no docs/runbooks/"+want, runbook(want))
	lack("its dashboard is no path of evenkeel's", regexp.MustCompile(`^/d/evenkeel-(cluster|host\?var-host=.+|vm\?var-vm=.+|actions|failures|power|capacity|self)$`).MatchString(r.Annotations["dashboard"]))
	fires, quiet := false, false
	for _, c := range cases {
		if c.Alert == r.Alert {
			fires = fires || len(c.Fires) > 0
			quiet = quiet || len(c.Fires) == 0
		}
	}
	lack("no test has it firing", fires)
	lack("no test has it not firing", quiet || r.Alert == "EvenkeelWatchdog") // which always fires
	return found
}

func runbook(name string) bool {
	_, err := os.Stat(filepath.Join("..", "docs", "runbooks", name))
	return err == nil
}

func TestEveryAlertIsTestedAndExplained(t *testing.T) {
	rules, err := rulesIn(Files)
	if err != nil {
		t.Fatal(err)
	}
	cases, err := casesIn(os.DirFS("tests"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, r := range rules {
		if r.Alert == "" {
			continue
		}
		if names[r.Alert] {
			t.Errorf("%s is there twice", r.Alert)
		}
		names[r.Alert] = true
		for _, f := range faults(r, cases, runbook) {
			t.Error(f)
		}
	}
	listed, err := os.ReadFile(filepath.Join("..", "docs", "alerts.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if r.Alert != "" && !bytes.Contains(listed, fmt.Appendf(nil, "| [%s](runbooks/%s.md) | %s |", r.Alert, kebab(r.Alert), r.Labels["severity"])) {
			t.Errorf("%s is not in docs/alerts.md as %s", r.Alert, r.Labels["severity"])
		}
		if r.Record != "" && !bytes.Contains(listed, []byte("| `"+r.Record+"` |")) {
			t.Errorf("%s is not in docs/alerts.md", r.Record)
		}
	}
	for _, c := range cases {
		if !names[c.Alert] {
			t.Errorf("%s is tested and does not exist", c.Alert)
		}
	}
}

// What the test above is for must make it fail.
func TestAnAlertThatLacksSomethingIsFound(t *testing.T) {
	good := rule{Alert: "EvenkeelVMDown", Labels: map[string]string{"severity": "critical"}, Annotations: map[string]string{
		"summary": "down", "description": "for {{ $value }}", "runbook_url": runbooks + "vm-down.md", "dashboard": "/d/evenkeel-vm?var-vm={{ $labels.name }}"}}
	tested := []testCase{{Alert: good.Alert, Fires: []map[string]any{{}}}, {Alert: good.Alert}}
	if found := faults(good, tested, runbook); len(found) > 0 {
		t.Errorf("nothing is wrong, and it finds %v", found)
	}
	without := func(key, value string) rule {
		r := good
		r.Annotations = map[string]string{}
		for k, v := range good.Annotations {
			r.Annotations[k] = v
		}
		r.Annotations[key] = value
		return r
	}
	grave := good
	grave.Labels = map[string]string{"severity": "grave"}
	for want, found := range map[string][]string{
		"severity":           faults(grave, tested, runbook),
		"no summary":         faults(without("summary", ""), tested, runbook),
		"no number":          faults(without("description", "It is down."), tested, runbook),
		"runbook_url":        faults(without("runbook_url", runbooks+"other.md"), tested, runbook),
		"there is no docs":   faults(good, tested, func(string) bool { return false }),
		"dashboard":          faults(without("dashboard", "/d/other"), tested, runbook),
		"has it firing":      faults(good, tested[1:], runbook),
		"has it not firing":  faults(good, tested[:1], runbook),
		"no test has it not": faults(good, append(tested[:1:1], testCase{Alert: "EvenkeelVMHung"}), runbook),
	} {
		if len(found) != 1 || !strings.Contains(found[0], want) {
			t.Errorf("%s: it finds %v", want, found)
		}
	}
}

// promtool runs Prometheus' own tool, that of Debian 12, so that the rules can be loaded there.
func promtool(args ...string) error {
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("promtool (Debian package prometheus) %v: %w\n%s", args, err, bytes.TrimSpace(out))
	}
	return nil
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(names), err)
	}
	return names
}

func TestPrometheusTakesTheRules(t *testing.T) {
	if err := promtool(append([]string{"check", "rules", "--lint-fatal"}, files(t, "*.yml")...)...); err != nil {
		t.Error(err)
	}
}

func TestAlertsFireWhenTheyShould(t *testing.T) {
	for _, name := range files(t, "tests/*.yml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			if err := promtool("test", "rules", name); err != nil {
				t.Error(err)
			}
		})
	}
}

// A rule that says something else than its test expects must not pass.
func TestPromtoolFindsABrokenRule(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("power.yml")
	if err != nil {
		t.Fatal(err)
	}
	test, err := os.ReadFile("tests/power.yml")
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Replace(text, []byte("evenkeel_host_wake_failed == 1"), []byte("evenkeel_host_wake_failed == 0"), 1)
	if bytes.Equal(broken, text) {
		t.Fatal("the rule is written otherwise now")
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "power.yml"), broken, 0o600), os.Mkdir(filepath.Join(dir, "tests"), 0o700),
		os.WriteFile(filepath.Join(dir, "tests", "power.yml"), test, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := promtool("test", "rules", filepath.Join(dir, "tests", "power.yml")); err == nil {
		t.Error("promtool finds nothing wrong")
	}
}

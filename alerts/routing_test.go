package alerts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func example(name string) string { return filepath.Join("..", "docs", "alertmanager", name) }

// run runs a program of Debian's packages prometheus and prometheus-alertmanager and returns what it says.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var warned bytes.Buffer
	cmd.Stderr = &warned
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, warned.Bytes())
	}
	return strings.TrimSpace(string(out))
}

func TestEveryAlertHasItsRoute(t *testing.T) {
	run(t, "amtool", "check-config", example("alertmanager.yml"))
	rules, err := rulesIn(Files)
	if err != nil {
		t.Fatal(err)
	}
	to := map[string]string{"critical": "page", "warning": "slack", "info": "slack-quiet", "none": "dead-mans-switch"}
	for _, r := range rules {
		if r.Alert == "" {
			continue
		}
		want := to[r.Labels["severity"]]
		if strings.HasPrefix(r.Alert, "EvenkeelVM") || strings.HasPrefix(r.Alert, "EvenkeelHost") {
			want = "evenkeel," + want
		}
		if got := run(t, "amtool", "config", "routes", "test", "--config.file="+example("alertmanager.yml"), "alertname="+r.Alert, "severity="+r.Labels["severity"]); got != want {
			t.Errorf("%s goes to %s, want %s", r.Alert, got, want)
		}
	}
}

// What an inhibition names must exist, or it never comes to bear.
func TestInhibitionsNameAlertsThatExist(t *testing.T) {
	text, err := os.ReadFile(example("alertmanager.yml"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := rulesIn(Files)
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Rules []struct {
			Source []string `yaml:"source_matchers"`
			Target []string `yaml:"target_matchers"`
		} `yaml:"inhibit_rules"`
	}
	if err := yaml.Unmarshal(text, &c); err != nil || len(c.Rules) == 0 {
		t.Fatalf("%d inhibitions, %v", len(c.Rules), err)
	}
	for _, r := range c.Rules {
		for _, matcher := range slices.Concat(r.Source, r.Target) {
			_, names, _ := strings.Cut(matcher, "alertname")
			for name := range strings.SplitSeq(strings.Trim(names, `=~"`), "|") {
				if name != "" && name != "EvenkeelVM.+" && !slices.ContainsFunc(rules, func(r rule) bool { return r.Alert == name }) {
					t.Errorf("%s: there is no alert %s", matcher, name)
				}
			}
		}
	}
}

func TestPrometheusTakesTheExample(t *testing.T) {
	text, err := os.ReadFile(example("prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rules, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("/etc/prometheus/evenkeel/"), []byte(rules+"/"))
	text = bytes.ReplaceAll(text, []byte("/etc/prometheus/"), []byte(dir+"/"))
	file := filepath.Join(dir, "prometheus.yml")
	for path, content := range map[string][]byte{file: text, filepath.Join(dir, "evenkeel-ca.pem"): nil, filepath.Join(dir, "evenkeel.password"): []byte("secret")} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if said, want := run(t, "promtool", "check", "config", file), fmt.Sprintf("%d rule files found", len(files(t, "*.yml"))); !strings.Contains(said, want) {
		t.Errorf("it does not say %q: %s", want, said)
	}
}

// receivers takes what an Alertmanager sends, at a path for each of its receivers.
type receivers struct {
	mu   sync.Mutex
	told map[string]map[string]bool // by receiver
	auth map[string]string
}

func (r *receivers) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var sent struct {
		Alerts []struct{ Labels map[string]string }
	}
	if err := json.NewDecoder(req.Body).Decode(&sent); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name := strings.TrimPrefix(req.URL.Path, "/")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told[name] == nil {
		r.told[name] = map[string]bool{}
	}
	for _, a := range sent.Alerts {
		r.told[name][a.Labels["alertname"]+" "+a.Labels["host"]] = true
	}
	r.auth[name] = req.Header.Get("Authorization")
}

func (r *receivers) all() map[string][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string][]string{}
	for name, told := range r.told {
		all[name] = slices.Sorted(maps.Keys(told))
	}
	return all
}

// rewired is the example with every receiver at the test's address and no time to wait; routes and inhibitions are as they stand there.
func rewired(t *testing.T, url, token string) []byte {
	t.Helper()
	text, err := os.ReadFile(example("alertmanager.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Route     map[string]any   `yaml:"route"`
		Inhibit   []any            `yaml:"inhibit_rules"`
		Receivers []map[string]any `yaml:"receivers"`
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	hurry := func(route map[string]any) {
		route["group_wait"], route["group_interval"] = "1s", "1s"
	}
	hurry(c.Route)
	for _, r := range c.Route["routes"].([]any) {
		hurry(r.(map[string]any))
	}
	for _, r := range c.Receivers {
		name := r["name"].(string)
		hook := map[string]any{"url": url + "/" + name}
		if name == "evenkeel" {
			hook = r["webhook_configs"].([]any)[0].(map[string]any)
			hook["url"] = url + "/" + name
			hook["http_config"].(map[string]any)["authorization"].(map[string]any)["credentials_file"] = token
		}
		delete(r, "slack_configs")
		r["webhook_configs"] = []any{hook}
	}
	out, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// alertmanager runs Debian's until the test ends and returns its URL.
func alertmanager(t *testing.T, config []byte) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "prometheus-alertmanager", "--config.file="+file, "--storage.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (Debian package prometheus-alertmanager)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Wait() // the context has ended it
		if t.Failed() {
			t.Log(log.String())
		}
	})
	eventually(t, "Alertmanager to be ready", func() error {
		_, err := get("http://" + addr + "/-/ready")
		return err
	})
	return "http://" + addr
}

func get(url string) ([]byte, error) {
	resp, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it is read to its end
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return body, err
}

func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func post(t *testing.T, url string, alerts ...map[string]string) {
	t.Helper()
	var all []map[string]any
	for _, labels := range alerts {
		all = append(all, map[string]any{"labels": labels, "annotations": map[string]string{"summary": labels["alertname"]}})
	}
	body, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(url+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // there is nothing in it
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("Alertmanager takes no alert: %s", resp.Status)
	}
}

// A real Alertmanager with the example's routes: what it tells whom, and what it keeps to itself.
func TestAHostThatIsDownSilencesItsVMs(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	told := &receivers{told: map[string]map[string]bool{}, auth: map[string]string{}}
	hooks := httptest.NewServer(told)
	defer hooks.Close()
	url := alertmanager(t, rewired(t, hooks.URL, token))

	post(t, url,
		map[string]string{"alertname": "EvenkeelHostNotAlive", "host": "h1", "verdict": "dead", "severity": "critical"},
		map[string]string{"alertname": "EvenkeelStoragePoolFull", "host": "h3", "pool": "nfs", "severity": "critical"})
	post(t, url,
		map[string]string{"alertname": "EvenkeelVMDown", "host": "h1", "name": "web1", "vm": "u1", "severity": "critical"},
		map[string]string{"alertname": "EvenkeelVMContended", "host": "h1", "name": "web1", "vm": "u1", "severity": "warning"},
		map[string]string{"alertname": "EvenkeelHostUnderPressure", "host": "h1", "resource": "io", "severity": "warning"},
		map[string]string{"alertname": "EvenkeelRecoveryStuck", "host": "h1", "subject": "host/h1", "severity": "critical"},
		map[string]string{"alertname": "EvenkeelVMDown", "host": "h2", "name": "web2", "vm": "u2", "severity": "critical"},
		map[string]string{"alertname": "EvenkeelHostUnderPressure", "host": "h2", "resource": "cpu", "severity": "warning"},
		map[string]string{"alertname": "EvenkeelVMRunsTwice", "name": "db1", "vm": "u3", "severity": "critical"},
		map[string]string{"alertname": "EvenkeelStoragePoolFilling", "host": "h3", "pool": "nfs", "severity": "warning"},
		map[string]string{"alertname": "EvenkeelStoragePoolFilling", "host": "h3", "pool": "fast", "severity": "warning"},
		map[string]string{"alertname": "EvenkeelRecommendationWaiting", "state": "open", "severity": "info"},
		map[string]string{"alertname": "EvenkeelWatchdog", "severity": "none"})
	want := map[string][]string{
		"page":             {"EvenkeelHostNotAlive h1", "EvenkeelRecoveryStuck h1", "EvenkeelStoragePoolFull h3", "EvenkeelVMDown h2", "EvenkeelVMRunsTwice "},
		"evenkeel":         {"EvenkeelHostNotAlive h1", "EvenkeelHostUnderPressure h2", "EvenkeelVMDown h2", "EvenkeelVMRunsTwice "},
		"slack":            {"EvenkeelHostUnderPressure h2", "EvenkeelStoragePoolFilling h3"},
		"slack-quiet":      {"EvenkeelRecommendationWaiting "},
		"dead-mans-switch": {"EvenkeelWatchdog "},
	}
	same := func() error {
		if got := told.all(); !maps.EqualFunc(got, want, slices.Equal) {
			return fmt.Errorf("told %v", got)
		}
		return nil
	}
	eventually(t, "everybody to hear what is for them", same)
	time.Sleep(2 * time.Second) // two more rounds, in which nothing else may come
	if err := same(); err != nil {
		t.Error(err)
	}
	if got := told.auth["evenkeel"]; got != "Bearer 0123456789abcdef" {
		t.Errorf("evenkeel's webhook is asked with %q", got)
	}

	body, err := get(url + "/api/v2/alerts?active=false&silenced=false")
	if err != nil {
		t.Fatal(err)
	}
	var kept []struct{ Labels map[string]string }
	if err := json.Unmarshal(body, &kept); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range kept {
		names = append(names, a.Labels["alertname"]+" "+a.Labels["host"]+a.Labels["pool"])
	}
	slices.Sort(names)
	if quiet := []string{"EvenkeelHostUnderPressure h1", "EvenkeelStoragePoolFilling h3nfs", "EvenkeelVMContended h1", "EvenkeelVMDown h1"}; !slices.Equal(names, quiet) {
		t.Errorf("inhibited are %v, want %v", names, quiet)
	}
}

// The test above must fail where the inhibitions are taken out: without them the VM of the host that is down is told.
func TestWithoutInhibitionsAVMOnAHostThatIsDownIsTold(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	told := &receivers{told: map[string]map[string]bool{}, auth: map[string]string{}}
	hooks := httptest.NewServer(told)
	defer hooks.Close()
	config, _, found := bytes.Cut(rewired(t, hooks.URL, token), []byte("inhibit_rules:"))
	_, rest, more := bytes.Cut(rewired(t, hooks.URL, token), []byte("receivers:"))
	if !found || !more {
		t.Fatal("the configuration is written otherwise now")
	}
	url := alertmanager(t, slices.Concat(config, []byte("receivers:"), rest))
	post(t, url, map[string]string{"alertname": "EvenkeelHostNotAlive", "host": "h1", "severity": "critical"})
	post(t, url, map[string]string{"alertname": "EvenkeelVMDown", "host": "h1", "vm": "u1", "severity": "critical"})
	eventually(t, "the VM to be told", func() error {
		if got := told.all()["page"]; !slices.Contains(got, "EvenkeelVMDown h1") {
			return fmt.Errorf("told %v", got)
		}
		return nil
	})
}

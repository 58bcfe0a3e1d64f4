package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

func alertRules() string { return filepath.Join(root(), "alerts", "evenkeel.yml") }

func TestTheAlertRulesFireWhenTheyShould(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", "--lint-fatal", alertRules()}, {"test", "rules", filepath.Join(root(), "alerts", "tests", "evenkeel.yml")}} {
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// Two servers on one cluster and one real Prometheus: neither may act, whatever is approved, until one of them is gone. The same Prometheus
// evaluates the alert rules.
func TestTwoServersOnOnePrometheusSeeEachOther(t *testing.T) {
	home(t)
	exporters(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	writeFile(t, file, "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 5s}\nrule_files: ["+alertRules()+"]\nscrape_configs: [{job_name: evenkeel-exporter, static_configs: [{targets: ['10.77.0.11:9177', '10.77.0.12:9177', '10.77.0.13:9177']}]}, {job_name: evenkeel-server, file_sd_configs: [{files: [servers.json]}]}]\n")
	start(t, "prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address=127.0.0.1:19091")
	s := server(t, config(), "--prometheus.url=http://127.0.0.1:19091")
	second := server(t, config(), "--prometheus.url=http://127.0.0.1:19091")
	writeFile(t, filepath.Join(dir, "servers.json"), fmt.Sprintf(`[{"targets": [%q, %q], "labels": {"cluster": "other"}}]`, strings.TrimPrefix(s.url, "http://"), strings.TrimPrefix(second.url, "http://")))
	leader := func(s *instance, want string) {
		t.Helper()
		eventually(t, 40*time.Second, "gate leader to say "+want, func() error {
			open, err := s.client.Recommendations(ctx(), "open")
			if err != nil || len(open) == 0 {
				return fmt.Errorf("%d open: %w", len(open), errOr(err, "nothing is advised"))
			}
			verdicts, err := s.client.Gates(ctx(), open[0].Recommendation.ID)
			if i := slices.IndexFunc(verdicts, func(v cluster.Verdict) bool { return v.Gate == "leader" }); err != nil || i < 0 || !strings.Contains(verdicts[i].Detail, want) {
				return fmt.Errorf("%+v: %w", verdicts, errOr(err, "it says otherwise"))
			}
			return nil
		})
	}
	leader(s, "another server looks after this cluster too")
	leader(second, "another server looks after this cluster too")
	rulesTell(t, s, "http://127.0.0.1:19091")
	if err := s.approve(s.open()[0].Recommendation.ID); err == nil || !strings.Contains(err.Error(), "leader: another server") {
		t.Errorf("with two servers an approval gives %v", err)
	}
	second.end(syscall.SIGTERM)
	leader(s, "no other server is seen")
}

// rulesTell wants a real Prometheus to evaluate every rule, a server to have every metric that they name, and the imbalance of the lab to
// be on its way to an alert.
func rulesTell(t *testing.T, s *instance, prometheus string) {
	t.Helper()
	text, err := os.ReadFile(alertRules())
	if err != nil {
		t.Fatal(err)
	}
	body, err := get(s.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	// These are there with the first runbook and the first failure; the tests of those look for them.
	first := []string{"evenkeel_runbook_runs_total", "evenkeel_vm_down_seconds", "evenkeel_recovery_stuck"}
	for _, line := range strings.Split(string(text), "\n") {
		if expr, is := strings.CutPrefix(strings.TrimSpace(line), "expr: "); is {
			for _, metric := range regexp.MustCompile(`evenkeel_\w+`).FindAllString(expr, -1) {
				if !strings.Contains(body, "# TYPE "+metric+" ") && !slices.Contains(first, metric) {
					t.Errorf("the server has no %s", metric)
				}
			}
		}
	}
	type rules struct {
		Data struct {
			Groups []struct {
				Rules []struct {
					Name, Health, State string
					Alerts              []struct{ Labels map[string]string }
				}
			}
		}
	}
	eventually(t, 30*time.Second, "the imbalance to be on its way to an alert", func() error {
		body, err := get(prometheus + "/api/v1/rules")
		if err != nil {
			return err
		}
		seen := 0
		imbalance := false
		for _, g := range decode[rules](t, body).Data.Groups {
			for _, r := range g.Rules {
				seen++
				if r.Health != "ok" {
					return fmt.Errorf("%s is %s", r.Name, r.Health)
				}
				for _, a := range r.Alerts {
					imbalance = imbalance || r.Name == "EvenkeelFinding" && r.State == "pending" && a.Labels["detector"] == "imbalance"
				}
			}
		}
		if seen != strings.Count(string(text), "- alert:") || !imbalance {
			return fmt.Errorf("%d rules, imbalance %v", seen, imbalance)
		}
		return nil
	})
}

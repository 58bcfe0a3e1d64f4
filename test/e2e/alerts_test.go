package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

func alertRules() string { return filepath.Join(root(), "alerts", "*.yml") }

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
	rulesTell(t, "http://127.0.0.1:19091")
	if err := s.approve(s.open()[0].Recommendation.ID); err == nil || !strings.Contains(err.Error(), "leader: another server") {
		t.Errorf("with two servers an approval gives %v", err)
	}
	second.end(syscall.SIGTERM)
	leader(s, "no other server is seen")
}

// rulesTell wants a real Prometheus to evaluate every rule, and the imbalance of the lab to be on its way to an alert.
func rulesTell(t *testing.T, prometheus string) {
	t.Helper()
	files, err := filepath.Glob(alertRules())
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		written += strings.Count(string(text), "- alert:") + strings.Count(string(text), "- record:")
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
				if r.Health != "ok" && r.Health != "unknown" { // those that look back far are evaluated every other minute alone
					return fmt.Errorf("%s is %s", r.Name, r.Health)
				}
				for _, a := range r.Alerts {
					imbalance = imbalance || r.Name == "EvenkeelFinding" && r.State == "pending" && a.Labels["detector"] == "imbalance"
				}
			}
		}
		if seen != written || !imbalance {
			return fmt.Errorf("%d rules of %d, imbalance %v", seen, written, imbalance)
		}
		return nil
	})
}

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

const webhookToken = "e2e-0123456789abcdef"

// runbooks is a configuration with one that restarts and one that only rehearses it. Starting needs no person's word here.
func runbooks(t *testing.T) string {
	t.Helper()
	token := filepath.Join(t.TempDir(), "webhook.token")
	writeFile(t, token, webhookToken)
	steps := `[{restart: {}}, {wait: {query: 'evenkeel_vm_state{vm="{{.vm}}",state="running"} == 1', for: 2s, timeout: 30s}}, {notify: {text: "{{.name}} runs on {{.host}} again"}}]`
	return config("automation: {level: manual, kinds: {start: full}}", "alertmanager: {token_file: "+token+"}",
		`runbooks: [{name: restart, match: '{alertname="VMDown"}', steps: `+steps+`}, {name: rehearsal, match: '{alertname="VMDownRehearsal"}', dry_run: true, steps: `+steps+`}]`)
}

// alertmanager starts Debian's, which tells the server of alerts, and returns its URL.
func alertmanager(t *testing.T, s *instance) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "alertmanager.yml")
	writeFile(t, filepath.Join(dir, "token"), webhookToken)
	writeFile(t, file, fmt.Sprintf(`route: {receiver: evenkeel, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 5s}
receivers:
  - name: evenkeel
    webhook_configs:
      - url: %s/alertmanager/webhook
        max_alerts: 100
        http_config: {authorization: {credentials_file: %s}}
`, s.url, filepath.Join(dir, "token")))
	start(t, "prometheus-alertmanager", "--config.file="+file, "--storage.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--cluster.listen-address=")
	url := "http://" + addr
	eventually(t, 20*time.Second, "Alertmanager", func() error {
		_, err := get(url + "/-/ready")
		return err
	})
	return url
}

// raise has Alertmanager told of an alert, as Prometheus tells it.
func raise(t *testing.T, url string, labels map[string]string, since, ends time.Time) {
	t.Helper()
	body, err := json.Marshal([]map[string]any{{"labels": labels, "startsAt": since, "endsAt": ends}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(url+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("Alertmanager answers %s", resp.Status)
	}
}

// ran waits for the end of the runbook's only run.
func (s *instance) ran(runbook string, within time.Duration) cluster.Run {
	s.t.Helper()
	var found []cluster.Run
	eventually(s.t, within, "the end of a run of "+runbook, func() error {
		all, err := s.client.Runs(ctx(), 100)
		found = nil
		for _, r := range all {
			if r.Runbook == runbook {
				found = append(found, r)
			}
		}
		if err == nil && (len(found) == 0 || found[0].State == cluster.RunUnderWay) {
			err = fmt.Errorf("runs: %+v", all)
		}
		return err
	})
	if len(found) != 1 {
		s.t.Fatalf("%d runs of %s: %+v", len(found), runbook, found)
	}
	return found[0]
}

// A VM dies, Debian's Alertmanager tells, and the runbook starts it again: the same VM, once, however often it is told. The
// rehearsal says what would be done and does nothing.
func TestAnAlertRestartsAVM(t *testing.T) {
	home(t)
	exporters(t)
	s := server(t, runbooks(t))
	url := alertmanager(t, s)
	uuid := ""
	eventually(t, 20*time.Second, "that the VM is seen", func() error {
		where, err := s.client.Where(ctx(), "e2e-b", time.Time{})
		if err == nil {
			uuid = where[0].VM
		}
		return err
	})
	lab(t, "kill-vm", "host1", "e2e-b")
	eventually(t, 20*time.Second, "that the VM is seen dead", func() error {
		where, err := s.client.Where(ctx(), uuid, time.Time{})
		if err == nil && (len(where) != 1 || where[0].State.Active()) {
			err = fmt.Errorf("it is seen as %+v", where)
		}
		return err
	})
	labels := func(name string) map[string]string {
		return map[string]string{"alertname": name, "vm": uuid, "name": "e2e-b", "host": "host1", "severity": "critical"}
	}
	since := time.Now()
	raise(t, url, labels("VMDownRehearsal"), since, since.Add(time.Minute))
	dry := s.ran("rehearsal", 20*time.Second)
	if dry.State != cluster.RunDone || !dry.DryRun || len(dry.Steps) != 3 || !strings.Contains(dry.Steps[0].Result, "would start e2e-b on host1; all gates let it through") {
		t.Errorf("the rehearsal: %+v", dry)
	}
	if on := running("e2e-b"); len(on) != 0 {
		t.Fatalf("a rehearsal started it: it runs on %v", on)
	}

	raise(t, url, labels("VMDown"), since, since.Add(time.Minute))
	run := s.ran("restart", 60*time.Second)
	if run.State != cluster.RunDone || run.VM != uuid || run.Name != "e2e-b" || run.Host != "host1" || len(run.Steps) != 3 || run.Steps[2].Result != "told: e2e-b runs on host1 again" {
		t.Fatalf("the run: %+v", run)
	}
	wantOn(t, "e2e-b", "host1")
	if got := lab(t, "vir", "host1", "domuuid", "e2e-b"); !strings.Contains(got, uuid) {
		t.Errorf("its UUID was %s and is %s", uuid, got)
	}
	c := s.await(run.Steps[0].Recommendation, cluster.CaseDone, time.Second)
	if c.Recommendation.Run != run.ID || c.Recommendation.Action.Kind != cluster.Start || c.Approval != nil {
		t.Errorf("the case: %+v", c)
	}
	told := s.metric(`evenkeel_alertmanager_notifications_total{result="accepted"}`)
	eventually(t, 20*time.Second, "that Alertmanager tells it again", func() error {
		if now := s.metric(`evenkeel_alertmanager_notifications_total{result="accepted"}`); now == told {
			return fmt.Errorf("it told %s times", now)
		}
		return nil
	})
	s.ran("restart", time.Second)
	raise(t, url, labels("VMDown"), since, time.Now())
	eventually(t, 20*time.Second, "that the alert is over", func() error {
		if r := s.ran("restart", time.Second); r.Resolved.IsZero() {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	if out := mustCLI(t, s, "runs"); !strings.Contains(out, "VMDown") || !strings.Contains(out, "e2e-b on host1") || !strings.Contains(out, "done (dry run)") {
		t.Errorf("runs prints\n%s", out)
	}
	if out := mustCLI(t, s, "runs", run.ID); !strings.Contains(out, "told: e2e-b runs on host1 again") {
		t.Errorf("runs ID prints\n%s", out)
	}
	if out, err := s.cli("runbook", "restart", "--vm", "e2e-b", "--host", "host2"); err == nil || !strings.Contains(out, "the alert has the VM on host2, and it is on host1") {
		t.Errorf("by hand with the wrong host: %v %s", err, out)
	}
}

package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/test/slackfake"
)

// neighbours gives each host an address on the VM LAN, and returns the flags of an exporter that asks the others there, at a port where nothing listens.
func neighbours(t *testing.T) []string {
	t.Helper()
	file, text := filepath.Join(t.TempDir(), "neighbours"), "# one file for all hosts\n"
	for i := 1; i <= hosts; i++ {
		host, addr := fmt.Sprintf("host%d", i), fmt.Sprintf("10.77.0.24%d", i)
		lab(t, "sh", host, "ip", "addr", "replace", addr+"/25", "dev", "br0")
		t.Cleanup(func() { _, _ = hostlab("sh", host, "ip", "addr", "del", addr+"/25", "dev", "br0") })
		text += fmt.Sprintf("%s %s:9\n", host, addr)
	}
	writeFile(t, file, text)
	return []string{"--neighbours.file=" + file, "--neighbours.interval=1s"}
}

// hear waits until what the neighbours say of host3 is this, and wants the verdict on it to be so then.
func (s *instance) hear(word, verdict string, within time.Duration) {
	s.t.Helper()
	eventually(s.t, within, "the neighbours to say "+word+" of host3", func() error {
		list, err := s.client.Hosts(ctx())
		if err != nil || len(list) != hosts {
			return fmt.Errorf("%+v %v", list, err)
		}
		if h := list[hosts-1]; h.Neighbours != word || h.Heartbeat != "unknown" || h.Verdict != verdict {
			return fmt.Errorf("it is %+v", h)
		}
		return nil
	})
}

// stays wants host3 to be this for some seconds.
func (s *instance) stays(verdict string) {
	s.t.Helper()
	for range 5 {
		time.Sleep(time.Second)
		s.becomes(verdict, 0)
	}
}

// alerted waits until Alertmanager has the alert about the host, from the rules that come with evenkeel, with all that is said to whom it wakes.
func alerted(t *testing.T, alertmanager, name, host string) {
	t.Helper()
	type alert struct {
		Labels, Annotations map[string]string
		GeneratorURL        string
	}
	eventually(t, 60*time.Second, "the alert "+name, func() error {
		body, err := get(alertmanager + "/api/v2/alerts")
		if err != nil {
			return err
		}
		for _, a := range decode[[]alert](t, body) {
			if a.Labels["alertname"] == name && a.Labels["host"] == host {
				if a.Labels["site"] != "lab" || a.Labels["severity"] == "" || a.Annotations["runbook_url"] == "" || a.Annotations["dashboard"] == "" || !strings.Contains(a.Annotations["summary"], host) {
					t.Errorf("the alert is %+v", a)
				}
				if shown, err := get(a.GeneratorURL); err != nil || !strings.Contains(shown, `"verdict":"isolated"`) {
					t.Errorf("its link shows %s %v", shown, err)
				}
				return nil
			}
		}
		return errors.New(body)
	})
}

// Without a heartbeat, what the hosts say of each other tells a host that is cut off from one without power.
// The host that is cut off is an alert, which goes by Alertmanager to a runbook, and by that to Slack.
func TestNeighboursAreWitnesses(t *testing.T) {
	home(t)
	flags := neighbours(t)
	for i := 1; i <= hosts; i++ {
		exporter(t, i, flags...)
	}
	fake := slackfake.Start()
	defer fake.Close()
	token := filepath.Join(t.TempDir(), "webhook.token")
	writeFile(t, token, webhookToken)
	s := server(t, fencedAll(t, slackConfig(t, fake, quiet, swift, "alertmanager: {token_file: "+token+"}",
		`runbooks: [{name: cut-off, match: '{alertname="EvenkeelHostIsolated"}', steps: [{wait: {query: 'evenkeel_host_verdict{host="{{.host}}",verdict="isolated"} == 1', for: 2s, timeout: 30s}}, {notify: {text: "{{.host}} is cut off, its VMs run"}}]}]`)))
	alerts := alertmanager(t, s)
	s.reload(t, s.text+fmt.Sprintf("alerting: {evaluation_interval: 2s, alertmanagers: [{url: %q}]}\nexternal_labels: {site: lab}\n", alerts))
	s.hear("yes", "alive", 30*time.Second)

	defer lab(t, "heal", "host3", "mgmt")
	lab(t, "cut", "host3", "mgmt")
	t.Logf("a cut network is known after %.1f s", s.becomes("isolated", 30*time.Second).Seconds())
	s.hear("yes", "isolated", 0)
	s.stays("isolated")
	alerted(t, alerts, "EvenkeelHostIsolated", "host3")
	if run := s.ran("cut-off", 30*time.Second); run.State != cluster.RunDone || run.Host != "host3" {
		t.Errorf("the run: %+v", run)
	}
	shows(t, fake, 20*time.Second, "host3 is cut off, its VMs run")
	lab(t, "heal", "host3", "mgmt")
	s.becomes("alive", 30*time.Second)

	defer lab(t, "revive", "host3")
	lab(t, "kill", "host3", "power")
	t.Logf("a power cut is certain after %.1f s", s.becomes("dead", 40*time.Second).Seconds())
	s.hear("no", "dead", 0)
	s.stays("dead")
	lab(t, "revive", "host3")
	exporter(t, 3, flags...)
	s.becomes("alive", 30*time.Second)
	s.hear("yes", "alive", 30*time.Second)
}

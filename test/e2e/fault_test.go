package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// slow makes a migration of a guest take about twenty seconds.
const slow = "migration: {tls: require, bandwidth: 4MiB, timeout: 2m, allow_unsafe: true}"

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// begin approves the first recommendation and returns when its migration copies memory.
func begin(t *testing.T, s *instance) cluster.Case {
	t.Helper()
	c := s.open()[0]
	if err := s.approve(c.Recommendation.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "the migration's progress", func() error {
		now, err := s.client.Recommendation(ctx(), c.Recommendation.ID)
		if err == nil && now.Progress.TransferredBytes == 0 {
			err = os.ErrNotExist
		}
		c = now
		return err
	})
	return c
}

func TestTheServerKilledDuringAMigrationFindsOutAndRepeatsNothing(t *testing.T) {
	home(t)
	exporters(t)
	s := server(t, config(slow))
	c := begin(t, s)
	a := c.Recommendation.Action
	s.end(syscall.SIGKILL)
	if on := running(a.Name); len(on) != 1 || on[0] != a.From {
		t.Fatalf("the kill came too late: %s runs on %v", a.Name, on)
	}
	s.start()
	got := s.ended(c.Recommendation.ID, 90*time.Second)
	if got.State != cluster.CaseDone || got.Outcome.RunsOn != a.To || !strings.Contains(got.Outcome.Reason, "server ended") {
		t.Errorf("it ended as %s: %+v", got.State, got.Outcome)
	}
	wantOn(t, a.Name, a.To)
	if n := s.metric(`evenkeel_recommendations{state="done"}`); n != "1" {
		t.Errorf("the metrics count %s done, want 1", n)
	}
	// Nothing is repeated: the VM stays where it is and no other action begins.
	time.Sleep(3 * time.Second)
	wantOn(t, a.Name, a.To)
	all, err := s.client.Recommendations(ctx(), "all")
	if err != nil {
		t.Fatal(err)
	}
	begun := 0
	for _, one := range all {
		if one.Outcome != nil || one.State == cluster.CaseRunning {
			begun++
		}
	}
	if begun != 1 {
		t.Errorf("%d actions were begun, want 1", begun)
	}
}

func TestAMigrationCutOffFailsAndIsNotRepeatedBlindly(t *testing.T) {
	home(t)
	exporters(t)
	s := server(t, config(slow))
	c := begin(t, s)
	a := c.Recommendation.Action
	lab(t, "cut", a.To, "mgmt")
	healed := false
	defer func() {
		if !healed {
			lab(t, "heal", a.To, "mgmt")
		}
	}()
	got := s.ended(c.Recommendation.ID, 90*time.Second)
	if got.State != cluster.CaseFailed || got.Outcome.RunsOn != a.From || got.Outcome.Reason == "" {
		t.Errorf("it ended as %s: %+v", got.State, got.Outcome)
	}
	if !strings.Contains(got.Outcome.Reason, "migrate "+a.Name+" to "+a.To+": ") || !strings.Contains(got.Outcome.Reason, "socket") {
		t.Errorf("libvirt's reason is not told: %s", got.Outcome.Reason)
	}
	lab(t, "heal", a.To, "mgmt")
	healed = true
	wantOn(t, a.Name, a.From)
	if n := s.metric(`evenkeel_actions_total{kind="migrate",result="failed"}`); n != "1" {
		t.Errorf("the metrics count %s failed actions, want 1", n)
	}
	if err := s.approve(c.Recommendation.ID); err == nil || !strings.Contains(err.Error(), "is failed") {
		t.Errorf("approving what failed gives %v", err)
	}
	// Whoever asks for it anew, the gate that remembers failures refuses it for a while, also after a restart.
	s.end(syscall.SIGTERM)
	s.start()
	eventually(t, time.Minute, "the refusal of "+a.Name, func() error {
		out, err := s.cli("migrate", a.Name, "--to", a.To)
		if err == nil {
			t.Fatal("it was let through: " + out)
		}
		if !strings.Contains(out, "failures: this failed 1 times") {
			return errors.New(out)
		}
		return nil
	})
	wantOn(t, a.Name, a.From)
}

func errOr(err error, text string) error {
	if err == nil {
		return &os.PathError{Op: text, Err: os.ErrInvalid}
	}
	return err
}

func TestAMigrationOverItsTimeLimitIsAborted(t *testing.T) {
	home(t)
	exporters(t)
	s := server(t, config("migration: {tls: require, bandwidth: 2MiB, timeout: 3s, allow_unsafe: true}"))
	c := begin(t, s)
	got := s.ended(c.Recommendation.ID, time.Minute)
	if got.State != cluster.CaseFailed || !strings.Contains(got.Outcome.Reason, "aborted after the time limit of 3s") {
		t.Errorf("it ended as %s: %+v", got.State, got.Outcome)
	}
	wantOn(t, c.Recommendation.Action.Name, c.Recommendation.Action.From)
}

// Without certificates and where the operator allows it, VMs move in clear text; where TLS is required
// such a configuration does not even start.
func TestMigrationWithoutTLS(t *testing.T) {
	home(t)
	exporters(t)
	clear := strings.ReplaceAll(config("migration: {tls: auto, bandwidth: 64MiB, timeout: 1m, allow_unsafe: true}"), "qemu+tls://host", "qemu+tcp://host")
	s := server(t, clear)
	c := s.open()[0]
	if err := s.approve(c.Recommendation.ID); err != nil {
		t.Fatal(err)
	}
	if got := s.ended(c.Recommendation.ID, time.Minute); got.State != cluster.CaseDone {
		t.Errorf("it ended as %s: %+v", got.State, got.Outcome)
	}
	wantOn(t, c.Recommendation.Action.Name, c.Recommendation.Action.To)
	strict := filepath.Join(t.TempDir(), "evenkeel.yml")
	writeFile(t, strict, strings.ReplaceAll(clear, "tls: auto", "tls: require"))
	if out, err := exec.Command(binary(), "check-config", strict).CombinedOutput(); err == nil || !strings.Contains(string(out), "is not one with TLS") {
		t.Errorf("check-config: %v %s", err, out)
	}
}

// The same analyzer on a real external Prometheus plans the same.
func TestAnExternalPrometheusServesTheSameAnalyzer(t *testing.T) {
	home(t)
	exporters(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	writeFile(t, file, "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs: [{job_name: evenkeel-exporter, static_configs: [{targets: ['10.77.0.11:9177', '10.77.0.12:9177', '10.77.0.13:9177']}]}]\n")
	start(t, "prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address=127.0.0.1:19090")
	s := server(t, config(), "--prometheus.url=http://127.0.0.1:19090")
	open := s.open()
	if open[0].Recommendation.Action.From != "host1" {
		t.Errorf("it advises %s", open[0].Recommendation.Action)
	}
	out, err := exec.Command(binary(), "plan", "-o", "json", "--prometheus.url=http://127.0.0.1:19090", s.args[1]).CombinedOutput()
	if err != nil {
		t.Fatal(err, string(out))
	}
	if p := decode[plan.Plan](t, string(out)); len(p.Actions) == 0 || p.Actions[0].From != "host1" {
		t.Errorf("the plan from the command line: %+v", p)
	}
	for range 5 {
		adviceOfThen(t, s, "--prometheus.url=http://127.0.0.1:19090", s.args[1])
		time.Sleep(1500 * time.Millisecond)
	}
	s.end(syscall.SIGTERM)
}

// adviceOfThen holds what the server advises against what it, and the command line by itself, make of the same
// instant a while later: they are the same byte for byte.
func adviceOfThen(t *testing.T, s *instance, direct ...string) {
	t.Helper()
	for _, what := range [][]string{{"plan", "-o", "json"}, {"snapshot"}} {
		now := mustCLI(t, s, what...)
		at := "--at=" + decode[struct{ At string }](t, now).At
		time.Sleep(2 * time.Second)
		if then := mustCLI(t, s, append(what, at)...); then != now {
			t.Errorf("%v at %s was\n%s\nand is now\n%s", what, at, now, then)
		}
		if len(direct) == 0 {
			continue
		}
		then, err := exec.Command(binary(), slices.Concat(what, direct, []string{at})...).Output()
		if err != nil || string(then) != now {
			t.Errorf("%v at %s was\n%s\nand is from Prometheus (%v)\n%s", what, at, now, err, then)
		}
	}
}

// A stream over several connections, and a libvirtd of the target that hangs when the action is to be done: it is refused in
// time, and done when the daemon answers again.
func TestAHungDaemonIsNoReasonToWait(t *testing.T) {
	home(t)
	exporters(t)
	s := server(t, config("migration: {tls: require, bandwidth: 64MiB, timeout: 1m, allow_unsafe: true, connections: 2}"))
	c := s.open()[0]
	to := c.Recommendation.Action.To
	signal := func(name string) { lab(t, "sh", to, "/bin/sh", "-c", "kill -"+name+" $(cat /run/libvirtd.pid)") }
	signal("STOP")
	defer signal("CONT")
	before := time.Now()
	err := s.approve(c.Recommendation.ID)
	if took := time.Since(before); err == nil || took > 25*time.Second {
		t.Errorf("while libvirtd of %s hangs, an approval gives %v after %s", to, err, took)
	}
	if _, err := s.client.Status(ctx()); err != nil {
		t.Errorf("the server: %v", err)
	}
	signal("CONT")
	var id string
	eventually(t, 60*time.Second, "an approval that is taken", func() error {
		open, err := s.client.Recommendations(ctx(), "open")
		if err != nil || len(open) == 0 {
			return fmt.Errorf("%d open: %w", len(open), err)
		}
		id = open[0].Recommendation.ID
		return s.approve(id)
	})
	if got := s.ended(id, time.Minute); got.State != cluster.CaseDone {
		t.Errorf("it is %s: %+v", got.State, got.Outcome)
	}
}

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// becomes waits until the server says that of host3, and returns how long that took.
func (s *instance) becomes(verdict string, within time.Duration) time.Duration {
	s.t.Helper()
	begun := time.Now()
	eventually(s.t, within, "host3 to be "+verdict, func() error {
		list, err := s.client.Hosts(ctx())
		if err != nil || len(list) != hosts {
			return fmt.Errorf("%+v %v", list, err)
		}
		for _, h := range list {
			if h.Host != "host3" && h.Verdict != "alive" {
				s.t.Errorf("%s is %s: %s", h.Host, h.Verdict, h.Reason)
			}
			if h.Host == "host3" && h.Verdict != verdict {
				return fmt.Errorf("it is %+v", h)
			}
		}
		return nil
	})
	return time.Since(begun)
}

// What befalls a real host, and what is concluded from it: by its exporter, its libvirt, its heartbeat on the shared storage and its BMC.
func TestWhatBecomesOfAHostIsSaidByItsWitnesses(t *testing.T) {
	home(t) // no guest may be on the host that goes
	dir := filepath.Join(labDir(), "shared", "ds1", "heartbeat")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	beat := []string{"--heartbeat.dir=" + dir, "--heartbeat.interval=1s"}
	exporter(t, 1, beat...)
	exporter(t, 2, beat...)
	third := exporter(t, 3, beat...)
	s := server(t, fenced(t, config(quiet, "failures: {interval: 1s, confirm: 3s, max_heartbeat_age: 5s}"), bmc))
	s.becomes("alive", 20*time.Second)

	third.end(syscall.SIGTERM)
	s.becomes("exporter-lost", 20*time.Second)
	exporter(t, 3, beat...)
	s.becomes("alive", 20*time.Second)

	lab(t, "kill-agent", "host3")
	s.becomes("libvirt-lost", 20*time.Second)
	lab(t, "start-agent", "host3")
	s.becomes("alive", 30*time.Second)

	lab(t, "cut", "host3", "mgmt")
	s.becomes("isolated", 30*time.Second)
	lab(t, "heal", "host3", "mgmt")
	s.becomes("alive", 30*time.Second)

	lab(t, "freeze", "host3")
	s.becomes("hung", 30*time.Second)
	if out := mustCLI(t, s, "hosts"); !strings.Contains(out, "host3  hung") || !strings.Contains(out, "nothing of it lives") {
		t.Errorf("evenkeel hosts says\n%s", out)
	}
	lab(t, "thaw", "host3")
	s.becomes("alive", 30*time.Second)

	defer lab(t, "revive", "host3")
	lab(t, "kill", "host3", "power")
	t.Logf("a power cut is certain after %.1f s", s.becomes("dead", 30*time.Second).Seconds())
	if n := s.metric(`evenkeel_host_verdict{host="host3",verdict="dead"}`); n != "1" {
		t.Errorf("the metric says %s", n)
	}
}

package e2e

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watchful are settings by which a guest hangs when it has been silent for a few seconds.
const watchful = "failures: {interval: 1s, grace: 0s, guests: {sensitivity: custom, custom: {silent: 8s, uptime: 5s}, window: 10s}}"

// inside has the guest run a shell's command, of which nothing is waited for.
func inside(t *testing.T, host, vm, command string) {
	t.Helper()
	lab(t, "vir", host, "qemu-agent-command", vm, fmt.Sprintf(`{"execute":"guest-exec","arguments":{"path":"/bin/sh","arg":["-c",%q]}}`, command))
}

// A guest that hangs is reset, after its screen and its console were kept; one that works on without its agent is not, nor one whose agent was stopped.
func TestAGuestThatHangsIsReset(t *testing.T) {
	home(t)
	for i := 1; i <= hosts; i++ {
		exporter(t, i, "--collector.vm_guest_agent.every=2s")
	}
	s := server(t, config("analysis: {interval: 1s, window: 8s, max_data_age: 15s, migration_threshold: 1}", "automation: {level: manual, kinds: {reset: full}}", watchful)) // a ping that is not answered takes its time
	const hung, stopped, busy = "e2e-a", "e2e-b", "e2e-c"
	eventually(t, 30*time.Second, "the agents to be seen", func() error {
		for _, vm := range []string{hung, stopped, busy} {
			if out, err := s.cli("where", vm); err != nil || !strings.Contains(out, "host1") {
				return fmt.Errorf("%v: %s", err, out)
			}
		}
		body, err := get("http://" + fmt.Sprintf(labAddr, 1) + ":9177/metrics")
		if err == nil && (strings.Count(body, "\nevenkeel_vm_guest_agent_connected{") != 3 || strings.Count(body, "\nevenkeel_vm_guest_agent_up{") != 3) {
			err = fmt.Errorf("the exporter does not know them")
		}
		return err
	})
	booted := uptime(t, hung)
	begun := time.Now()
	inside(t, "host1", hung, "echo this is the end > /dev/console; sleep 1; kill -STOP -1")
	inside(t, "host1", stopped, "sleep 1; killall qemu-ga")
	inside(t, "host1", busy, "sleep 1; killall -STOP qemu-ga")
	var reset string
	eventually(t, 60*time.Second, "the reset", func() error {
		for _, c := range s.since(t, begun) {
			if c.Recommendation.OfHungGuest() && c.Recommendation.Action.Name == hung && c.State.String() == "done" {
				reset = c.Recommendation.ID
				return nil
			}
		}
		return fmt.Errorf("%s%s", mustCLI(t, s, "failures"), mustCLI(t, s, "recommendations"))
	})
	t.Logf("it was reset %.1f s after it began to hang", time.Since(begun).Seconds())
	if err := awaitAgent(hung, "host1"); err != nil {
		t.Fatal(err)
	}
	if now := uptime(t, hung); now >= booted+time.Since(begun).Seconds() {
		t.Errorf("its uptime was %.0f s and is %.0f s", booted, now)
	}
	dir := t.TempDir()
	out := mustCLI(t, s, "captures", reset, "--to", dir)
	screen, err := os.ReadFile(filepath.Join(dir, "screen.png"))
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, mustCLI(t, s, "history"))
	}
	picture, err := png.Decode(bytes.NewReader(screen))
	if err != nil || picture.Bounds().Dx() < 300 {
		t.Errorf("the screen: %v", err)
	}
	if log, err := os.ReadFile(filepath.Join(dir, "console.log")); err != nil || !strings.Contains(string(log), "this is the end") {
		t.Errorf("the console says %q: %v", log, err)
	}
	if pools := lab(t, "vir", "host1", "pool-list", "--all"); strings.Contains(pools, "evenkeel") {
		t.Errorf("it leaves a pool behind:\n%s", pools)
	}
	if out := mustCLI(t, s, "history"); !strings.Contains(out, "captures "+reset) {
		t.Errorf("the history does not say what was kept:\n%s", out)
	}
	eventually(t, 30*time.Second, "what is said of the one that works", func() error {
		if out := mustCLI(t, s, "failures"); !strings.Contains(out, "it still computes, so it lives") || strings.Contains(out, stopped) {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	if n := len(s.since(t, begun)); n != 1 {
		t.Errorf("%d actions: %s", n, mustCLI(t, s, "history"))
	}
	for _, vm := range []string{stopped, busy} { // whose agents the next tests need
		lab(t, "vir", "host1", "reset", vm)
		if err := awaitAgent(vm, "host1"); err != nil {
			t.Error(err)
		}
	}
}

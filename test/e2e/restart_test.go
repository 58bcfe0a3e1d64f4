package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// recovering lets failures be dealt with by themselves, and nothing else.
const recovering = "automation: {level: manual, kinds: {restart: full, fence: full}}"

// swift are the settings for failures of these tests: everything at once.
const swift = "failures: {interval: 1s, confirm: 3s, max_heartbeat_age: 5s, grace: 0s, fence_after: 2s, back_off: 2s, definitions: 5s}"

// protected is a server that looks after failures on the whole lab, with heartbeats, and with these guests on host3.
func protected(t *testing.T, vms []string, text string) *instance {
	t.Helper()
	home(t)
	for _, vm := range vms {
		move(t, vm, "host1", "host3")
	}
	dir := filepath.Join(labDir(), "shared", "ds1", "heartbeat")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range hosts {
		exporter(t, i+1, "--heartbeat.dir="+dir, "--heartbeat.interval=1s")
	}
	s := server(t, text)
	s.becomes("alive", 20*time.Second)
	eventually(t, 20*time.Second, "the definitions", func() error {
		if n := s.metric("evenkeel_definitions_kept"); n != fmt.Sprint(len(guests())) {
			return fmt.Errorf("%s are kept", n)
		}
		return nil
	})
	eventually(t, 30*time.Second, "a snapshot with all guests", func() error {
		board, err := s.client.Board(ctx())
		for _, vm := range vms {
			if found := board.Snapshot.FindVMs(vm); len(found) != 1 || found[0].Host != "host3" || found[0].MemoryBytes == 0 {
				return fmt.Errorf("%v %v", found, err)
			}
		}
		return err
	})
	return s
}

// alive waits until the guests run, each on one of the hosts, and answer.
func alive(t *testing.T, within time.Duration, vms []string, on ...string) {
	t.Helper()
	for _, vm := range vms {
		eventually(t, within, vm, func() error {
			at := running(vm)
			if len(at) != 1 || !strings.Contains(strings.Join(on, " "), at[0]) {
				return fmt.Errorf("it runs on %v, want one of %v", at, on)
			}
			return nil
		})
	}
	for _, vm := range vms {
		if err := awaitAgent(vm, running(vm)[0]); err != nil {
			t.Error(err)
		}
	}
}

func TestAHostWhosePowerIsCutHasItsGuestsStartedElsewhere(t *testing.T) {
	vms := []string{"e2e-a", "e2e-b"}
	s := protected(t, vms, fenced(t, config(quiet, recovering, swift), bmc))
	watchDisks(t)
	defer lab(t, "revive", "host3")
	lab(t, "kill", "host3", "power")
	begun := time.Now()
	alive(t, 60*time.Second, vms, "host1", "host2")
	t.Logf("they run after %.1f s", time.Since(begun).Seconds())
	t.Log(mustCLI(t, s, "history"))
	lab(t, "revive", "host3")
	for _, vm := range vms {
		eventually(t, 60*time.Second, "the old definition of "+vm+" to go", func() error {
			if out, err := hostlab("vir", "host3", "domstate", vm); err == nil {
				return fmt.Errorf("host3 still knows it: %s", out)
			}
			return nil
		})
	}
	alive(t, 10*time.Second, vms, "host1", "host2")
}

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// quiet asks for nothing by itself: what happens is what a person asks for.
const quiet = "analysis: {interval: 1s, window: 8s, max_data_age: 4s, migration_threshold: 1}"

// state is how a VM stands by the word of its host.
func state(t *testing.T, host, vm string) string {
	t.Helper()
	return strings.TrimSpace(lab(t, "vir", host, "domstate", vm))
}

// knows waits until the server's snapshot has the VM in that state.
func (s *instance) knows(vm string, want cluster.VMState) {
	s.t.Helper()
	eventually(s.t, 30*time.Second, vm+" to be seen "+want.String(), func() error {
		places, err := s.client.Where(ctx(), vm, time.Time{})
		if err != nil || len(places) != 1 || places[0].State != want || places[0].Gap != "" {
			return fmt.Errorf("%+v %v", places, err)
		}
		return nil
	})
}

// What a person asks for by the command line, kind by kind, on real guests.
func TestAPersonAsksForEachKindOfAction(t *testing.T) {
	home(t)
	exporters(t)
	s := server(t, config(quiet, "automation: {level: manual, shutdown_timeout: 60s}"))
	vm := "e2e-c"
	s.knows(vm, cluster.VMRunning)

	t.Run("suspend and resume", func(t *testing.T) {
		said := mustCLI(t, s, "vm", "suspend", vm, "--reason", "a test")
		if got := state(t, "host1", vm); got != "paused" || !strings.Contains(said, "suspend e2e-c on host1") {
			t.Errorf("it is %s: %s", got, said)
		}
		s.knows(vm, cluster.VMPaused)
		if out, err := s.cli("vm", "shutdown", vm); err == nil || !strings.Contains(out, "the VM is paused on host1") {
			t.Errorf("a paused VM is asked to shut down: %v %s", err, out)
		}
		mustCLI(t, s, "vm", "resume", vm)
		wantOn(t, vm, "host1")
		s.knows(vm, cluster.VMRunning)
	})
	t.Run("reset", func(t *testing.T) {
		booted := uptime(t, vm)
		mustCLI(t, s, "vm", "reset", vm)
		if err := awaitAgent(vm, "host1"); err != nil {
			t.Fatal(err)
		}
		if now := uptime(t, vm); now >= booted+30 {
			t.Errorf("its uptime was %.0f s and is %.0f s", booted, now)
		}
	})
	t.Run("shut down and start", func(t *testing.T) {
		mustCLI(t, s, "vm", "shutdown", vm)
		if got := state(t, "host1", vm); got != "shut off" {
			t.Errorf("it is %s", got)
		}
		s.knows(vm, cluster.VMShutoff)
		if out, err := s.cli("vm", "start", vm, "--on", "host2"); err == nil || !strings.Contains(out, "host2 does not know the VM") {
			t.Errorf("it starts where its definition is not: %v %s", err, out)
		}
		mustCLI(t, s, "vm", "start", vm)
		wantOn(t, vm, "host1")
		s.knows(vm, cluster.VMRunning)
		if out, err := s.cli("vm", "start", vm); err == nil || !strings.Contains(out, "has the VM already") {
			t.Errorf("it starts twice: %v %s", err, out)
		}
	})
	t.Run("migrate", func(t *testing.T) {
		mustCLI(t, s, "migrate", vm, "--to", "host3")
		wantOn(t, vm, "host3")
		if out, err := s.cli("migrate", vm, "--to", "nowhere"); err == nil || !strings.Contains(out, "the hosts are host1, host2, host3") {
			t.Errorf("it moves to a host that is not there: %v %s", err, out)
		}
	})
	t.Run("history", func(t *testing.T) {
		out := mustCLI(t, s, "history")
		for _, kind := range []string{"suspend", "resume", "reset", "shutdown", "start", "migrate"} {
			if !strings.Contains(out, kind+" "+vm) {
				t.Errorf("the history has no %s: %s", kind, out)
			}
			if n := s.metric(fmt.Sprintf(`evenkeel_actions_total{kind=%q,result="done"}`, kind)); n != "1" {
				t.Errorf("%s of the kind %s are done", n, kind)
			}
		}
	})
}

// uptime is how long the guest has been up, in seconds, by its own word.
func uptime(t *testing.T, vm string) float64 {
	t.Helper()
	opened := decode[struct{ Return int }](t, lab(t, "vir", "host1", "qemu-agent-command", vm, `{"execute":"guest-file-open","arguments":{"path":"/proc/uptime"}}`))
	read := decode[struct {
		Return struct {
			B64 []byte `json:"buf-b64"`
		}
	}](t, lab(t, "vir", "host1", "qemu-agent-command", vm, fmt.Sprintf(`{"execute":"guest-file-read","arguments":{"handle":%d}}`, opened.Return)))
	var up float64
	if _, err := fmt.Sscan(string(read.Return.B64), &up); err != nil {
		t.Fatal(err)
	}
	return up
}

// The disks of a running VM go to another pool; one that is cut off leaves the VM with its old disks and nothing behind.
func TestTheDisksOfARunningVMMoveToAnotherPool(t *testing.T) {
	home(t)
	exporters(t)
	s := server(t, config(quiet))
	vm := "e2e-b"
	s.knows(vm, cluster.VMRunning)
	from, to := poolOf(t, vm), "ds2"
	if from != "ds1" {
		to = "ds1"
	}
	said := mustCLI(t, s, "migrate", vm, "--storage", to)
	if got := poolOf(t, vm); got != to {
		t.Fatalf("its disk is in %s, not in %s: %s", got, to, said)
	}
	wantOn(t, vm, "host1")
	if lab(t, "vir", "host1", "dumpxml", "--inactive", vm) == "" || !strings.Contains(lab(t, "vir", "host1", "dumpxml", "--inactive", vm), "/"+to+"/") {
		t.Error("its definition still names the old image")
	}
	if out, err := s.cli("migrate", vm, "--storage", to); err == nil || !strings.Contains(out, "every disk of e2e-b is in "+to) {
		t.Errorf("it moves to where it is: %v %s", err, out)
	}
	if out, err := s.cli("migrate", vm, "--storage", "nowhere"); err == nil || !strings.Contains(out, `has no storage pool "nowhere"`) {
		t.Errorf("it moves to a pool that is not there: %v %s", err, out)
	}
	// A server that is killed while it copies gives up at its next start.
	s.end(15)
	writeFile(t, strings.TrimPrefix(s.args[1], "--config.file="), config(quiet, "migration: {tls: require, bandwidth: 1MiB, timeout: 1m, allow_unsafe: true}"))
	s.start()
	s.knows(vm, cluster.VMRunning)
	images := lab(t, "vir", "host1", "vol-list", from)
	mustCLI(t, s, "migrate", vm, "--storage", from, "--detach")
	eventually(t, 20*time.Second, "the copying to begin", func() error {
		if !strings.Contains(lab(t, "vir", "host1", "dumpxml", vm), "<mirror ") {
			return errors.New("no mirror")
		}
		return nil
	})
	if out, err := s.cli("vm", "reset", vm); err == nil || !strings.Contains(out, "under way") {
		t.Errorf("it is reset while its disks are copied: %v %s", err, out)
	}
	s.end(9)
	s.start()
	eventually(t, 30*time.Second, "the copying to be given up", func() error {
		if strings.Contains(lab(t, "vir", "host1", "dumpxml", vm), "<mirror ") {
			return errors.New("it goes on")
		}
		return nil
	})
	eventually(t, 30*time.Second, "an outcome", func() error {
		history, err := s.client.History(ctx(), "", 1)
		if err != nil || len(history) != 1 || history[0].State != cluster.CaseFailed {
			return fmt.Errorf("%+v %v", history, err)
		}
		return nil
	})
	if now := lab(t, "vir", "host1", "vol-list", from); now != images || poolOf(t, vm) != to {
		t.Errorf("something is left behind, or the disk has moved:\n%s\n%s", images, now)
	}
	wantOn(t, vm, "host1")
}

// poolOf names the datastore that the VM's disk is in.
func poolOf(t *testing.T, vm string) string {
	t.Helper()
	list := lab(t, "vir", "host1", "domblklist", vm)
	for _, pool := range []string{"ds1", "ds2"} {
		if strings.Contains(list, "/"+pool+"/") {
			return pool
		}
	}
	t.Fatal("its disk is nowhere: " + list)
	return ""
}

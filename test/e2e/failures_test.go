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

// recovering lets failures be dealt with by themselves, and nothing else.
const recovering = "automation: {level: manual, kinds: {restart: full, fence: full}}"

// swift are the settings for failures of these tests: everything at once.
const swift = "failures: {interval: 1s, confirm: 3s, max_heartbeat_age: 5s, grace: 0s, fence_after: 2s, back_off: 2s, definitions: 5s, quarantine: {failures: 0}}"

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

// beat are the flags of an exporter with a heartbeat on the storage that the hosts share.
func beat(t *testing.T) []string {
	t.Helper()
	dir := filepath.Join(labDir(), "shared", "ds1", "heartbeat")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"--heartbeat.dir=" + dir, "--heartbeat.interval=1s"}
}

// settled waits until these guests are on host3, and the server knows that and all that it takes to start them elsewhere.
func (s *instance) settled(t *testing.T, vms ...string) {
	t.Helper()
	for _, vm := range vms {
		if on := running(vm); len(on) == 1 && on[0] != "host3" {
			move(t, vm, on[0], "host3")
		}
	}
	s.becomes("alive", 20*time.Second)
	eventually(t, 20*time.Second, "the definitions", func() error {
		if n := s.metric("evenkeel_definitions_kept"); n != fmt.Sprint(len(guests())) {
			return fmt.Errorf("%s are kept", n)
		}
		return nil
	})
	eventually(t, 30*time.Second, "a snapshot with the guests", func() error {
		board, err := s.client.Board(ctx())
		for _, vm := range vms {
			if found := board.Snapshot.FindVMs(vm); len(found) != 1 || found[0].Host != "host3" || found[0].State != cluster.VMRunning || found[0].MemoryBytes == 0 {
				return fmt.Errorf("%v %v", found, err)
			}
		}
		return err
	})
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

// What befalls hosts and guests, one after the other, and what is done about it. All the while somebody watches the disks.
func TestFailures(outer *testing.T) {
	t := outer // what the steps start stays for those after them
	home(t)
	flags := beat(t)
	exporter(t, 1, flags...)
	exporter(t, 2, flags...)
	third := exporter(t, 3, flags...)
	s := server(t, fencedAll(t, config(quiet, recovering, swift)))
	watchDisks(t)
	both, one := []string{"e2e-a", "e2e-b"}, []string{"e2e-a"}
	// back brings host3 back and wants nothing to be left there.
	back := func(t *testing.T, vms []string) {
		t.Helper()
		lab(t, "revive", "host3")
		exporter(outer, 3, flags...)
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
	steps := []struct {
		name string
		vms  []string // on host3
		does func(t *testing.T, since time.Time)
	}{
		{"the exporter dies, and comes back", one, func(t *testing.T, since time.Time) {
			third.end(syscall.SIGTERM)
			s.becomes("exporter-lost", 20*time.Second)
			exporter(outer, 3, flags...)
			s.becomes("alive", 20*time.Second)
			s.nothing(t, since)
		}},
		{"libvirtd dies, its guests live on", one, func(t *testing.T, since time.Time) {
			lab(t, "kill-agent", "host3")
			s.becomes("libvirt-lost", 20*time.Second)
			time.Sleep(5 * time.Second)
			lab(t, "start-agent", "host3")
			s.becomes("alive", 30*time.Second)
			time.Sleep(3 * time.Second)
			s.nothing(t, since)
			alive(t, 10*time.Second, one, "host3")
		}},
		{"the management network is cut: its guests live, so nothing is turned off or started", one, func(t *testing.T, since time.Time) {
			lab(t, "cut", "host3", "mgmt")
			defer lab(t, "heal", "host3", "mgmt")
			s.becomes("isolated", 30*time.Second)
			time.Sleep(7 * time.Second)
			s.nothing(t, since)
			if out := mustCLI(t, s, "failures"); !strings.Contains(out, "mend its network") || !strings.Contains(out, "NEEDS YOU") {
				t.Errorf("evenkeel failures says\n%s", out)
			}
			lab(t, "heal", "host3", "mgmt")
			s.becomes("alive", 30*time.Second)
			alive(t, 10*time.Second, one, "host3")
		}},
		{"a process is killed and starts again where it was; what a person shut down stays down", both, func(t *testing.T, since time.Time) {
			lab(t, "kill-vm", "host3", "e2e-a")
			alive(t, 60*time.Second, one, "host3")
			lab(t, "vir", "host3", "shutdown", "e2e-b", "--mode", "agent")
			defer lab(t, "vir", "host3", "start", "e2e-b")
			eventually(t, 60*time.Second, "e2e-b to be off", func() error {
				if on := running("e2e-b"); len(on) > 0 {
					return fmt.Errorf("it runs on %v", on)
				}
				return nil
			})
			time.Sleep(6 * time.Second)
			if on := running("e2e-b"); len(on) > 0 {
				t.Errorf("what a person shut down was started on %v", on)
			}
			if n := len(s.since(t, since)); n != 1 {
				t.Errorf("%d actions: %s", n, mustCLI(t, s, "history"))
			}
		}},
		{"the power is cut while it is disarmed: nothing is done before it is armed", both, func(t *testing.T, since time.Time) {
			mustCLI(t, s, "disarm", "--reason", "work on the network")
			if out := mustCLI(t, s, "status"); !strings.Contains(out, "DISARMED") {
				t.Errorf("status says\n%s", out)
			}
			lab(t, "kill", "host3", "power")
			t.Logf("a power cut is certain after %.1f s", s.becomes("dead", 30*time.Second).Seconds())
			time.Sleep(4 * time.Second)
			s.nothing(t, since)
			for _, metric := range []string{"evenkeel_vm_down_seconds{", "evenkeel_recovery_stuck{"} {
				if body, err := get(s.url + "/metrics"); err != nil || strings.Count(body, "\n"+metric) != len(both) {
					t.Errorf("the metrics do not tell of %d VMs (%s): %v", len(both), metric, err)
				}
			}
			mustCLI(t, s, "arm")
			alive(t, 60*time.Second, both, "host1", "host2")
			back(t, both)
		}},
		{"the kernel crashes: the host is turned off first", both, func(t *testing.T, since time.Time) {
			lab(t, "kill", "host3")
			alive(t, 90*time.Second, both, "host1", "host2")
			if err := hostIs("off", "down"); err != nil {
				t.Error(err)
			}
			s.inOrder(t, since, "turn host3 off", "start e2e-a on host")
			back(t, both)
		}},
		{"the host hangs: it is turned off, so that nothing thaws", one, func(t *testing.T, since time.Time) {
			lab(t, "freeze", "host3")
			alive(t, 90*time.Second, one, "host1", "host2")
			_, _ = hostlab("thaw", "host3") // what was turned off has nothing left to thaw
			back(t, one)
			s.inOrder(t, since, "turn host3 off", "start e2e-a on host", "take the definition of e2e-a away from host3")
		}},
		{"the BMC is dark as well: it takes a person's word", one, func(t *testing.T, since time.Time) {
			defer lab(t, "heal", "host3", "bmc")
			lab(t, "cut", "host3", "bmc")
			lab(t, "kill", "host3", "power")
			s.becomes("unproven", 40*time.Second)
			time.Sleep(7 * time.Second)
			for _, c := range s.since(t, since) {
				if c.Recommendation.Action.Kind != cluster.Fence || c.State == cluster.CaseDone {
					t.Errorf("%s is %s", c.Recommendation.Action, c.State)
				}
			}
			if out, err := command("fence", "confirm", "host3", "--server="+s.url); err == nil || !strings.Contains(out, "--yes") {
				t.Errorf("%v %s", err, out)
			}
			mustCLI(t, s, "fence", "confirm", "host3", "--yes", "--reason", "I pulled the plug")
			alive(t, 60*time.Second, one, "host1", "host2")
			eventually(t, 60*time.Second, "the end of what began while the BMC was dark", func() error {
				cases, err := s.client.Recommendations(ctx(), "running")
				if err == nil && len(cases) > 0 {
					err = fmt.Errorf("%s is under way: it would turn the host off when that is back", cases[0].Recommendation.Action)
				}
				return err
			})
			lab(t, "heal", "host3", "bmc")
			back(t, one)
		}},
		{"two hosts at once", both, func(t *testing.T, _ time.Time) {
			defer lab(t, "revive", "host2")
			defer lab(t, "revive", "host3")
			lab(t, "kill", "host2", "power")
			lab(t, "kill", "host3", "power")
			alive(t, 90*time.Second, both, "host1")
		}},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) {
			s.settled(t, step.vms...)
			step.does(t, time.Now())
		}) {
			t.Log(mustCLI(t, s, "history"))
			_, _ = hostlab("revive", "host3")
			return
		}
	}
}

// since lists what was done, or tried, since then.
func (s *instance) since(t *testing.T, since time.Time) []cluster.Case {
	t.Helper()
	cases, err := s.client.History(ctx(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(cases, func(c cluster.Case) bool { return c.Outcome == nil || c.Outcome.Started.Before(since) })
}

func (s *instance) nothing(t *testing.T, since time.Time) {
	t.Helper()
	for _, c := range s.since(t, since) {
		t.Errorf("%s is %s", c.Recommendation.Action, c.State)
	}
}

// inOrder wants actions that begin like these to have been done, each begun after the one before it.
func (s *instance) inOrder(t *testing.T, since time.Time, want ...string) {
	t.Helper()
	var last time.Time
	for _, w := range want {
		found := false
		for _, c := range s.since(t, since) {
			if strings.HasPrefix(c.Recommendation.Action.String(), w) && c.State == cluster.CaseDone {
				if found = true; c.Outcome.Started.Before(last) {
					t.Errorf("%s began before what should have come first: %s", w, mustCLI(t, s, "history"))
				}
				last = c.Outcome.Started
			}
		}
		if !found {
			t.Errorf("%s was not done: %s", w, mustCLI(t, s, "history"))
		}
	}
}

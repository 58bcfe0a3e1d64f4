package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
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

// A kernel that crashed leaves the power on: the host is turned off first, and only then are its guests started elsewhere.
func TestAHostThatCrashedIsTurnedOffBeforeItsGuestsStart(t *testing.T) {
	vms := []string{"e2e-a", "e2e-b"}
	s := protected(t, vms, fenced(t, config(quiet, recovering, swift), bmc))
	watchDisks(t)
	defer lab(t, "revive", "host3")
	lab(t, "kill", "host3")
	alive(t, 90*time.Second, vms, "host1", "host2")
	if err := hostIs("off", "down"); err != nil {
		t.Error(err)
	}
	s.inOrder(t, "turn host3 off", "start e2e-a on host")
}

// A host that hangs would go on with its guests when it thaws. It does not: it was turned off.
func TestAHostThatHungAndThawsRunsNothingTwice(t *testing.T) {
	vms := []string{"e2e-a"}
	s := protected(t, vms, fenced(t, config(quiet, recovering, swift), bmc))
	watchDisks(t)
	defer lab(t, "revive", "host3")
	lab(t, "freeze", "host3")
	alive(t, 90*time.Second, vms, "host1", "host2")
	_, _ = hostlab("thaw", "host3") // what was turned off has nothing left to thaw
	lab(t, "revive", "host3")
	eventually(t, 60*time.Second, "the old definition to go", func() error {
		if out, err := hostlab("vir", "host3", "domstate", "e2e-a"); err == nil {
			return fmt.Errorf("host3 still knows it: %s", out)
		}
		return nil
	})
	alive(t, 10*time.Second, vms, "host1", "host2")
	s.inOrder(t, "turn host3 off", "start e2e-a on host", "take the definition of e2e-a away from host3")
}

// Guests on a host that is only cut off live: nothing is turned off, and nothing is started a second time.
func TestAHostThatIsCutOffKeepsItsGuests(t *testing.T) {
	vms := []string{"e2e-a"}
	s := protected(t, vms, fenced(t, config(quiet, recovering, swift), bmc))
	watchDisks(t)
	lab(t, "cut", "host3", "mgmt")
	defer lab(t, "heal", "host3", "mgmt")
	s.becomes("isolated", 30*time.Second)
	time.Sleep(15 * time.Second)
	s.nothing(t)
	out := mustCLI(t, s, "failures")
	if !strings.Contains(out, "mend its network") || !strings.Contains(out, "NEEDS YOU") {
		t.Errorf("evenkeel failures says\n%s", out)
	}
	lab(t, "heal", "host3", "mgmt")
	s.becomes("alive", 30*time.Second)
	alive(t, 10*time.Second, vms, "host3")
}

// Where the BMC is dark as well, nothing is done until a person says that the host is off.
func TestAHostAndItsBMCGoneTakesAPersonsWord(t *testing.T) {
	vms := []string{"e2e-a"}
	s := protected(t, vms, fenced(t, config(quiet, recovering, swift+"\n"), bmc))
	watchDisks(t)
	defer lab(t, "revive", "host3")
	defer lab(t, "heal", "host3", "bmc")
	lab(t, "cut", "host3", "bmc")
	lab(t, "kill", "host3", "power")
	s.becomes("unproven", 40*time.Second)
	time.Sleep(20 * time.Second)
	for _, c := range s.done(t) {
		if c.Recommendation.Action.Kind != cluster.Fence || c.State == cluster.CaseDone {
			t.Errorf("%s is %s", c.Recommendation.Action, c.State)
		}
	}
	if out, err := command("fence", "confirm", "host3", "--server="+s.url); err == nil || !strings.Contains(out, "--yes") {
		t.Errorf("%v %s", err, out)
	}
	t.Log(mustCLI(t, s, "failures"))
	t.Log(mustCLI(t, s, "fence", "confirm", "host3", "--yes", "--reason", "I pulled the plug"))
	alive(t, 60*time.Second, vms, "host1", "host2")
}

// The exporter or libvirtd of a host that dies alone is no reason to touch its guests.
func TestAProgramThatDiesAloneMovesNothing(t *testing.T) {
	vms := []string{"e2e-a"}
	s := protected(t, vms, fenced(t, config(quiet, recovering, swift), bmc))
	watchDisks(t)
	lab(t, "kill-agent", "host3")
	s.becomes("libvirt-lost", 20*time.Second)
	time.Sleep(10 * time.Second)
	s.nothing(t)
	lab(t, "start-agent", "host3")
	s.becomes("alive", 30*time.Second)
	time.Sleep(3 * time.Second)
	s.nothing(t)
	alive(t, 10*time.Second, vms, "host3")
}

// Two hosts whose power is cut at once are known to be off, so that it is no matter of who observes.
func TestTwoHostsAtOnce(t *testing.T) {
	vms := []string{"e2e-a", "e2e-b"}
	protected(t, vms, fencedAll(t, config(quiet, recovering, swift)))
	watchDisks(t)
	defer lab(t, "revive", "host3")
	defer lab(t, "revive", "host2")
	lab(t, "kill", "host2", "power")
	lab(t, "kill", "host3", "power")
	alive(t, 90*time.Second, vms, "host1")
}

// A process that is killed is started again where it was; what a person shut down stays down.
func TestAGuestWhoseProcessDiesComesBackAndOneThatWasShutDownDoesNot(t *testing.T) {
	vms := []string{"e2e-a", "e2e-b"}
	s := protected(t, vms, fenced(t, config(quiet, recovering, swift), bmc))
	watchDisks(t)
	lab(t, "kill-vm", "host3", "e2e-a")
	alive(t, 60*time.Second, []string{"e2e-a"}, "host3")
	lab(t, "vir", "host3", "shutdown", "e2e-b", "--mode", "agent")
	defer lab(t, "vir", "host3", "start", "e2e-b")
	eventually(t, 60*time.Second, "e2e-b to be off", func() error {
		if on := running("e2e-b"); len(on) > 0 {
			return fmt.Errorf("it runs on %v", on)
		}
		return nil
	})
	time.Sleep(8 * time.Second)
	if on := running("e2e-b"); len(on) > 0 {
		t.Errorf("what a person shut down was started on %v", on)
	}
	if n := len(s.done(t)); n != 1 {
		t.Errorf("%d actions: %s", n, mustCLI(t, s, "history"))
	}
}

// While it is disarmed nothing is done, and all that waits is done when it is armed.
func TestWhatIsDisarmedWaits(t *testing.T) {
	vms := []string{"e2e-a"}
	s := protected(t, vms, fenced(t, config(quiet, recovering, swift), bmc))
	watchDisks(t)
	mustCLI(t, s, "disarm", "--reason", "work on the network")
	if out := mustCLI(t, s, "status"); !strings.Contains(out, "DISARMED") {
		t.Errorf("status says\n%s", out)
	}
	defer lab(t, "revive", "host3")
	lab(t, "kill", "host3", "power")
	s.becomes("dead", 30*time.Second)
	time.Sleep(6 * time.Second)
	s.nothing(t)
	mustCLI(t, s, "arm")
	alive(t, 60*time.Second, vms, "host1", "host2")
}

// done lists what was done, or tried.
func (s *instance) done(t *testing.T) []cluster.Case {
	t.Helper()
	cases, err := s.client.History(ctx(), 100)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func (s *instance) nothing(t *testing.T) {
	t.Helper()
	for _, c := range s.done(t) {
		t.Errorf("%s is %s", c.Recommendation.Action, c.State)
	}
}

// inOrder wants actions that begin like these to have been done, each begun after the one before it.
func (s *instance) inOrder(t *testing.T, want ...string) {
	t.Helper()
	var last time.Time
	for _, w := range want {
		found := false
		for _, c := range s.done(t) {
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

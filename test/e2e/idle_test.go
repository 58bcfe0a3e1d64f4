//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// shutdown is how host3 is shut down in the lab. It notes when it is told and when the host is off, and takes its time before the one and after the other,
// so that a test can have its way in between.
type shutdown struct{ command, told, off string }

func newShutdown(t *testing.T) shutdown {
	t.Helper()
	dir := t.TempDir()
	s := shutdown{filepath.Join(dir, "shutdown"), filepath.Join(dir, "told"), filepath.Join(dir, "off")}
	writeFile(t, s.command, fmt.Sprintf("#!/bin/sh\necho $$ >> %s\nsleep 3\n%s kill host3 power\necho $$ >> %s\nsleep 3\n", s.told, filepath.Join(root(), "test", "lab", "hostlab"), s.off))
	if err := os.Chmod(s.command, 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// after waits until the file has a line, and forgets it.
func after(t *testing.T, within time.Duration, file string, explain func() error) {
	t.Helper()
	eventually(t, within, file, func() error {
		if text, err := os.ReadFile(file); err != nil || len(text) == 0 {
			return explain()
		}
		return os.Remove(file)
	})
}

// sleeper is a configuration in which host3 can be shut down and every host is switched by its BMC.
func sleeper(t *testing.T, by shutdown) string {
	t.Helper()
	return strings.Replace(fencedAll(t, config(quiet, "automation: {level: manual, kinds: {power: full}}",
		"power: {advise: true, target: 0.5, tolerance: 0.1, wake_after: 8s, sleep_after: 15s, cycle_wh: 0, move_wh: 0, wake_timeout: 1m, empty_timeout: 3m}")), "name: host3,", "name: host3, shutdown: {command: ["+by.command+"], timeout: 30s},", 1)
}

// power is what host3's BMC says.
func power(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(lab(t, "bmc", "host3", "chassis", "power", "status"))
}

// boots starts what a host's own system starts when it comes up, whenever host3 does.
func boots(t *testing.T) (end func()) {
	t.Helper()
	stop, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		was := true
		for {
			select {
			case <-stop:
				return
			case <-time.After(500 * time.Millisecond):
			}
			_, err := hostlab("vir", "host3", "list")
			if err == nil && !was {
				_, _ = hostlab("revive", "host3") // the pools
				exporter(t, 3)
			}
			was = err == nil
		}
	}()
	return func() { close(stop); <-over }
}

// A host is tested by a person, with a guest that leaves it by itself. Then evenkeel puts it into standby because the cluster is idle, is killed
// between power-off and verification, and wakes it when there is load. Then others have their way with it.
func TestAHostSleepsAndWakes(t *testing.T) {
	home(t)
	exporters(t)
	by := newShutdown(t)
	s := server(t, strings.Replace(sleeper(t, by), "advise: true", "advise: false", 1))
	t.Cleanup(func() { // for the tests after this one
		_, _ = hostlab("bmc", "host3", "chassis", "power", "on")
		_, _ = hostlab("revive", "host3")
	})
	t.Cleanup(func() {
		for vm, load := range guests() {
			_, _ = hostlab("load", vm, running(vm)[0], load)
		}
	})
	loads(t, calm())
	move(t, "e2e-a", "host1", "host3")
	s.sees(t, "e2e-a", "host3")
	if out, err := s.cli("standby", "enter", "host3"); err == nil || !strings.Contains(out, "evenkeel standby test host3") {
		t.Fatalf("it was never woken: %v %s", err, out)
	}
	end := boots(t)
	defer end()

	out := mustCLI(t, s, "standby", "test", "host3", "--reason", "first light")
	t.Log(out)
	runs(t, time.Second, []string{"e2e-a"}, "host1", "host2")
	if got := power(t); got != "Chassis Power is on" {
		t.Fatalf("after the test: %s", got)
	}
	if at, seconds := s.metric(`evenkeel_host_wake_last_success{host="host3"}`), s.metric(`evenkeel_host_wake_last_duration_seconds{host="host3"}`); at != "1" || seconds == "" {
		t.Errorf("the proof: %s %s", at, seconds)
	}

	eventually(t, time.Minute, "host3 to be measured while it is empty", func() error {
		status, err := s.client.Power(ctx())
		if err == nil && status.Hosts[2].IdleWatts != cluster.Known(120) {
			err = fmt.Errorf("%+v", status.Hosts)
		}
		return err
	})
	s.text = strings.Replace(s.text, "advise: false", "advise: true", 1)
	s.reload(t, s.text)
	for _, file := range []string{by.told, by.off} { // of the test by hand
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
	// From here on nobody says anything: the cluster is idle, and host3 the only one that was ever woken.
	after(t, 2*time.Minute, by.off, func() error {
		board, err := s.client.Board(ctx())
		return fmt.Errorf("host3 is not shut down: %+v, VMs %+v, ahead %v, gaps %v, advice %v %v", board.Loads, board.Snapshot.VMs, board.Snapshot.CPUAheadCores, board.Snapshot.Gaps, board.Recommendations, err)
	})
	s.process.end(syscall.SIGKILL) // the host is off, and the server waits for the command that turned it off: nobody has asked the BMC yet
	if got := power(t); got != "Chassis Power is off" {
		t.Fatal(got)
	}
	s.start()
	s.asleep(t, "host3")
	eventually(t, time.Minute, "its BMC to say that it draws less, and that to be saved", func() error {
		status, err := s.client.Power(ctx())
		for _, h := range status.Hosts {
			if h.Host == "host3" && h.Watts == cluster.Known(8) && h.Source == "ipmi" && h.IdleWatts == cluster.Known(120) && h.Today.SavedWh > 0 && h.Today.Wakes == 1 {
				return nil
			}
		}
		return fmt.Errorf("%+v %v", status, err)
	})
	t.Log(mustCLI(t, s, "power"))
	if waiting, err := s.client.Failures(ctx()); err != nil || len(waiting) > 0 {
		t.Errorf("a host that sleeps has not failed: %+v %v", waiting, err)
	}
	runs(t, time.Second, []string{"e2e-a", "e2e-b", "e2e-c"}, "host1", "host2")

	loadRises(t, s)
	othersTurnItOff(t, s)
	startsByHandAtTheLastMoment(t, s, by)
	doesNotComeUp(t, s)
}

// calm is a cluster that two hosts are enough for, also where the machine under them is busy.
func calm() map[string]string {
	return map[string]string{"e2e-a": "cpu=20", "e2e-b": "cpu=20", "e2e-c": "cpu=10"}
}

// loads sets what the guests use.
func loads(t *testing.T, of map[string]string) {
	t.Helper()
	for vm, load := range of {
		lab(t, "load", vm, running(vm)[0], load)
	}
}

// steady follows the score for a while, and returns the least.
func steady(t *testing.T, s *instance, d time.Duration, until func(board analyzer.Judgement) bool) float64 {
	t.Helper()
	least := 100.0
	var board analyzer.Judgement
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		var err error
		if board, err = s.client.Board(ctx()); err == nil && !board.Snapshot.At.IsZero() {
			least = min(least, board.Plan.Before.Score)
			if until(board) {
				return least
			}
		}
	}
	t.Fatalf("it did not come to it within %s: %+v, orders %+v", d, board.Loads, orders(t, s))
	return 0
}

// loadRises by and by: host3 is woken and used before anything has to wait for a CPU.
func loadRises(t *testing.T, s *instance) {
	t.Helper()
	s.reload(t, strings.NewReplacer("kinds: {power: full}", "kinds: {power: full, balance: full}", "migration_threshold: 1", "migration_threshold: 4").Replace(s.text))
	pair := map[string]string{}
	step, stepped := 0, time.Now()
	rise := func() {
		of := map[string]string{}
		for vm := range guests() {
			if at := running(vm)[0]; len(others(vm, at)) == 0 {
				of[vm] = fmt.Sprintf("cpu=%d", 60+2*step)
			} else {
				of[vm] = fmt.Sprintf("cpu=%d", 29+step)
				pair[vm] = "cpu=45"
			}
		}
		loads(t, of)
		step, stepped = min(step+1, 5), time.Now()
	}
	rise()
	least := steady(t, s, 2*time.Minute, func(board analyzer.Judgement) bool {
		if len(orders(t, s)) > 0 && time.Since(stepped) > 12*time.Second {
			rise()
		}
		h, _ := board.Snapshot.Host("host3")
		return h.State == cluster.HostUp && len(orders(t, s)) == 0
	})
	used := steady(t, s, 2*time.Minute, func(board analyzer.Judgement) bool {
		if len(board.Recommendations) == 0 && time.Since(stepped) > 12*time.Second { // it may have been woken for the first step, for which no move is worth it yet
			rise()
		}
		return slices.ContainsFunc(board.Snapshot.VMs, func(v cluster.VM) bool { return v.Host == "host3" && v.MigratingTo == "" })
	})
	loads(t, pair)
	begun := time.Now()
	after := steady(t, s, time.Minute, func(analyzer.Judgement) bool { return time.Since(begun) > 12*time.Second })
	t.Logf("the score was %.1f at the least until host3 was there, %.1f until it was used, %.1f with more load", least, used, after)
	if min(least, used, after) < 90 {
		t.Error("there was contention before host3 was used")
	}
	t.Log(mustCLI(t, s, "history", "host3"))
	s.reload(t, strings.Replace(s.text, "advise: true", "advise: false", 1))
	loads(t, calm())
	for vm := range guests() {
		if at := running(vm)[0]; at == "host3" {
			move(t, vm, "host3", "host2")
		}
	}
}

// others are the guests beside one on a host.
func others(vm, host string) []string {
	var list []string
	for other := range guests() {
		if other != vm && running(other)[0] == host {
			list = append(list, other)
		}
	}
	return list
}

// othersTurnItOff: what evenkeel did not put to sleep it does not wake, however much it is needed.
func othersTurnItOff(t *testing.T, s *instance) {
	t.Helper()
	lab(t, "bmc", "host3", "chassis", "power", "off")
	s.reload(t, s.text)
	loads(t, map[string]string{"e2e-a": "cpu=90", "e2e-b": "cpu=90", "e2e-c": "cpu=90"})
	time.Sleep(12 * time.Second)
	if got := power(t); got != "Chassis Power is off" {
		t.Errorf("somebody turned host3 off, and now: %s", got)
	}
	if out, err := s.cli("standby", "exit", "host3"); err == nil || !strings.Contains(out, "not") {
		t.Errorf("a person may not have it woken by evenkeel either: %s", out)
	}
	s.reload(t, strings.Replace(s.text, "advise: true", "advise: false", 1))
	loads(t, calm())
	lab(t, "bmc", "host3", "chassis", "power", "on")
	s.back(t, "host3")
}

// asleep waits until a host is in standby for all to see, and no gap.
func (s *instance) asleep(t *testing.T, host string) {
	t.Helper()
	eventually(t, time.Minute, host+" to be in standby", func() error {
		board, err := s.client.Board(ctx())
		if h, _ := board.Snapshot.Host(host); h.State != cluster.HostStandby || board.Snapshot.GapOf("host/"+host) != "" {
			return fmt.Errorf("%+v %s %v", h, board.Snapshot.GapOf("host/"+host), err)
		}
		return err
	})
}

// back waits until a host is in use.
func (s *instance) back(t *testing.T, host string) {
	t.Helper()
	eventually(t, 2*time.Minute, host+" to be in use", func() error {
		board, err := s.client.Board(ctx())
		if h, _ := board.Snapshot.Host(host); h.State != cluster.HostUp || len(orders(t, s)) > 0 || len(board.Snapshot.Gaps) > 0 {
			return fmt.Errorf("%+v %v %v", h, board.Snapshot.Gaps, err)
		}
		return err
	})
}

// startsByHandAtTheLastMoment: a VM that somebody starts on the host while it is emptied is moved too, and does not go down with it. The server is killed when
// the host is empty and told to shut down, and the next one sees to it that it sleeps.
func startsByHandAtTheLastMoment(t *testing.T, s *instance, by shutdown) {
	t.Helper()
	at := running("e2e-c")[0]
	definition := filepath.Join(t.TempDir(), "e2e-c.xml")
	writeFile(t, definition, lab(t, "vir", at, "dumpxml", "--inactive", "--security-info", "e2e-c"))
	lab(t, "vir", at, "destroy", "e2e-c")
	lab(t, "vir", at, "undefine", "e2e-c")
	move(t, "e2e-a", running("e2e-a")[0], "host3")
	s.sees(t, "e2e-a", "host3")
	lab(t, "vir", "host3", "define", definition)
	_ = os.Remove(by.told)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _ = s.cli("standby", "enter", "host3") // whose server is killed
	}()
	eventually(t, time.Minute, "host3 to be emptied", func() error {
		if len(orders(t, s)) == 0 {
			return errors.New("there is no order")
		}
		return nil
	})
	lab(t, "vir", "host3", "start", "e2e-c")
	after(t, 2*time.Minute, by.told, func() error { return fmt.Errorf("host3 is not told to shut down: %+v", orders(t, s)) })
	s.process.end(syscall.SIGKILL)
	if got := power(t); got != "Chassis Power is on" {
		t.Errorf("it was to be killed before the host is off: %s", got)
	}
	<-asked
	s.start()
	s.asleep(t, "host3")
	if got := power(t); got != "Chassis Power is off" {
		t.Errorf("host3 can be emptied of it as well: %s", got)
	}
	runs(t, time.Second, []string{"e2e-a", "e2e-b", "e2e-c"}, "host1", "host2")
	for _, c := range s.history(t) {
		if c.Recommendation.Action.Kind == cluster.Start {
			t.Errorf("it went down with host3, and had to be started again: %+v", c)
		}
	}
}

// doesNotComeUp: a host that is woken and does not come is said, told Prometheus, and not trusted any more.
func doesNotComeUp(t *testing.T, s *instance) {
	t.Helper()
	s.asleep(t, "host3")
	lab(t, "kill", "host3", "break")
	if out, err := s.cli("standby", "exit", "host3"); err == nil || !strings.Contains(out, "libvirt answers: no") {
		t.Errorf("it did not come up: %v %s", err, out)
	}
	if got := s.metric(`evenkeel_host_wake_failed{host="host3"}`); got != "1" {
		t.Errorf("who is paged about it: %q", got)
	}
	lab(t, "revive", "host3")
	s.back(t, "host3")
	if out, err := s.cli("standby", "enter", "host3"); err == nil || !strings.Contains(out, "could not be woken") {
		t.Errorf("it is trusted all the same: %v %s", err, out)
	}
	if out := mustCLI(t, s, "power"); !strings.Contains(out, "FAILED") {
		t.Error(out)
	}
}

// reload puts another configuration into force.
func (s *instance) reload(t *testing.T, text string) {
	t.Helper()
	writeFile(t, filepath.Join(s.dir, "evenkeel.yml"), text)
	mustCLI(t, s, "reload")
}

// sees waits until the VM is seen on the host, and everything else too.
func (s *instance) sees(t *testing.T, vm, host string) {
	t.Helper()
	eventually(t, time.Minute, host+" to be seen with "+vm, func() error {
		board, err := s.client.Board(ctx())
		if found := board.Snapshot.FindVMs(vm); len(found) != 1 || found[0].Host != host || len(board.Snapshot.Gaps) > 0 {
			return fmt.Errorf("%v %v %v", found, board.Snapshot.Gaps, err)
		}
		return err
	})
}

func (s *instance) history(t *testing.T) []cluster.Case {
	t.Helper()
	cases, err := s.client.History(ctx(), "", 200)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func orders(t *testing.T, s *instance) cluster.Orders {
	t.Helper()
	list, err := s.client.Orders(ctx())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

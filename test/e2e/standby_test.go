//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// sleeper is a configuration in which host3 can be shut down and every host is switched by its BMC.
func sleeper(t *testing.T) string {
	t.Helper()
	command := fmt.Sprintf("[%s, kill, host3, power]", filepath.Join(root(), "test", "lab", "hostlab"))
	return strings.Replace(fencedAll(t, config(quiet, "automation: {level: manual, kinds: {power: full}}",
		"power: {advise: true, target: 0.55, tolerance: 0.1, wake_after: 8s, sleep_after: 15s, cycle_wh: 0, move_wh: 0, wake_timeout: 3m, empty_timeout: 3m}")), "name: host3,", "name: host3, shutdown: {command: "+command+", timeout: 30s},", 1)
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
// while the host goes down, and wakes it when there is load.
func TestAHostSleepsAndWakes(t *testing.T) {
	home(t)
	exporters(t)
	s := server(t, sleeper(t))
	t.Cleanup(func() { // for the tests after this one
		_, _ = hostlab("bmc", "host3", "chassis", "power", "on")
		_, _ = hostlab("revive", "host3")
	})
	move(t, "e2e-a", "host1", "host3")
	eventually(t, time.Minute, "host3 to be seen with its guest", func() error {
		board, err := s.client.Board(ctx())
		if found := board.Snapshot.FindVMs("e2e-a"); len(found) != 1 || found[0].Host != "host3" || len(board.Snapshot.Gaps) > 0 {
			return fmt.Errorf("%v %v %v", found, board.Snapshot.Gaps, err)
		}
		return err
	})
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

	// From here on nobody says anything: the cluster is idle, and host3 the only one that was ever woken.
	eventually(t, 2*time.Minute, "host3 to be told to shut down", func() error {
		for _, o := range orders(t, s) {
			if o.Kind == cluster.OrderStandby && !o.Rest.Down.IsZero() {
				return nil
			}
		}
		board, err := s.client.Board(ctx())
		return fmt.Errorf("it is not: %+v, VMs %+v, ahead %v, gaps %v, advice %v %v", board.Loads, board.Snapshot.VMs, board.Snapshot.CPUAheadCores, board.Snapshot.Gaps, board.Recommendations, err)
	})
	s.process.end(syscall.SIGKILL) // before the host is told, while it goes down or when it is off: a matter of milliseconds
	time.Sleep(5 * time.Second)
	s.start()
	eventually(t, time.Minute, "host3 to go off", func() error {
		if got := power(t); got != "Chassis Power is off" {
			return errors.New(got)
		}
		return nil
	})
	eventually(t, time.Minute, "host3 to be in standby", func() error {
		board, err := s.client.Board(ctx())
		if h, _ := board.Snapshot.Host("host3"); h.State != cluster.HostStandby || board.Snapshot.GapOf("host/host3") != "" {
			return fmt.Errorf("%+v %s %v", h, board.Snapshot.GapOf("host/host3"), err)
		}
		return err
	})
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

	for _, vm := range []string{"e2e-a", "e2e-b", "e2e-c"} {
		lab(t, "load", vm, running(vm)[0], "cpu=90")
	}
	t.Cleanup(func() {
		for _, vm := range []string{"e2e-a", "e2e-b", "e2e-c"} {
			_, _ = hostlab("load", vm, running(vm)[0], guests()[vm])
		}
	})
	least := 100.0
	eventually(t, 2*time.Minute, "host3 to be in use again", func() error {
		board, err := s.client.Board(ctx())
		if !board.Snapshot.At.IsZero() {
			least = min(least, board.Plan.Before.Score)
		}
		if h, _ := board.Snapshot.Host("host3"); h.State != cluster.HostUp || len(orders(t, s)) > 0 {
			return fmt.Errorf("%+v %v", h, err)
		}
		return err
	})
	t.Logf("the score was %.1f at the least while it was woken", least)
	t.Log(mustCLI(t, s, "history", "host3"))
}

func orders(t *testing.T, s *instance) cluster.Orders {
	t.Helper()
	list, err := s.client.Orders(ctx())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

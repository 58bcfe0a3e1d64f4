//go:build bench

package e2e

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// rounds is how often each is measured; the median counts.
const rounds = 5

// many are ten guests more, which stand on the host that dies.
func many() []string {
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprintf("bench-%d", i))
	}
	return names
}

// TestHostFailureInNumbers measures how long it takes from a power cut until the last of ten guests was started elsewhere, with the settings that
// evenkeel has by itself, and beside it what a script takes that knows at once which host died and where its guests go.
func TestHostFailureInNumbers(t *testing.T) {
	home(t)
	dir := filepath.Join(labDir(), "shared", "ds1", "heartbeat")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, vm := range many() {
		args = append(args, vm+":host3")
	}
	for i := 1; i <= hosts; i++ {
		lab(t, "cpu", fmt.Sprintf("host%d", i), "max")
	}
	lab(t, append([]string{"guests"}, args...)...)
	t.Cleanup(func() {
		for _, vm := range many() {
			for _, h := range running(vm) {
				_, _ = hostlab("vir", h, "destroy", vm)
				_, _ = hostlab("vir", h, "undefine", vm)
			}
		}
	})
	text := strings.Join(slices.DeleteFunc(strings.Split(fencedAll(t, config(recovering)), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "scrape:") || strings.HasPrefix(line, "analysis:") // evenkeel's own
	}), "\n") + "failures: {quarantine: {failures: 0}}\n" // five failures in an hour are this test's doing
	exporter(t, 1, "--heartbeat.dir="+dir)
	exporter(t, 2, "--heartbeat.dir="+dir)
	exporter(t, 3, "--heartbeat.dir="+dir)
	s := server(t, text)
	time.Sleep(45 * time.Second) // the grace, and a pass
	var detect, place, begin, total, floor []float64
	for range rounds {
		s.ready(t)
		cut := time.Now()
		lab(t, "kill", "host3", "power")
		dead, first, last := s.measure(t, cut)
		detect, place, begin, total = append(detect, dead), append(place, first-dead), append(begin, last-first), append(total, last)
		t.Logf("certain after %.1f s, first start begun after %.1f s, last start done after %.1f s", dead, first, last)
		again(t, dir)
		s.ready(t)
		mustCLI(t, s, "disarm")
		floor = append(floor, scripted(t))
		t.Logf("a script: %.1f s", floor[len(floor)-1])
		lab(t, "revive", "host3")
		for _, vm := range many() { // the script leaves them behind
			_, _ = hostlab("vir", "host3", "undefine", vm)
		}
		mustCLI(t, s, "arm")
		again(t, dir)
	}
	t.Logf("| part | median of %d, s |\n|---|---|\n| until it is certain that the host is off | %.1f |\n| place, ask the gates, write the intent | %.1f |\n| start ten guests | %.1f |\n| **all** | **%.1f** |\n| a script: fence, then start | %.1f |\n| ratio | %.2f |",
		rounds, median(detect), median(place), median(begin), median(total), median(floor), median(total)/median(floor))
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// ready waits until all guests are on host3 and evenkeel knows it.
func (s *instance) ready(t *testing.T) {
	t.Helper()
	eventually(t, 3*time.Minute, "everything to be well", func() error {
		list, err := s.client.Hosts(ctx())
		if err != nil {
			return err
		}
		for _, h := range list {
			if h.Verdict != "alive" || h.Exporter != "yes" || h.Heartbeat != "yes" {
				return fmt.Errorf("%+v", h)
			}
		}
		board, err := s.client.Board(ctx())
		for _, vm := range many() {
			if found := board.Snapshot.FindVMs(vm); len(found) != 1 || found[0].Host != "host3" || found[0].MemoryBytes == 0 {
				return fmt.Errorf("%+v", found)
			}
		}
		if waiting, err := s.client.Failures(ctx()); err != nil || len(waiting) > 0 {
			return fmt.Errorf("%v %v", waiting, err)
		}
		return err
	})
}

// measure returns, in seconds since the cut, when it was certain that the host is off, when the first start began and when the last had ended.
func (s *instance) measure(t *testing.T, cut time.Time) (dead, first, last float64) {
	t.Helper()
	eventually(t, 2*time.Minute, "all guests to be started", func() error {
		if list, err := s.client.Hosts(ctx()); err == nil && dead == 0 {
			for _, h := range list {
				if h.Verdict == "dead" {
					dead = h.Since.Sub(cut).Seconds()
				}
			}
		}
		cases, err := s.client.History(ctx(), "", 200)
		if err != nil {
			return err
		}
		started := 0
		first, last = 0, 0
		for _, c := range cases {
			if a := c.Recommendation.Action; a.Kind == cluster.Start && c.State == cluster.CaseDone && c.Outcome.Started.After(cut) && strings.HasPrefix(a.Name, "bench-") {
				began, ended := c.Outcome.Started.Sub(cut).Seconds(), c.Outcome.Finished.Sub(cut).Seconds()
				first, last = min(cmp.Or(first, began), began), max(last, ended)
				started++
			}
		}
		if started < len(many()) {
			return fmt.Errorf("%d are", started)
		}
		return nil
	})
	return dead, first, last
}

// again brings host3 back, and its guests to it.
func again(t *testing.T, dir string) {
	t.Helper()
	lab(t, "revive", "host3") // nothing happens to one that is up
	exporter(t, 3, "--heartbeat.dir="+dir)
	eventually(t, time.Minute, "the old definitions to go", func() error {
		for _, vm := range many() {
			if out, err := hostlab("vir", "host3", "domstate", vm); err == nil && !strings.HasPrefix(out, "running") {
				return fmt.Errorf("%s is there: %s", vm, out)
			}
		}
		return nil
	})
	for _, vm := range many() {
		at := running(vm)
		if len(at) != 1 {
			t.Fatalf("%s runs on %v", vm, at)
		}
		if err := awaitAgent(vm, at[0]); err != nil {
			t.Fatal(err)
		}
		if at[0] != "host3" {
			move(t, vm, at[0], "host3")
		}
	}
}

// scripted is the floor: the power is cut, and a script fences the host at once and starts the guests from definitions that it has, five at a
// time on each host.
func scripted(t *testing.T) float64 {
	t.Helper()
	dir := t.TempDir()
	for _, vm := range many() {
		writeFile(t, filepath.Join(dir, vm+".xml"), lab(t, "vir", "host3", "dumpxml", "--inactive", "--security-info", vm))
	}
	cut := time.Now()
	lab(t, "kill", "host3", "power")
	lab(t, "fence", "host3", "off")
	var wg sync.WaitGroup
	slots := map[string]chan struct{}{"host1": make(chan struct{}, 5), "host2": make(chan struct{}, 5)}
	for i, vm := range many() {
		host := fmt.Sprintf("host%d", 1+i%2)
		wg.Go(func() {
			slots[host] <- struct{}{}
			defer func() { <-slots[host] }()
			for _, args := range [][]string{{"define", filepath.Join(dir, vm+".xml")}, {"start", vm}} {
				cmd := exec.Command(filepath.Join(root(), "test", "lab", "hostlab"), append([]string{"vir", host}, args...)...)
				if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "already active") {
					t.Errorf("%v: %v %s", args, err, out)
				}
			}
		})
	}
	wg.Wait()
	return time.Since(cut).Seconds()
}

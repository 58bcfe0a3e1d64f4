package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// watchDisks looks every 100 ms, over all hosts of the lab, whether two QEMUs have one disk open for writing: it knows nothing of evenkeel
// and of libvirt, only of processes and files. It ends with the test.
func watchDisks(t *testing.T) {
	t.Helper()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	looks, most := 0, 0
	seen := map[string]bool{}
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			looks++
			for disk, by := range writers() {
				seen[disk] = true
				if most = max(most, len(by)); len(by) > 1 {
					t.Errorf("at %s %s is open for writing in the QEMUs %v", time.Now().Format(time.StampMilli), disk, by)
				}
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		wg.Wait()
		t.Logf("the watcher looked %d times at %d disks; %d QEMU at most had one open", looks, len(seen), most)
		if len(seen) == 0 {
			t.Error("the watcher saw no disk at all")
		}
	})
}

// writers lists for each disk of the shared storage the QEMUs that have it open for writing.
func writers() map[string][]int {
	open := map[string]map[int]bool{}
	processes, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, comm := range processes {
		name, err := os.ReadFile(comm)
		if err != nil || !strings.HasPrefix(string(name), "qemu") {
			continue
		}
		dir := filepath.Dir(comm)
		pid, _ := strconv.Atoi(filepath.Base(dir))
		fds, _ := os.ReadDir(filepath.Join(dir, "fd"))
		for _, fd := range fds {
			file, err := os.Readlink(filepath.Join(dir, "fd", fd.Name()))
			if err != nil || !strings.HasSuffix(file, ".qcow2") || !forWriting(filepath.Join(dir, "fdinfo", fd.Name())) {
				continue
			}
			if open[file] == nil {
				open[file] = map[int]bool{}
			}
			open[file][pid] = true
		}
	}
	all := map[string][]int{}
	for file, pids := range open {
		all[file] = slices.Sorted(maps.Keys(pids))
	}
	return all
}

// forWriting reads the access mode from the flags, which are octal: 1 and 2 write.
func forWriting(info string) bool {
	text, err := os.ReadFile(info)
	if err != nil {
		return false
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, "flags:"); ok {
			flags, err := strconv.ParseUint(strings.TrimSpace(value), 8, 64)
			return err == nil && flags&3 != 0
		}
	}
	return false
}

func TestTheWatcherSeesDisks(t *testing.T) {
	seen := writers()
	if len(seen) < len(guests()) {
		t.Errorf("%d disks, and %d guests run: %v", len(seen), len(guests()), seen)
	}
	for disk, by := range seen {
		if len(by) != 1 {
			t.Error(fmt.Sprint(disk, " is open in ", by))
		}
	}
}

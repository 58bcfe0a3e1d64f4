package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestFullDiskStopsStoringAndNothingElse fills and empties a pretended disk.
func TestFullDiskStopsStoringAndNothingElse(t *testing.T) {
	t.Parallel()
	var log logBuffer
	e := openEngine(t, Options{Logger: log.logger()})
	var free atomic.Int64
	free.Store(minFreeBytes)
	e.store.guard.every = 20 * time.Millisecond
	e.store.guard.free = func(string) (uint64, error) {
		if n := free.Load(); n >= 0 {
			return uint64(n), nil
		}
		return 0, errors.New("stale file handle")
	}
	var beat atomic.Int64
	address := exporter(t, func() string { beat.Add(1); return "alive 1\n" })
	if err := e.SetTargets([]Target{{Job: "hosts", Address: address}}); err != nil {
		t.Fatal(err)
	}
	start(t, e)
	c := client(t, e)
	eventually(t, c, `sum(alive)`, `{} 1`)
	if !ballast(t, e) {
		t.Error("there is no ballast")
	}
	for _, full := range []struct {
		free   int64
		reason string
	}{
		{minFreeBytes - 1, "has only 127 MiB free, need"},
		{-1, "stale file handle"},
	} {
		free.Store(full.free)
		poll(t, func() bool { return strings.Contains(lastError(t, e), full.reason) },
			func() string { return "target shows the error " + lastError(t, e) })
		eventually(t, c, `count_over_time(alive[500ms])`, ``) // nothing is stored
		if ballast(t, e) {
			t.Error("the ballast is still there")
		}
		before := beat.Load()
		poll(t, func() bool { return beat.Load() > before+2 }, func() string { return "scraping has stopped" })

		free.Store(2*minFreeBytes - 1) // not enough yet, or it would flap
		poll(t, func() bool { return strings.Contains(lastError(t, e), "has only 255 MiB free, need 256 MiB") },
			func() string { return "target shows the error " + lastError(t, e) })
		free.Store(2 * minFreeBytes)
		eventually(t, c, `sum(alive)`, `{} 1`)
		eventually(t, c, `sum(count_over_time(alive[500ms])) > bool 2`, `{} 1`)
		if !ballast(t, e) {
			t.Error("there is no ballast again")
		}
	}
	if strings.Contains(log.String(), "component=scrape") {
		t.Errorf("the log fills the rest of the disk:\n%s", log.String())
	}
	for _, once := range []string{"Storing stops until there is more free space", "Storing resumes"} {
		if n := strings.Count(log.String(), once); n != 2 {
			t.Errorf("the log says %q %d times, want 2", once, n)
		}
	}
}

// ballast tells whether the ballast occupies space.
func ballast(t *testing.T, e *Engine) bool {
	t.Helper()
	info, err := os.Stat(filepath.Join(e.opts.Dir, ballastName))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks*512 >= ballastBytes
}

func lastError(t *testing.T, e *Engine) string {
	t.Helper()
	result, err := client(t, e).Targets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result.Active[0].LastError
}

func TestFreeBytes(t *testing.T) {
	t.Parallel()
	if n, err := freeBytes(t.TempDir()); err != nil || n == 0 {
		t.Errorf("free space here is %d, error %v", n, err)
	}
	if _, err := freeBytes(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("no error for a directory that does not exist")
	}
}

package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
)

// What is left of a file that was cut off becomes a journal again, up to where it ends.
func TestWhatIsLeftOfADamagedFileIsSalvaged(t *testing.T) {
	for name, c := range map[string]struct {
		least  uint64
		damage func(path string) error
	}{
		"cut off": {200, func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, info.Size()/2)
		}},
		"a changed entry": {599, func(path string) error {
			meddle(t, path, func(b *bbolt.Bucket) error {
				return b.Put(key(400), []byte(strings.Replace(string(b.Get(key(400))), "case", "care", 1)))
			})
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, path := context.Background(), filepath.Join(t.TempDir(), "journal.db")
			j := opened(t, path)
			for n := 1; n <= 600; n++ { // each in a transaction of its own, so that they lie in order
				e := entry(n)
				e.Approval = &cluster.Approval{Reason: strings.Repeat("x", 500)}
				if _, err := j.Append(e); err != nil {
					t.Fatal(err)
				}
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if err := c.damage(path); err != nil {
				t.Fatal(err)
			}
			v, err := VerifyFile(ctx, path, cluster.Head{})
			if err == nil && v.Flaw == nil {
				t.Error("nothing is found")
			}
			all, err := Salvage(ctx, path, t.TempDir())
			if err != nil || len(all) == 0 {
				t.Fatalf("salvaged %+v, %v", all, err)
			}
			t.Logf("%d runs of 600 entries: %v", len(all), all)
			saved, done := uint64(0), all[0]
			for _, run := range all {
				if v, err := VerifyFile(ctx, run.File, cluster.Head{}); err != nil || v.Flaw != nil {
					t.Errorf("%s: %v, %v", run.File, v.Flaw, err)
				}
				if saved += run.Last - run.First + 1; run.Last-run.First > done.Last-done.First {
					done = run
				}
			}
			if saved < c.least {
				t.Errorf("%d entries of 600, want %d", saved, c.least)
			}
			next := opened(t, filepath.Join(t.TempDir(), "journal.db"))
			defer next.Close() //nolint:errcheck // nothing is lost with it
			if v, err := Restore(ctx, done.File, next); err != nil || v.Head.Seq != done.Last || v.Flaw != nil || v.Anchor.Seq != done.First-1 {
				t.Fatalf("restored %+v, %v", v, err)
			}
			if e, err := next.Append(entry(1)); err != nil || e.Seq != done.Last+1 {
				t.Errorf("it goes on with %d, %v", e.Seq, err)
			}
		})
	}
}

// Wherever a file was cut off, a server says so when it starts, and what to do.
func TestAServerDoesNotBeginWithAFileThatWasCutOff(t *testing.T) {
	path, _ := journalOf(t, 600)
	content := bytesOf(t, path)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	var used int64
	if err := errors.Join(db.View(func(tx *bbolt.Tx) error { used = tx.Size(); return nil }), db.Close()); err != nil {
		t.Fatal(err)
	}
	for size := int64(100); size < used; size += 4000 {
		cut := filepath.Join(t.TempDir(), "journal.db")
		if err := os.WriteFile(cut, content[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if j, err := Open(cut); err == nil || !strings.Contains(err.Error(), cut) || !strings.Contains(err.Error(), "evenkeel store restore") {
			t.Errorf("cut off after %d of %d bytes it gives %v, %v", size, used, j, err)
		}
	}
}

// TestADiskThatIsReallyFull fills a small disk of its own. The test beside it stands in for it where there is no root.
func TestADiskThatIsReallyFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: to mount a small disk takes root; make test as root does it")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	other, path := filepath.Join(dir, "other"), filepath.Join(dir, "journal.db")
	if err := os.WriteFile(other, make([]byte, 600<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	j := opened(t, path)
	large := entry(1)
	large.Approval = &cluster.Approval{Reason: strings.Repeat("x", 8000)}
	written, failed := uint64(0), 0
	for failed < 5 {
		e, err := j.Append(large)
		if err == nil {
			written = e.Seq
			continue
		}
		if failed++; !strings.Contains(err.Error(), "no space left on device") || !strings.Contains(err.Error(), "make room for "+path) {
			t.Fatalf("a full disk gives %v", err)
		}
		if j.Head().Seq != written {
			t.Fatalf("after the failure the head is %s, and %d were written", j.Head(), written)
		}
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if e, err := j.Append(large); err != nil || e.Seq != written+1 {
			t.Fatalf("with room again it is entry %d: %v", e.Seq, err)
		}
		written++
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if v := verified(t, path, cluster.Head{}); v.Flaw != nil || v.Entries != written {
		t.Errorf("found %+v, flaw %v, want %d entries", v, v.Flaw, written)
	}
}

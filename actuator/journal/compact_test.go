package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

func nothing(cluster.Entry) bool { return false }

func compacted(t testing.TB, j *Journal, before time.Time, keep func(cluster.Entry) bool) Compaction {
	t.Helper()
	done, err := j.Compact(context.Background(), before, keep)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// numbers lists what the journal holds.
func numbers(t testing.TB, j *Journal) []uint64 {
	t.Helper()
	var list []uint64
	if err := j.Replay(func(e cluster.Entry) error { list = append(list, e.Seq); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestOldEntriesAreMovedOutAndTheChainGoesOn(t *testing.T) {
	path, head := journalOf(t, 12)
	j := opened(t, path)
	if done := compacted(t, j, entry(4).At, nothing); done.Last != 3 || done.First != 1 {
		t.Errorf("moved out %+v", done)
	}
	done := compacted(t, j, entry(9).At, nothing) // 8 is old enough, and its case ends with 9
	if done.Span != (cluster.Span{First: 4, Last: 6}) || filepath.Base(done.File) != "journal-4-6.jsonl" {
		t.Errorf("moved out %+v", done)
	}
	if again := compacted(t, j, entry(9).At, nothing); again != (Compaction{}) {
		t.Errorf("and once more %+v", again)
	}
	if got := numbers(t, j); !slices.Equal(got, []uint64{7, 8, 9, 10, 11, 12}) {
		t.Errorf("left are %v", got)
	}
	if e, err := j.Append(entry(13)); err != nil || e.Seq != 13 {
		t.Error(e.Seq, err)
	}
	head13 := j.Head()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []cluster.Head{{}, head, head13} {
		if v := verified(t, path, want); v.Flaw != nil || v.Entries != 7 || v.Archives != 2 || v.Archived != 6 || v.Anchor.Seq != 6 || v.Absent != nil {
			t.Errorf("found %+v, flaw %v", v, v.Flaw)
		}
	}
	first := verified(t, filepath.Join(filepath.Dir(path), archiveDir, "journal-1-3.jsonl"), cluster.Head{})
	if first.Flaw != nil || first.Entries != 3 || first.Head.Seq != 3 {
		t.Errorf("the archive by itself: %+v, flaw %v", first, first.Flaw)
	}
	if v := verified(t, path, first.Head); v.Flaw != nil {
		t.Errorf("a head of what was moved out: %v", v.Flaw)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(path), archiveDir, "journal-1-3.jsonl")); err != nil {
		t.Fatal(err)
	}
	if v := verified(t, path, head); v.Flaw != nil || !slices.Equal(v.Absent, []cluster.Span{{First: 1, Last: 3}}) {
		t.Errorf("without the first archive: %+v, flaw %v", v, v.Flaw)
	}
	if v := verified(t, path, cluster.Head{Seq: 2, Hash: head.Hash}); v.Flaw == nil || v.Flaw.Kind != cluster.FlawMissing || !strings.Contains(v.Flaw.Detail, "bring it back") {
		t.Errorf("a head of an archive that is elsewhere: %v", v.Flaw)
	}
}

func TestAJournalThatIsMovedOutWholeGoesOn(t *testing.T) {
	path, _ := journalOf(t, 3)
	j := opened(t, path)
	compacted(t, j, entry(100).At, nothing)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = opened(t, path)
	if e, err := j.Append(entry(4)); err != nil || e.Seq != 4 || j.Head().Seq != 4 {
		t.Error(e.Seq, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if v := verified(t, path, cluster.Head{}); v.Flaw != nil || v.Entries != 1 || v.Archived != 3 {
		t.Errorf("found %+v, flaw %v", v, v.Flaw)
	}
}

func TestWhatIsKeptHoldsBackWhatCameAfter(t *testing.T) {
	path, _ := journalOf(t, 9)
	j := opened(t, path)
	defer j.Close()
	done := compacted(t, j, entry(100).At, func(e cluster.Entry) bool { return e.ID == "case-2" })
	if done.Last != 3 {
		t.Errorf("moved out %+v", done)
	}
}

func TestAnOrderThatComesAgainForYearsHoldsNothingBack(t *testing.T) {
	path, _ := journalOf(t, 0)
	j := opened(t, path)
	for day := range 10 {
		pause := &cluster.Order{Kind: cluster.OrderPause, Subject: "cluster"}
		for _, kind := range []cluster.EntryKind{cluster.EntryOrdered, cluster.EntryLifted} {
			if _, err := j.Append(cluster.Entry{At: entry(1).At.Add(time.Duration(day) * 24 * time.Hour), Kind: kind, ID: pause.ID(), Order: pause}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if done := compacted(t, j, entry(1).At.Add(5*24*time.Hour), nothing); done.Span != (cluster.Span{First: 1, Last: 10}) {
		t.Errorf("moved out %+v", done)
	}
}

func TestNothingIsMovedOutThatWasChanged(t *testing.T) {
	path, _ := journalOf(t, 6)
	meddle(t, path, func(b *bbolt.Bucket) error {
		return b.Put(key(2), bytes.Replace(b.Get(key(2)), []byte("case-1"), []byte("case-0"), 1))
	})
	j := opened(t, path)
	defer j.Close()
	if _, err := j.Compact(context.Background(), entry(100).At, nothing); err == nil || !strings.Contains(err.Error(), "entry 2 (intent") || !strings.Contains(err.Error(), "nothing is moved out") {
		t.Errorf("compacting gives %v", err)
	}
	if got := numbers(t, j); len(got) != 6 {
		t.Errorf("left are %v", got)
	}
	if names, err := os.ReadDir(filepath.Join(filepath.Dir(path), archiveDir)); err != nil || len(names) != 0 {
		t.Errorf("it leaves %v behind: %v", names, err)
	}
}

func TestACaseThatGoesOnMeanwhileIsNotParted(t *testing.T) {
	path, _ := journalOf(t, 5) // the second case has no outcome yet
	j := opened(t, path)
	defer j.Close()
	late := func(e cluster.Entry) bool { // it comes while the entries are looked through
		if e.Seq == 5 {
			if _, err := j.Append(entry(6)); err != nil {
				t.Error(err)
			}
		}
		return false
	}
	if _, err := j.Compact(context.Background(), entry(100).At, late); err == nil || !strings.Contains(err.Error(), "the next run sees to it") {
		t.Errorf("compacting gives %v", err)
	}
	if got := numbers(t, j); len(got) != 6 {
		t.Errorf("left are %v", got)
	}
	if v, err := j.Verify(context.Background(), cluster.Head{}); err != nil || v.Flaw != nil || v.Archives != 0 {
		t.Errorf("in between it finds %+v, %v", v, err)
	}
	if done := compacted(t, j, entry(100).At, nothing); done.Last != 6 {
		t.Errorf("the next run moves out %+v", done)
	}
	if v, err := j.Verify(context.Background(), cluster.Head{}); err != nil || v.Flaw != nil || v.Archives != 1 || v.Archived != 6 {
		t.Errorf("it finds %+v, %v", v, err)
	}
}

func TestAnArchiveThatIsNotTheJournalsIsLeftAlone(t *testing.T) {
	path, _ := journalOf(t, 6)
	other, _ := journalOf(t, 9)
	o := opened(t, other)
	defer o.Close()
	foreign := compacted(t, o, entry(100).At, nothing).File
	here := filepath.Join(filepath.Dir(path), archiveDir, filepath.Base(foreign))
	text, err := os.ReadFile(foreign)
	if err == nil {
		err = errors.Join(os.Mkdir(filepath.Dir(here), 0o700), os.WriteFile(here, text, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	j := opened(t, path)
	defer j.Close()
	if _, err := j.Compact(context.Background(), entry(100).At, nothing); err == nil || !strings.Contains(err.Error(), "journal-1-9.jsonl holds an entry 7 that is not the journal's") {
		t.Errorf("compacting gives %v", err)
	}
	if v, err := j.Verify(context.Background(), cluster.Head{}); err != nil || v.Flaw == nil || v.Flaw.Seq != 9 {
		t.Errorf("verifying finds %v, %v", v.Flaw, err)
	}
	if _, err := os.Stat(here); err != nil {
		t.Error(err)
	}
}

func TestWhatWasChangedInAnArchiveShows(t *testing.T) {
	for name, c := range map[string]struct {
		change func(lines []string) []string
		seq    uint64
		says   string
	}{
		"a word":           {func(l []string) []string { l[1] = strings.Replace(l[1], "case-1", "case-7", 1); return l }, 2, "in journal-1-6.jsonl was changed"},
		"a line gone":      {func(l []string) []string { return slices.Delete(l, 1, 2) }, 2, "is missing"},
		"the end gone":     {func(l []string) []string { return l[:4] }, 5, "the file's name says that it ends with 6"},
		"lines exchanged":  {func(l []string) []string { l[1], l[2] = l[2], l[1]; return l }, 2, "is missing: the next that is there is 3"},
		"half a line":      {func(l []string) []string { l[5] = l[5][:50]; return l }, 6, "cannot be read"},
		"a line too much":  {func(l []string) []string { return slices.Insert(l, 6, l[5]) }, 6, "out of order"},
		"all hashes anew":  {anew, 6, "its archive ends with the hash"},
		"nothing left":     {func([]string) []string { return nil }, 1, "is missing"},
		"an empty line":    {func(l []string) []string { return slices.Insert(l, 2, "") }, 3, "cannot be read"},
		"the last two new": {func(l []string) []string { return append(l[:4], anew(l[4:])...) }, 4, "replaced"},
	} {
		t.Run(name, func(t *testing.T) {
			path, _ := journalOf(t, 9)
			j := opened(t, path)
			defer j.Close()
			file := compacted(t, j, entry(7).At, nothing).File
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Join(c.change(strings.Split(strings.TrimSpace(string(text)), "\n")), "\n") + "\n"
			if err := os.WriteFile(file, []byte(strings.TrimLeft(changed, "\n")), 0o600); err != nil {
				t.Fatal(err)
			}
			v, err := j.Verify(context.Background(), cluster.Head{})
			if err != nil || v.Flaw == nil || v.Flaw.Seq != c.seq || !strings.Contains(v.Flaw.String(), c.says) {
				t.Errorf("found %v, %v", v.Flaw, err)
			}
		})
	}
}

// anew changes the first line and makes all hashes from there.
func anew(lines []string) []string {
	prev := origin().Hash
	for i, l := range lines {
		r, err := parse([]byte(l))
		if err != nil {
			panic(err)
		}
		r = seal(prev, bytes.Replace(r.entry, []byte("case-1"), []byte("case-9"), 1))
		lines[i], prev = string(r.bytes()), r.hash
	}
	return lines
}

func archived(t *rapid.T, path string) []cluster.Entry {
	var list []cluster.Entry
	if err := readArchive(context.Background(), path, func(line []byte) error {
		r, err := parse(line)
		if err != nil {
			return err
		}
		e, err := r.decode()
		list = append(list, e)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// The law: whatever is added, moved out and held back, every entry stands in the journal or in one
// archive, once; the chain goes through; and no case is parted.
func TestLawNothingIsLostOrDoubledByCompacting(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "law")
		if err != nil {
			rt.Fatal(err)
		}
		j, err := Open(filepath.Join(dir, "journal.db"))
		if err != nil {
			rt.Fatal(err)
		}
		defer j.Close()
		j.shelf.(*file).db.NoSync = true // nothing crashes here
		written := 0
		for range rapid.IntRange(1, 8).Draw(rt, "rounds") {
			for range rapid.IntRange(0, 10).Draw(rt, "added") {
				written++
				e := cluster.Entry{At: at().Add(time.Duration(written) * time.Minute), Kind: cluster.EntryIntent, ID: rapid.StringMatching("[a-c]?[0-9]").Draw(rt, "id")}
				if _, err := j.Append(e); err != nil {
					rt.Fatal(err)
				}
			}
			kept := uint64(rapid.IntRange(0, 60).Draw(rt, "kept"))
			before := at().Add(time.Duration(rapid.IntRange(0, 60).Draw(rt, "age")) * time.Minute)
			done, err := j.Compact(context.Background(), before, func(e cluster.Entry) bool { return e.Seq == kept })
			if err != nil {
				rt.Fatal(err)
			}
			if kept >= done.First && kept <= done.Last && done.Last > 0 {
				rt.Fatalf("%d was to be kept and went with %v", kept, done.Span)
			}
			if done.Last == 0 {
				continue
			}
			gone := map[string]bool{"": false}
			for _, e := range archived(rt, done.File) {
				gone[e.ID] = true
			}
			if err := j.Replay(func(e cluster.Entry) error {
				if gone[e.ID] {
					return fmt.Errorf("the case %s is parted", e.ID)
				}
				return nil
			}); err != nil {
				rt.Fatal(err)
			}
		}
		where := map[uint64]bool{}
		see := func(e cluster.Entry) {
			if where[e.Seq] {
				rt.Fatalf("entry %d is there twice", e.Seq)
			}
			where[e.Seq] = true
		}
		files, err := j.archives()
		if err != nil {
			rt.Fatal(err)
		}
		for _, f := range files {
			for _, e := range archived(rt, f.path) {
				see(e)
			}
		}
		if err := j.Replay(func(e cluster.Entry) error { see(e); return nil }); err != nil {
			rt.Fatal(err)
		}
		if len(where) != written {
			rt.Fatalf("%d entries of %d are left", len(where), written)
		}
		if v, err := j.Verify(context.Background(), cluster.Head{}); err != nil || v.Flaw != nil || v.Absent != nil {
			rt.Fatalf("found %+v, %v", v, err)
		}
	})
}

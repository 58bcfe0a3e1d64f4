package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
)

func at() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }

// entry is the n-th of a journal; three make a case.
func entry(n int) cluster.Entry {
	kinds := []cluster.EntryKind{cluster.EntryApproved, cluster.EntryIntent, cluster.EntryOutcome}
	return cluster.Entry{At: at().Add(time.Duration(n) * time.Minute), Kind: kinds[(n-1)%3], ID: fmt.Sprintf("case-%d", (n-1)/3+1)}
}

// journalOf makes a closed journal of n entries and returns its path and its head.
func journalOf(t testing.TB, n int) (string, cluster.Head) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	j := opened(t, path)
	defer j.Close()
	j.shelf.(*file).db.NoSync = true // nothing crashes here
	for i := 1; i <= n; i++ {
		if _, err := j.Append(entry(i)); err != nil {
			t.Fatal(err)
		}
	}
	return path, j.Head()
}

func opened(t testing.TB, path string) *Journal {
	t.Helper()
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// meddle changes the file behind the journal's back.
func meddle(t testing.TB, path string, f func(b *bbolt.Bucket) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(func(tx *bbolt.Tx) error { return f(tx.Bucket(entriesBucket())) }); err != nil {
		t.Fatal(err)
	}
}

func verified(t testing.TB, path string, want cluster.Head) cluster.Verification {
	t.Helper()
	v, err := VerifyFile(context.Background(), path, want)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAJournalAsItWasWritten(t *testing.T) {
	path, head := journalOf(t, 1200) // more than one batch
	v := verified(t, path, head)
	if v.Flaw != nil || v.Entries != 1200 || v.Head != head || !v.From.Equal(entry(1).At) || !v.To.Equal(entry(1200).At) {
		t.Errorf("found %+v, flaw %v", v, v.Flaw)
	}
	if v := verified(t, path, cluster.Head{}); v.Flaw != nil {
		t.Error(v.Flaw)
	}
}

func TestTheHashIsWhatThePageSays(t *testing.T) {
	path, head := journalOf(t, 1)
	meddle(t, path, func(b *bbolt.Bucket) error {
		var line struct {
			Prev, Hash string
			Entry      json.RawMessage
		}
		if err := json.Unmarshal(b.Get(key(1)), &line); err != nil {
			return err
		}
		if line.Prev != strings.Repeat("0", 64) || line.Hash != head.Hash || digest(line.Prev, line.Entry) != head.Hash {
			t.Errorf("the record is %s", b.Get(key(1)))
		}
		return nil
	})
}

func TestWhatWasChangedShows(t *testing.T) {
	edit := func(seq uint64, old, with string) func(*bbolt.Bucket) error {
		return func(b *bbolt.Bucket) error {
			now := bytes.Replace(b.Get(key(seq)), []byte(old), []byte(with), 1)
			if bytes.Equal(now, b.Get(key(seq))) {
				return fmt.Errorf("%s does not stand in %s", old, b.Get(key(seq)))
			}
			return b.Put(key(seq), now)
		}
	}
	cases := map[string]struct {
		meddle func(*bbolt.Bucket) error
		want   cluster.Head
		kind   cluster.FlawKind
		seq    uint64
		says   string
	}{
		"one word": {meddle: edit(4, "approved", "rejected"), kind: cluster.FlawChanged, seq: 4, says: "entry 4 (rejected, 2026-11-22T10:04:00Z) was changed: it does not have the hash"},
		"an entry with its hash": {meddle: func(b *bbolt.Bucket) error {
			r, err := parse(b.Get(key(4)))
			if err != nil {
				return err
			}
			return b.Put(key(4), seal(r.prev, bytes.Replace(r.entry, []byte("approved"), []byte("rejected"), 1)).bytes())
		}, kind: cluster.FlawChanged, seq: 4, says: "it was replaced, hash and all"},
		"something beside the entry": {meddle: edit(4, `,"entry":`, `,"more":1,"entry":`), kind: cluster.FlawUnreadable, seq: 4, says: "it holds no entry"},
		"an end":                     {meddle: func(b *bbolt.Bucket) error { return b.Put(key(4), b.Get(key(4))[:200]) }, kind: cluster.FlawUnreadable, seq: 4, says: "cannot be read"},
		"no hash": {meddle: func(b *bbolt.Bucket) error {
			r, _ := parse(b.Get(key(4)))
			return b.Put(key(4), r.entry)
		}, kind: cluster.FlawUnreadable, seq: 4, says: "it does not begin with the hash"},
		"one gone":       {meddle: func(b *bbolt.Bucket) error { return b.Delete(key(4)) }, kind: cluster.FlawMissing, seq: 4, says: "the next that is there is 5"},
		"the first gone": {meddle: func(b *bbolt.Bucket) error { return b.Delete(key(1)) }, kind: cluster.FlawMissing, seq: 1, says: "the next that is there is 2"},
		"two exchanged": {meddle: func(b *bbolt.Bucket) error {
			x, y := bytes.Clone(b.Get(key(4))), bytes.Clone(b.Get(key(5)))
			if err := b.Put(key(4), y); err != nil {
				return err
			}
			return b.Put(key(5), x)
		}, kind: cluster.FlawOutOfOrder, seq: 4, says: "calls itself entry 5"},
		"a number that is none": {meddle: func(b *bbolt.Bucket) error { return b.Put([]byte("x"), b.Get(key(1))) }, kind: cluster.FlawOutOfOrder, says: "7 is due here"},
		"the end gone":          {meddle: func(b *bbolt.Bucket) error { return b.Delete(key(6)) }, kind: cluster.FlawMissing, seq: 6, says: "the end is cut off; 6 entries were written"},
		"the end gone, and the count": {meddle: func(b *bbolt.Bucket) error {
			if err := b.SetSequence(5); err != nil {
				return err
			}
			return b.Delete(key(6))
		}, want: cluster.Head{Seq: 6, Hash: strings.Repeat("a", 64)}, kind: cluster.FlawMissing, seq: 6, says: "the journal ends with 5: its end was cut off"},
		"all hashes made anew": {meddle: func(b *bbolt.Bucket) error {
			prev := origin().Hash
			for seq := uint64(1); seq <= 6; seq++ {
				old, err := parse(b.Get(key(seq)))
				if err != nil {
					return err
				}
				r := seal(prev, bytes.Replace(old.entry, []byte("case-2"), []byte("case-9"), 1))
				if err := b.Put(key(seq), r.bytes()); err != nil {
					return err
				}
				prev = r.hash
			}
			return nil
		}, want: cluster.Head{Seq: 5}, kind: cluster.FlawChanged, seq: 5, says: "and the hashes made anew"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path, _ := journalOf(t, 6)
			if c.want.Seq != 0 && c.want.Hash == "" {
				meddle(t, path, func(b *bbolt.Bucket) error {
					r, err := parse(b.Get(key(c.want.Seq)))
					c.want.Hash = r.hash
					return err
				})
			}
			meddle(t, path, c.meddle)
			if c.want.Seq != 0 && verified(t, path, cluster.Head{}).Flaw != nil {
				t.Error("it shows without a head: the case proves nothing")
			}
			got := verified(t, path, c.want).Flaw
			if got == nil || got.Kind != c.kind || got.Seq != c.seq || !strings.Contains(got.String(), c.says) {
				t.Errorf("found %+v", got)
			}
		})
	}
}

// A byte that turns anywhere in a record is found, and the record is named.
func TestNoByteCanBeChanged(t *testing.T) {
	path, _ := journalOf(t, 3)
	var was []byte
	meddle(t, path, func(b *bbolt.Bucket) error { was = bytes.Clone(b.Get(key(2))); return nil })
	j := opened(t, path)
	defer j.Close()
	j.shelf.(*file).db.NoSync = true // it is about the hash, not about the disk
	for i := range was {
		now := bytes.Clone(was)
		now[i] ^= 1
		if err := j.shelf.(*file).db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(entriesBucket()).Put(key(2), now) }); err != nil {
			t.Fatal(err)
		}
		v, err := j.Verify(context.Background(), cluster.Head{})
		if err != nil || v.Flaw == nil || v.Flaw.Seq != 2 {
			t.Fatalf("with byte %d changed it finds %+v, %v", i, v.Flaw, err)
		}
	}
}

func TestAJournalWithoutHashesIsTakenIntoTheChainOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	older(t, path, 4)
	if _, err := VerifyFile(context.Background(), path, cluster.Head{}); err == nil || !strings.Contains(err.Error(), "version without a chain") {
		t.Errorf("before a server opened it, verifying gives %v", err)
	}
	j := opened(t, path)
	if j.Adopted() != 4 || j.Head().Seq != 4 {
		t.Errorf("%d taken in, the head is %s", j.Adopted(), j.Head())
	}
	if e, err := j.Append(entry(5)); err != nil || e.Seq != 5 {
		t.Error(e.Seq, err)
	}
	n := 0
	if err := j.Replay(func(e cluster.Entry) error {
		n++
		if want := entry(n); e.ID != want.ID || !e.At.Equal(want.At) {
			t.Errorf("entry %d is %+v", n, e)
		}
		return nil
	}); err != nil || n != 5 {
		t.Error(n, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if v := verified(t, path, cluster.Head{}); v.Flaw != nil || v.Entries != 5 {
		t.Errorf("found %+v, flaw %v", v, v.Flaw)
	}
	meddle(t, path, func(b *bbolt.Bucket) error { r, _ := parse(b.Get(key(2))); return b.Put(key(2), r.entry) })
	j = opened(t, path)
	defer j.Close()
	if j.Adopted() != 0 {
		t.Error("what lost its hash later got a new one")
	}
	if v, err := j.Verify(context.Background(), cluster.Head{}); err != nil || v.Flaw == nil || v.Flaw.Seq != 2 {
		t.Errorf("found %+v, %v", v.Flaw, err)
	}
	if err := j.Replay(func(cluster.Entry) error { return nil }); err == nil || !strings.Contains(err.Error(), "journal entry 2 cannot be read") || !strings.Contains(err.Error(), "--verify --journal "+path) {
		t.Errorf("replay gives %v", err)
	}
}

func TestFilesThatCannotBeVerified(t *testing.T) {
	dir := t.TempDir()
	used, _ := journalOf(t, 1)
	defer opened(t, used).Close()
	short, _ := journalOf(t, 600)
	if err := os.Truncate(short, 64<<10); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.db")
	db, err := bbolt.Open(other, 0o600, nil)
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no journal\n"), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		used:                           "a server has it; ask that one instead",
		filepath.Join(dir, "none.db"):  "there is no such file",
		short:                          "it was cut off, or copied in part",
		other:                          "no journal",
		text:                           "invalid database",
		filepath.Join(dir, "my.jsonl"): "no name of an archive",
	} {
		if _, err := VerifyFile(context.Background(), path, cluster.Head{}); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s gives %v, not %q", path, err, says)
		}
	}
}

func TestADamagedPageIsToldAndNotFatal(t *testing.T) {
	path, _ := journalOf(t, 600)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for page := 2; page < len(b)/os.Getpagesize(); page++ { // all but the two that say where all begins
		copy(b[page*os.Getpagesize():], bytes.Repeat([]byte{0xff}, 64))
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = VerifyFile(context.Background(), path, cluster.Head{}); err == nil || !strings.Contains(err.Error(), "the file is damaged") {
		t.Errorf("verifying gives %v", err)
	}
	if _, err = Open(path); err == nil || !strings.Contains(err.Error(), "bring it back from a backup") {
		t.Errorf("opening gives %v", err)
	}
}

func TestAWalkEndsWithItsContext(t *testing.T) {
	path, _ := journalOf(t, 3)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := VerifyFile(ctx, path, cluster.Head{}); err == nil {
		t.Error("it walks on")
	}
}

// What failed in its last step and is in the file all the same was never acknowledged: the next entry
// takes its place.
func TestAnEntryThatWasNotAcknowledgedGivesWay(t *testing.T) {
	path, head := journalOf(t, 2)
	j := opened(t, path)
	if _, err := j.Append(entry(3)); err != nil {
		t.Fatal(err)
	}
	j.head.Store(&head) // as if the disk had said no
	j.written = head.Seq
	got, err := j.Append(entry(4))
	if err != nil || got.Seq != 3 {
		t.Errorf("the next is entry %d: %v", got.Seq, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if v := verified(t, path, cluster.Head{}); v.Flaw != nil || v.Entries != 3 || !v.To.Equal(entry(4).At) {
		t.Errorf("found %+v, flaw %v", v, v.Flaw)
	}
}

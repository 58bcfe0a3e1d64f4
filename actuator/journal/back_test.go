package journal

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
)

// backwards reads up to so many entries before a number.
func backwards(t *testing.T, j *Journal, before uint64, most int) (seqs []uint64, last cluster.Head) {
	t.Helper()
	if err := j.Back(context.Background(), before, func(h cluster.Head, e cluster.Entry) bool {
		if e.Seq != h.Seq {
			t.Errorf("the entry %d is told as %d", e.Seq, h.Seq)
		}
		seqs, last = append(seqs, h.Seq), h
		return len(seqs) < most
	}); err != nil {
		t.Fatal(err)
	}
	return seqs, last
}

func TestTheJournalIsReadFromItsEnd(t *testing.T) {
	const n = 2*batch + 7
	path, head := journalOf(t, n)
	j := opened(t, path)
	defer j.Close()
	for before, want := range map[uint64]int{0: n, 1: 0, 2: 1, batch: batch - 1, batch + 1: batch, n: n - 1, n + 1: n, n + 1000: n} {
		seqs, _ := backwards(t, j, before, n+1)
		if len(seqs) != want {
			t.Errorf("before %d: %d entries, want %d", before, len(seqs), want)
		}
		for i, seq := range seqs {
			if seq != uint64(want-i) {
				t.Fatalf("before %d: entry %d comes at place %d", before, seq, i)
			}
		}
	}
	if seqs, last := backwards(t, j, 0, 1); len(seqs) != 1 || last != head {
		t.Errorf("the newest is %v %s, want %s", seqs, last, head)
	}
}

func TestAnEntryThatCannotBeReadIsToldAsSuch(t *testing.T) {
	path, _ := journalOf(t, 3)
	meddle(t, path, func(b *bbolt.Bucket) error { return b.Put(key(2), []byte("nonsense")) })
	j := opened(t, path)
	defer j.Close()
	var kinds []cluster.EntryKind
	if err := j.Back(context.Background(), 0, func(_ cluster.Head, e cluster.Entry) bool { kinds = append(kinds, e.Kind); return true }); err != nil {
		t.Fatal(err)
	}
	if len(kinds) != 3 || kinds[1] != cluster.EntryNone || kinds[0] != cluster.EntryOutcome || kinds[2] != cluster.EntryApproved {
		t.Errorf("%v", kinds)
	}
}

func TestReadingBackEndsWithItsContext(t *testing.T) {
	path, _ := journalOf(t, 3*batch)
	j := opened(t, path)
	defer j.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	read := 0
	err := j.Back(ctx, 0, func(cluster.Head, cluster.Entry) bool { read++; cancel(); return true })
	if !errors.Is(err, context.Canceled) || read > batch {
		t.Errorf("%d entries were read, %v", read, err)
	}
}

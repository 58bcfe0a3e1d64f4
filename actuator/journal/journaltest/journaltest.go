// Package journaltest holds what a journal must do wherever its records stand. Each shelf's own test runs it.
package journaltest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Opener opens a journal again and again: the same one each time, as the last left it.
type Opener func() *journal.Journal

// Entry is the n-th of a journal, 1 or more; three make a case, and each is a minute after the one before.
func Entry(n int) cluster.Entry {
	kinds := []cluster.EntryKind{cluster.EntryApproved, cluster.EntryIntent, cluster.EntryOutcome}
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
	return cluster.Entry{At: at, Kind: kinds[(n-1)%3], ID: fmt.Sprintf("case-%d", (n-1)/3+1)}
}

// Run runs the contract. Each part gets a new journal.
func Run(t *testing.T, begin func(t *testing.T) Opener) {
	for name, part := range map[string]func(*testing.T, Opener){
		"a new one is empty":                                empty,
		"entries come back in order":                        order,
		"many at once are numbered once":                    many,
		"it is read from its end":                           back,
		"old entries are moved out":                         compact,
		"what is moved out whole goes on":                   whole,
		"a case that goes on is not parted":                 parted,
		"an entry that comes while old ones go is not lost": meanwhile,
	} {
		t.Run(name, func(t *testing.T) { part(t, begin(t)) })
	}
	t.Run("it is copied to a file and back", func(t *testing.T) { copied(t, begin(t), begin(t)) })
	t.Run("what was exported is restored", func(t *testing.T) { restored(t, begin(t), begin(t)) })
}

func empty(t *testing.T, open Opener) {
	j := open()
	if v := verified(t, j, cluster.Head{}); v.Flaw != nil || v.Entries != 0 || v.Anchor != journal.Origin() {
		t.Errorf("found %+v, flaw %v", v, v.Flaw)
	}
	if got := numbers(t, j); len(got) != 0 || j.Head().Seq != 0 {
		t.Errorf("it holds %v, and its head is %s", got, j.Head())
	}
	if got := backwards(t, j, 0, 9); len(got) != 0 {
		t.Errorf("from its end it holds %v", got)
	}
}

func order(t *testing.T, open Opener) {
	j := open()
	fill(t, j, 1, 7)
	head := j.Head()
	closed(t, j)
	j = open()
	if j.Head() != head {
		t.Errorf("the head was %s, and is %s", head, j.Head())
	}
	fill(t, j, 8, 9)
	n := 0
	if err := j.Replay(func(e cluster.Entry) error {
		n++
		if want := Entry(n); e.Seq != uint64(n) || e.ID != want.ID || e.Kind != want.Kind || !e.At.Equal(want.At) {
			t.Errorf("entry %d is %+v", n, e)
		}
		return nil
	}); err != nil || n != 9 {
		t.Error(n, err)
	}
	for _, want := range []cluster.Head{{}, head, j.Head()} {
		if v := verified(t, j, want); v.Flaw != nil || v.Entries != 9 || v.Head != j.Head() {
			t.Errorf("with the head %s: %+v, flaw %v", want, v, v.Flaw)
		}
	}
	if v := verified(t, j, cluster.Head{Seq: head.Seq, Hash: journal.Origin().Hash}); v.Flaw == nil {
		t.Error("a head that was never written is taken for true")
	}
}

func many(t *testing.T, open Opener) {
	j := open()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := j.Append(Entry(1)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := numbers(t, j); !slices.Equal(got, count(1, 10)) {
		t.Errorf("they are %v", got)
	}
	if v := verified(t, j, j.Head()); v.Flaw != nil {
		t.Error(v.Flaw)
	}
}

func back(t *testing.T, open Opener) {
	const n = 507 // more than is read at once
	j := open()
	fill(t, j, 1, n)
	for before, want := range map[uint64]int{0: n, 1: 0, 2: 1, 501: 500, n: n - 1, n + 1: n, n + 1000: n} {
		got, all := backwards(t, j, before, n+1), count(1, want)
		slices.Reverse(all)
		if !slices.Equal(got, all) {
			t.Errorf("before %d: %d entries, want %d", before, len(got), want)
		}
	}
	if got := backwards(t, j, 0, 2); !slices.Equal(got, []uint64{n, n - 1}) {
		t.Errorf("the newest are %v", got)
	}
	if got := numbers(t, j); !slices.Equal(got, count(1, n)) {
		t.Errorf("from the beginning they are %d", len(got))
	}
}

func compact(t *testing.T, open Opener) {
	j := open()
	fill(t, j, 1, 12)
	if done, err := j.Compact(context.Background(), Entry(4).At, nothing); err != nil || done.Span != (cluster.Span{First: 1, Last: 3}) {
		t.Errorf("moved out %+v, %v", done, err)
	}
	if done, err := j.Compact(context.Background(), Entry(9).At, nothing); err != nil || done.Span != (cluster.Span{First: 4, Last: 6}) {
		t.Errorf("moved out %+v, %v", done, err)
	}
	closed(t, j)
	j = open()
	fill(t, j, 13, 13)
	if got := numbers(t, j); !slices.Equal(got, count(7, 13)) {
		t.Errorf("left are %v", got)
	}
	if got := backwards(t, j, 9, 9); !slices.Equal(got, []uint64{8, 7}) {
		t.Errorf("before 9 are left %v", got)
	}
	if v := verified(t, j, j.Head()); v.Flaw != nil || v.Entries != 7 || v.Archives != 2 || v.Archived != 6 || v.Anchor.Seq != 6 || v.Absent != nil {
		t.Errorf("found %+v, flaw %v", v, v.Flaw)
	}
}

func whole(t *testing.T, open Opener) {
	j := open()
	fill(t, j, 1, 3)
	if done, err := j.Compact(context.Background(), Entry(100).At, nothing); err != nil || done.Last != 3 {
		t.Errorf("moved out %+v, %v", done, err)
	}
	closed(t, j)
	j = open()
	fill(t, j, 4, 4)
	if v := verified(t, j, j.Head()); v.Flaw != nil || v.Entries != 1 || v.Archived != 3 || v.Head.Seq != 4 {
		t.Errorf("found %+v, flaw %v", v, v.Flaw)
	}
}

func parted(t *testing.T, open Opener) {
	j := open()
	fill(t, j, 1, 5) // the second case has no outcome yet
	late := during(t, j, 5, Entry(6))
	if _, err := j.Compact(context.Background(), Entry(100).At, late); err == nil {
		t.Error("a case was parted")
	}
	if got := numbers(t, j); !slices.Equal(got, count(1, 6)) {
		t.Errorf("left are %v", got)
	}
	if done, err := j.Compact(context.Background(), Entry(100).At, nothing); err != nil || done.Last != 6 {
		t.Errorf("the next run moves out %+v, %v", done, err)
	}
	if v := verified(t, j, j.Head()); v.Flaw != nil || v.Archived != 6 {
		t.Errorf("found %+v, flaw %v", v, v.Flaw)
	}
}

func meanwhile(t *testing.T, open Opener) {
	j := open()
	fill(t, j, 1, 6)
	late := during(t, j, 6, Entry(7))
	if done, err := j.Compact(context.Background(), Entry(100).At, late); err != nil || done.Last != 6 {
		t.Errorf("moved out %+v, %v", done, err)
	}
	fill(t, j, 8, 8)
	if v := verified(t, j, j.Head()); v.Flaw != nil || v.Entries != 2 || v.Archived != 6 {
		t.Errorf("found %+v, flaw %v", v, v.Flaw)
	}
}

func copied(t *testing.T, open, again Opener) {
	j := open()
	fill(t, j, 1, 9)
	if _, err := j.Compact(context.Background(), Entry(4).At, nothing); err != nil {
		t.Fatal(err)
	}
	file, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // nothing is lost with it
	back := again()
	for _, step := range [][2]*journal.Journal{{j, file}, {file, back}} {
		v, err := step[0].CopyTo(context.Background(), step[1])
		if err != nil || v.Entries != 6 || v.Head != j.Head() || v.Anchor.Seq != 3 {
			t.Fatalf("copied %+v, %v", v, err)
		}
		if _, err := step[0].CopyTo(context.Background(), step[1]); err == nil {
			t.Error("it is copied over a journal")
		}
	}
	closed(t, back)
	back = again()
	fill(t, back, 10, 10)
	if got := numbers(t, back); !slices.Equal(got, count(4, 10)) {
		t.Errorf("after the way back it holds %v", got)
	}
	if v := verified(t, back, j.Head()); v.Flaw != nil {
		t.Error(v.Flaw)
	}
}

func restored(t *testing.T, open, again Opener) {
	ctx, dir := context.Background(), t.TempDir()
	j := open()
	if _, err := j.Export(ctx, dir); err == nil {
		t.Error("nothing is exported")
	}
	fill(t, j, 1, 9)
	if _, err := j.Compact(ctx, Entry(4).At, nothing); err != nil {
		t.Fatal(err)
	}
	done, err := j.Export(ctx, dir)
	if err != nil || done.Span != (cluster.Span{First: 4, Last: 9}) || done.File != filepath.Join(dir, "journal-4-9.jsonl") {
		t.Fatalf("exported %+v, %v", done, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("there are %v, %v", left, err)
	}
	head := j.Head()
	if _, err := journal.Restore(ctx, done.File, j); err == nil {
		t.Error("it is restored over a journal")
	}
	text, err := os.ReadFile(done.File)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "journal-4-9.jsonl")
	if err := os.WriteFile(changed, bytes.Replace(text, []byte("case-3"), []byte("case-4"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	back := again()
	if _, err := journal.Restore(ctx, changed, back); err == nil || back.Head().Seq != 0 {
		t.Errorf("what was changed is restored: %v", err)
	}
	if v, err := journal.Restore(ctx, done.File, back); err != nil || v.Entries != 6 || v.Head != head || v.Anchor.Seq != 3 {
		t.Fatalf("restored %+v, %v", v, err)
	}
	closed(t, back)
	back = again()
	fill(t, back, 10, 10)
	if v := verified(t, back, head); v.Flaw != nil || v.Entries != 7 {
		t.Errorf("found %+v, flaw %v", v, v.Flaw)
	}
}

// during adds an entry while another is asked about, and keeps none.
func during(t *testing.T, j *journal.Journal, seq uint64, late cluster.Entry) func(cluster.Entry) bool {
	return func(e cluster.Entry) bool {
		if e.Seq == seq {
			if _, err := j.Append(late); err != nil {
				t.Error(err)
			}
		}
		return false
	}
}

func nothing(cluster.Entry) bool { return false }

func fill(t *testing.T, j *journal.Journal, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if e, err := j.Append(Entry(n)); err != nil || e.Seq != uint64(n) {
			t.Fatalf("entry %d became %d: %v", n, e.Seq, err)
		}
	}
}

func closed(t *testing.T, j *journal.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func verified(t *testing.T, j *journal.Journal, want cluster.Head) cluster.Verification {
	t.Helper()
	v, err := j.Verify(context.Background(), want)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func numbers(t *testing.T, j *journal.Journal) []uint64 {
	t.Helper()
	var list []uint64
	if err := j.Replay(func(e cluster.Entry) error { list = append(list, e.Seq); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

func backwards(t *testing.T, j *journal.Journal, before uint64, most int) []uint64 {
	t.Helper()
	var list []uint64
	if err := j.Back(context.Background(), before, func(h cluster.Head, e cluster.Entry) bool {
		if e.Seq != h.Seq {
			t.Errorf("the entry %d is told as %d", e.Seq, h.Seq)
		}
		list = append(list, h.Seq)
		return len(list) < most
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// count lists the numbers from one to another.
func count(from, to int) []uint64 {
	var list []uint64
	for n := from; n <= to; n++ {
		list = append(list, uint64(n))
	}
	return list
}

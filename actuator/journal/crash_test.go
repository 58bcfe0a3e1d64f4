package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
)

// crashes returns what a file can hold when the machine stops while a transaction is written: any of
// the changed pages are there or not, in any order and the last perhaps in part; then, when all of
// them are on disk, the page that makes them count, in part. The last is the transaction in full.
func crashes(before, after []byte, rng *rand.Rand) [][]byte {
	size := os.Getpagesize()
	old := make([]byte, len(after))
	copy(old, before)
	var data []int
	meta := -1
	for p := 0; p*size < len(after); p++ {
		if bytes.Equal(old[p*size:(p+1)*size], after[p*size:(p+1)*size]) {
			continue
		}
		if p < 2 { // bbolt's two pages of which the newer valid one counts
			meta = p
			continue
		}
		data = append(data, p)
	}
	states := [][]byte{before}
	for range 3 {
		rng.Shuffle(len(data), func(i, k int) { data[i], data[k] = data[k], data[i] })
		now := bytes.Clone(old)
		for _, p := range data {
			torn := rng.IntN(size/512) * 512
			copy(now[p*size:p*size+torn], after[p*size:])
			states = append(states, bytes.Clone(now))
			copy(now[p*size:(p+1)*size], after[p*size:])
			states = append(states, bytes.Clone(now))
		}
	}
	all := bytes.Clone(after)
	copy(all[meta*size:(meta+1)*size], old[meta*size:])
	for torn := 24; torn < 80; torn += 8 {
		now := bytes.Clone(all)
		copy(now[meta*size:meta*size+torn], after[meta*size:])
		if !bytes.Equal(now, after) {
			states = append(states, now)
		}
	}
	return append(states, after)
}

// reopened opens a file with that content, sees that the chain is whole and returns how many entries
// there are beside what is archived there.
func reopened(t *testing.T, path string, content []byte) (*Journal, int) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	j := opened(t, path)
	v, err := j.Verify(context.Background(), cluster.Head{})
	if err != nil || v.Flaw != nil {
		t.Fatalf("after a crash it finds %+v, %v", v.Flaw, err)
	}
	return j, len(numbers(t, j))
}

func bytesOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestACrashWhileAnEntryIsWrittenLeavesAllBefore(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	path, _ := journalOf(t, 20)
	j := opened(t, path)
	defer j.Close()
	for n := 20; n < 26; n++ {
		before := bytesOf(t, path)
		e := entry(n + 1)
		e.Approval = &cluster.Approval{Reason: strings.Repeat("because ", rng.IntN(2000))}
		if _, err := j.Append(e); err != nil {
			t.Fatal(err)
		}
		states := crashes(before, bytesOf(t, path), rng)
		for i, content := range states {
			after, got := reopened(t, filepath.Join(t.TempDir(), "journal.db"), content)
			want := n
			if i == len(states)-1 {
				want++
			}
			if got != want {
				t.Errorf("state %d of %d while entry %d is written: %d entries are left", i, len(states), n+1, got)
			}
			if e, err := after.Append(entry(1)); err != nil || e.Seq != uint64(want)+1 {
				t.Errorf("state %d: the next entry is %d: %v", i, e.Seq, err)
			}
			if err := after.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestACrashWhileOldEntriesAreMovedOutLosesAndDoublesNone(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	path, _ := journalOf(t, 9)
	j := opened(t, path)
	defer j.Close()
	before := bytesOf(t, path)
	file := compacted(t, j, entry(7).At, nothing).File
	archive, name := bytesOf(t, file), filepath.Join(archiveDir, filepath.Base(file))
	files := []map[string][]byte{ // what the directory can hold, in the order in which it comes about
		{},
		{name + temporary: nil},
		{name + temporary: archive[:len(archive)/2]},
		{name + temporary: archive},
		{name: archive},
	}
	states := crashes(before, bytesOf(t, path), rng)
	for i, content := range states {
		for k, there := range files {
			if i > 0 && k < len(files)-1 {
				continue // the journal is not touched before the archive has its name
			}
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, archiveDir), 0o700); err != nil {
				t.Fatal(err)
			}
			for name, text := range there {
				if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			after, got := reopened(t, filepath.Join(dir, "journal.db"), content)
			if want := map[bool]int{true: 3, false: 9}[i == len(states)-1]; got != want {
				t.Errorf("state %d with files %d: %d entries are left", i, k, got)
			}
			compacted(t, after, entry(7).At, nothing)
			v, err := after.Verify(context.Background(), cluster.Head{})
			if err != nil || v.Flaw != nil || v.Entries != 3 || v.Archived != 6 || v.Archives != 1 {
				t.Errorf("state %d with files %d: the next run ends with %+v, %v", i, k, v, err)
			}
			if names, err := os.ReadDir(filepath.Join(dir, archiveDir)); err != nil || len(names) != 1 {
				t.Errorf("state %d with files %d: it leaves %v: %v", i, k, names, err)
			}
			if err := after.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestACrashWhileTheChainIsBegunLosesNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	older(t, path, 9)
	before := bytesOf(t, path)
	j := opened(t, path)
	defer j.Close()
	for i, content := range crashes(before, bytesOf(t, path), rand.New(rand.NewPCG(5, 6))) {
		after, got := reopened(t, filepath.Join(t.TempDir(), "journal.db"), content)
		if got != 9 {
			t.Errorf("state %d: %d entries are left", i, got)
		}
		if err := after.Close(); err != nil {
			t.Error(err)
		}
	}
}

// older writes a journal as the version without a chain did.
func older(t *testing.T, path string, n int) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(entriesBucket())
		for i := 1; i <= n && err == nil; i++ {
			e := entry(i)
			if e.Seq, err = b.NextSequence(); err != nil {
				return err
			}
			text, err := json.Marshal(e)
			if err != nil {
				return err
			}
			if err := b.Put(key(e.Seq), text); err != nil {
				return err
			}
		}
		return err
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// In a process of its own the journal is killed, or its disk is full. What the child does is named by
// the variable.
const childDoes, childPath = "EVENKEEL_TEST_JOURNAL_DOES", "EVENKEEL_TEST_JOURNAL"

func child(does, path string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestAsAChild$")
	cmd.Env = append(os.Environ(), childDoes+"="+does, childPath+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestAsAChild(t *testing.T) {
	path := os.Getenv(childPath)
	switch os.Getenv(childDoes) {
	case "append":
		appendUntilKilled(t, path)
	case "fill":
		fill(t, path)
	default: // started by itself it has nothing to do
		if path != "" {
			t.Fatalf("a child with %s was not told what to do", path)
		}
	}
}

// appendUntilKilled tells the number of each entry that was acknowledged, and moves old ones out now and then.
func appendUntilKilled(t *testing.T, path string) {
	j := opened(t, path)
	for n := int(j.Head().Seq) + 1; ; n++ {
		e, err := j.Append(entry(n))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("acknowledged %d\n", e.Seq)
		if n%20 == 0 {
			if _, err := j.Compact(context.Background(), entry(n).At.Add(-30*time.Minute), nothing); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestWhatWasAcknowledgedOutlivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	acknowledged := uint64(0)
	for round := range 8 {
		cmd := child("append", path)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		stop := time.AfterFunc(time.Duration(50+rand.IntN(250))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "acknowledged "); ok {
				if n, err := strconv.ParseUint(text, 10, 64); err == nil {
					acknowledged = n
				}
			}
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("the child ended by itself: %v", err)
		}
		stop.Stop()
		j := opened(t, path)
		v, err := j.Verify(context.Background(), cluster.Head{})
		if err != nil || v.Flaw != nil || v.Absent != nil {
			t.Fatalf("round %d: found %+v, %v", round, v, err)
		}
		if v.Head.Seq != acknowledged && v.Head.Seq != acknowledged+1 { // the last may have been killed before it could tell
			t.Errorf("round %d: %d were acknowledged and %d are there", round, acknowledged, v.Head.Seq)
		}
		if v.Entries+v.Archived != v.Head.Seq {
			t.Errorf("round %d: of %d entries, %d are in the journal and %d in archives", round, v.Head.Seq, v.Entries, v.Archived)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if acknowledged == 0 {
		t.Error("nothing was written: the test proves nothing")
	}
	t.Logf("%d entries, eight kills", acknowledged)
}

// fill gives the file no more room, and then room again. The limit on a file's size stands for a full
// disk, because it needs no disk of its own and nobody's rights.
func fill(t *testing.T, path string) {
	signal.Ignore(syscall.SIGXFSZ)
	j := opened(t, path)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	room := limit.Cur
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	limit.Cur = uint64(info.Size())
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	large := entry(1)
	large.Approval = &cluster.Approval{Reason: strings.Repeat("because ", 1000)}
	written, failed := j.Head().Seq, 0
	for failed < 5 {
		e, err := j.Append(large)
		if err == nil {
			written = e.Seq
			continue
		}
		if failed++; !strings.Contains(err.Error(), "append to the journal") || !strings.Contains(err.Error(), "make room for "+path) {
			t.Fatalf("a full disk gives %v", err)
		}
		if j.Head().Seq != written {
			t.Fatalf("after the failure the head is %s, and %d were written", j.Head(), written)
		}
	}
	limit.Cur = room
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if e, err := j.Append(large); err != nil || e.Seq != written+1 {
		t.Fatalf("with room again it is entry %d: %v", e.Seq, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("written %d\n", written+1)
}

func TestAFullDiskLosesNothing(t *testing.T) {
	path, _ := journalOf(t, 3)
	out, err := child("fill", path).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	v := verified(t, path, cluster.Head{})
	if v.Flaw != nil || !strings.Contains(string(out), fmt.Sprintf("written %d\n", v.Head.Seq)) || v.Entries != v.Head.Seq {
		t.Errorf("found %+v, flaw %v; the child says %s", v, v.Flaw, out)
	}
}

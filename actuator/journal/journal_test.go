package journal

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/google/go-cmp/cmp"
)

func TestEntriesComeBackInOrderAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	rec := cluster.Recommendation{Action: cluster.Action{Kind: cluster.Migrate, VM: "v", From: "a", To: "b"}, Made: at, Expires: at.Add(time.Hour)}.Identified()
	entries := []cluster.Entry{
		{Seq: 1, At: at, Kind: cluster.EntryApproved, ID: rec.ID, Recommendation: &rec, Approval: &cluster.Approval{Who: "alice", At: at}},
		{Seq: 2, At: at, Kind: cluster.EntryIntent, ID: rec.ID, Recommendation: &rec, Verdicts: []cluster.Verdict{{Gate: "level", Pass: true}}},
		{Seq: 3, At: at, Kind: cluster.EntryOutcome, ID: rec.ID, Outcome: &cluster.Outcome{Result: cluster.ResultDone, RunsOn: "b", Started: at, Finished: at}},
	}
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		want := e.Seq
		e.Seq = 0
		if got, err := j.Append(e); err != nil || got.Seq != want {
			t.Fatalf("entry %d became %d: %v", want, got.Seq, err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if j, err = Open(path); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var back []cluster.Entry
	if err := j.Replay(func(e cluster.Entry) error { back = append(back, e); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(entries, back); diff != "" {
		t.Error(diff)
	}
}

func TestTwoProcessesCannotHaveOneJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "is a server running already?") {
		t.Errorf("the second gets %v", err)
	}
}

func TestAClosedJournalTakesNothing(t *testing.T) {
	j, err := Open(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(cluster.Entry{Kind: cluster.EntryIntent}); err == nil {
		t.Error("an entry was lost without a word")
	}
}

func TestEntriesOfManyAtOnceAreNumberedOnce(t *testing.T) {
	j, err := Open(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := j.Append(cluster.Entry{Kind: cluster.EntryApproved}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	want := uint64(1)
	if err := j.Replay(func(e cluster.Entry) error {
		if e.Seq != want {
			t.Errorf("entry %d stands where %d is due", e.Seq, want)
		}
		want++
		return nil
	}); err != nil || want != 11 {
		t.Error(want, err)
	}
}

func TestAFileThatIsNoJournalIsNamed(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("opening a directory gives %v", err)
	}
}

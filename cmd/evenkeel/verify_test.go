package main

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/relaytest"
	"go.etcd.io/bbolt"
)

// written makes a journal of four entries, of which the first two are moved out when asked.
func written(t *testing.T, path string, moved bool) {
	t.Helper()
	j, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for i := range 4 {
		e := cluster.Entry{At: time.Date(2026, 11, 22, 10, i, 0, 0, time.UTC), Kind: cluster.EntryRejected, ID: string(rune('a' + i)), Recommendation: &cluster.Recommendation{ID: string(rune('a' + i))}}
		if _, err := j.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if moved {
		if _, err := j.Compact(context.Background(), time.Date(2026, 11, 22, 10, 2, 0, 0, time.UTC), func(cluster.Entry) bool { return false }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAJournalIsVerifiedFromItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	written(t, path, true)
	out, err := execute(t, context.Background(), "history", "--verify", "--journal="+path)
	if err != nil || !strings.Contains(out, "journal: 2 entries, from 2026-11-22 ") || !strings.Contains(out, "archives: 2 entries in 1 file, none changed") {
		t.Errorf("%v\n%s", err, out)
	}
	head := regexp.MustCompile(`Head (4:[0-9a-f]{64})`).FindStringSubmatch(out)
	if head == nil {
		t.Fatalf("it names no head:\n%s", out)
	}
	if out, err = execute(t, context.Background(), "history", "--journal="+path, "--head="+head[1]); err != nil || !strings.Contains(out, "was kept elsewhere is in it") {
		t.Errorf("%v\n%s", err, out)
	}
	for flag, says := range map[string]string{
		"--head=5" + head[1][1:]: "journal: entry 5 is missing: it was seen elsewhere, and the journal ends with 4",
		"--head=5":               `--head: "5" is no head of a journal; write it as NUMBER:HASH`,
	} {
		if out, err := execute(t, context.Background(), "history", "--verify", "--journal="+path, flag); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s gives %v\n%s", flag, err, out)
		}
	}

	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("entries"))
		k, v := b.Cursor().First()
		return b.Put(k, []byte(strings.Replace(string(v), "rejected", "approved", 1)))
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	out, err = execute(t, context.Background(), "history", "--verify", "--journal="+path)
	if err == nil || !strings.HasPrefix(err.Error(), "journal: entry 3 (approved, 2026-11-22T10:02:00Z) was changed: ") || !strings.Contains(out, "NOT as it was written") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = execute(t, context.Background(), "history", "--verify", "--journal="+path, "-o", "json")
	var v cluster.Verification
	if err == nil || json.NewDecoder(strings.NewReader(out)).Decode(&v) != nil || v.Flaw == nil || v.Flaw.Seq != 3 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestAServerVerifiesItsJournalWhileItRuns(t *testing.T) {
	dir := t.TempDir()
	addr, file := relaytest.FreeAddress(t), write(t, filepath.Join(dir, "evenkeel.yml"), "hosts:\n  - name: h1\n    uri: test:///default\n    exporter: 127.0.0.1:1\n")
	written(t, filepath.Join(dir, "journal.db"), false)
	background(t, "server", "--config.file="+file, "--storage.path="+dir, "--web.listen-address="+addr, "--log.level=error")
	var out string
	await(t, "the journal is verified", func() (err error) {
		out, err = execute(t, context.Background(), "history", "--verify", "--server=http://"+addr)
		return err
	})
	if !strings.Contains(out, "journal: 4 entries, from 2026-11-22 ") || !strings.Contains(out, "Head 4:") {
		t.Error(out)
	}
	if out, err := execute(t, context.Background(), "history", "--journal="+filepath.Join(dir, "journal.db")); err == nil || !strings.Contains(err.Error(), "a server has it; ask that one instead: evenkeel history --verify --server") {
		t.Errorf("%v\n%s", err, out)
	}
	status, metrics, err := fetch(http.DefaultClient, "http://"+addr+"/metrics", "")
	if err != nil || status != 200 || !strings.Contains(metrics, "evenkeel_journal_entries 4") {
		t.Errorf("%d %v", status, err)
	}
}

func TestNumbersAreWrittenForPeople(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is written %s", n, got)
		}
	}
}

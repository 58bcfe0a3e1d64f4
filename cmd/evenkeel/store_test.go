package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/definitions"
	"github.com/evenkeel/evenkeel/actuator/etcdstore"
	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/actuator/memory"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// realEtcd starts etcd and returns its address, and a store of the cluster lab in it.
func realEtcd(t *testing.T) (string, *etcdstore.Store) {
	t.Helper()
	address, _ := startEtcd(t)
	for deadline := time.Now().Add(time.Minute); ; {
		s, err := etcdstore.Open(context.Background(), etcdstore.Options{Endpoints: []string{"http://" + address}, Cluster: "lab", TTL: 60})
		if err == nil {
			t.Cleanup(func() { _ = s.Close() })
			return "etcd://" + address, s
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// evenkeelStore runs evenkeel store and returns what it says.
func evenkeelStore(t *testing.T, line ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := newStore()
	cmd.SetArgs(append(line, "--cluster=lab"))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceUsage = true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func storeSays(t *testing.T, says string, line ...string) {
	t.Helper()
	out, err := evenkeelStore(t, line...)
	if err != nil || !strings.Contains(out, says) {
		t.Errorf("store %v says %q, %v; want %q", line, out, err, says)
	}
}

func storeRefuses(t *testing.T, says string, line ...string) {
	t.Helper()
	out, err := evenkeelStore(t, line...)
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("store %v says %q, %v; want the error %q", line, out, err, says)
	}
}

// filledStore makes a directory as a server leaves it: 300 entries, two VMs with two versions, and a memory of 3 MB.
func filledStore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	j, err := journal.Open(filepath.Join(dir, journalFile))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		e := cluster.Entry{At: time.Date(2026, 11, 22, 10, n, 0, 0, time.UTC), Kind: cluster.EntryApproved, ID: fmt.Sprintf("case-%d", n), Approval: &cluster.Approval{Reason: strings.Repeat("because ", 60)}}
		if _, err := j.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := definitions.Open(definitions.Options{Path: filepath.Join(dir, definitionsFile), KeyFile: filepath.Join(dir, "definitions.key"), Keep: 3})
	if err != nil {
		t.Fatal(err)
	}
	for _, vm := range []string{"u1", "u2"} {
		for n := range 2 {
			if _, err := kept.Put(cluster.Definition{VM: vm, Name: "web-" + vm, XML: fmt.Sprintf("<domain><memory>%d</memory></domain>", n)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	homes := map[string]string{}
	for n := range 40_000 {
		homes[fmt.Sprintf("4f6c0000-0000-4000-8000-%012d", n)] = fmt.Sprintf("host-%d", n%97)
	}
	if err := errors.Join(j.Close(), kept.Close(), memory.New[map[string]string](filepath.Join(dir, "memory.json"), "where VMs run").Save(homes)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAStoreIsMovedToEtcdAndBack(t *testing.T) {
	at, s := realEtcd(t)
	dir, back, key := filledStore(t), t.TempDir(), ""
	key = "--definitions.key=" + filepath.Join(dir, "definitions.key")
	storeSays(t, "journal: 300 entries", "verify", dir)
	storeSays(t, "journal: 300 entries, head 300:", "migrate", "--from", dir, "--to", at)
	storeSays(t, "definitions: 4 versions of 2 VMs, each opened with its key\nmemory: ", "verify", at, key)
	storeSays(t, "definitions: 4 versions, none opened", "verify", at)
	storeRefuses(t, "keys under /evenkeel/lab/journal/ already", "migrate", "--from", dir, "--to", at)
	storeSays(t, "definitions: 4 versions of 2 VMs", "migrate", "--from", at, "--to", back)
	storeSays(t, "each opened with its key", "verify", back, key)
	storeRefuses(t, "there is a journal.db already", "migrate", "--from", at, "--to", back)
	if content(t, filepath.Join(back, "memory.json")) != content(t, filepath.Join(dir, "memory.json")) {
		t.Error("the memory is another one")
	}
	if left, err := os.ReadDir(back); err != nil || len(left) != 3 {
		t.Errorf("there are %v, %v", left, err)
	}
	for _, where := range []string{dir, back, at} { // byte for byte
		out := t.TempDir()
		storeSays(t, "entries 1 to 300", "export", where, "--to", out)
		if content(t, filepath.Join(out, "journal-1-300.jsonl")) == "" {
			t.Error("nothing is exported")
		} else if want := t.TempDir(); where != dir {
			storeSays(t, "", "export", dir, "--to", want)
			if content(t, filepath.Join(out, "journal-1-300.jsonl")) != content(t, filepath.Join(want, "journal-1-300.jsonl")) {
				t.Errorf("the journal in %s is another one", where)
			}
		}
	}
	term, err := s.Campaign(t.Context(), etcdstore.Server{ID: "server-a"})
	if err != nil {
		t.Fatal(err)
	}
	j, err := s.Journal(t.Context(), term, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if e, err := j.Append(cluster.Entry{Kind: cluster.EntryApproved, ID: "next"}); err != nil || e.Seq != 301 {
		t.Errorf("it goes on with %d, %v", e.Seq, err)
	}
	storeSays(t, "journal: 301 entries", "verify", at)
	storeRefuses(t, "server-a leads: stop every server", "migrate", "--from", at, "--to", t.TempDir())
	storeRefuses(t, "server-a leads: stop every server", "migrate", "--from", dir, "--to", at)
}

func TestAMigrationThatWasCutOffDoesNotCountAndBeginsAnew(t *testing.T) {
	at, s := realEtcd(t)
	dir := filledStore(t)
	term, err := s.Campaign(t.Context(), etcdstore.Server{ID: "migration"})
	if err != nil {
		t.Fatal(err)
	}
	target, err := s.Migrate(term)
	if err != nil {
		t.Fatal(err)
	}
	j, err := target.Journal(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(cluster.Entry{Kind: cluster.EntryApproved, ID: "half"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Journal(t.Context(), term, dir); !errors.Is(err, etcdstore.ErrHalf) {
		t.Errorf("a server gets the journal: %v", err)
	}
	if _, err := s.Definitions(term, filepath.Join(dir, "definitions.key"), 3); !errors.Is(err, etcdstore.ErrHalf) {
		t.Errorf("a server gets the definitions: %v", err)
	}
	if err := term.Resign(t.Context()); err != nil {
		t.Fatal(err)
	}
	storeRefuses(t, "did not come to its end", "verify", at)
	storeSays(t, "journal: 300 entries", "migrate", "--from", dir, "--to", at)

	back := t.TempDir()
	if err := os.Mkdir(filepath.Join(back, unfinished), 0o750); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(back, unfinished, journalFile), "half of one")
	storeRefuses(t, "did not come to its end", "verify", back)
	storeSays(t, "journal: 300 entries", "migrate", "--from", at, "--to", back)
	storeSays(t, "journal: 300 entries", "verify", back)
}

func TestAStoreThatAServerHasIsLeftAlone(t *testing.T) {
	long(t)
	dir := filledStore(t)
	j, err := journal.Open(filepath.Join(dir, journalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close() //nolint:errcheck // nothing was written
	for _, line := range [][]string{{"verify", dir}, {"migrate", "--from", dir, "--to", t.TempDir()}, {"export", dir, "--to", t.TempDir()}} {
		storeRefuses(t, "a server has it", line...)
	}
	storeRefuses(t, "there is a journal.db already", "migrate", "--from", filledStore(t), "--to", dir)
}

func TestWhatIsDamagedIsFound(t *testing.T) {
	for name, c := range map[string]struct{ file, says string }{
		"the journal":     {journalFile, "it was cut off, or copied in part"},
		"the definitions": {definitionsFile, "it was cut off, or copied in part; bring it back from a backup"},
		"the memory":      {"memory.json", "mend it, or move it away"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filledStore(t)
			info, err := os.Stat(filepath.Join(dir, c.file))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(filepath.Join(dir, c.file), info.Size()/4); err != nil {
				t.Fatal(err)
			}
			storeRefuses(t, c.says, "verify", dir)
			write(t, filepath.Join(dir, c.file), strings.Repeat("no store\n", 2000))
			storeRefuses(t, c.file, "verify", dir)
		})
	}
	dir := filledStore(t)
	write(t, filepath.Join(dir, "definitions.key"), strings.Repeat("ab", 32))
	storeRefuses(t, "opens none of the 4 versions", "verify", dir)
}

func TestADamagedJournalIsRestoredFromAnExport(t *testing.T) {
	at, _ := realEtcd(t)
	dir, out := filledStore(t), t.TempDir()
	storeSays(t, "entries 1 to 300", "export", dir, "--to", out)
	path := filepath.Join(dir, journalFile)
	write(t, path, strings.Repeat("no journal\n", 2000))
	export := filepath.Join(out, "journal-1-300.jsonl")
	storeRefuses(t, "there is a journal.db already", "restore", export, "--to", dir)
	changed := write(t, filepath.Join(t.TempDir(), "journal-1-300.jsonl"), strings.Replace(content(t, export), "because", "whereas", 1))
	empty := t.TempDir()
	for _, to := range []string{empty, at} { // and nothing of it stays, so that the right one can follow
		storeRefuses(t, "nothing is restored", "restore", changed, "--to", to)
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) != 0 {
		t.Errorf("there are %v, %v", left, err)
	}
	storeSays(t, "journal: no entries", "verify", at)
	if err := os.Rename(path, path+".damaged"); err != nil {
		t.Fatal(err)
	}
	storeSays(t, "journal: 300 entries, head 300:", "restore", export, "--to", dir)
	storeSays(t, "journal: 300 entries", "verify", dir)
	storeSays(t, "journal: 300 entries, head 300:", "restore", export, "--to", at)
	storeSays(t, "journal: 300 entries", "verify", at)

	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	saved := t.TempDir()
	storeSays(t, "journal-", "export", "--damaged", dir, "--to", saved)
	files, err := filepath.Glob(filepath.Join(saved, "journal-*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	storeSays(t, "journal: ", "restore", files[0], "--to", t.TempDir())
}

package heartbeat

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestGarbageIsNoSignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a, b := starts(t, dir, "a"), starts(t, dir, "b")
		passes(22 * time.Second)
		b.stop()
		path := filepath.Join(dir, "b"+suffix)
		for i, text := range []string{"garbage", strings.Repeat("x", stampSize), strings.Repeat("y", 1<<20), string(stamp{host: "c"}.text()),
			"", strings.Repeat("\n", stampSize), strings.Replace(string(stamp{host: "b"}.text()), " 1\n", " 0\n", 1)} {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			passes(time.Minute)
			between(t, "b's age", peerAge(a.Read(), "b"), float64(60*(i+1)), float64(60*(i+1))+20)
		}
		if n := a.log.count("level=WARN"); n < 1 || n > 2 {
			t.Errorf("%d warnings", n)
		}
		if s := a.Read(); s.Err != "" {
			t.Errorf("the own storage is fine: %q", s.Err)
		}
		plant(t, dir, stamp{host: "b", sequence: 99}, 0)
		passes(beat)
		between(t, "b's age when it stamps again", peerAge(a.Read(), "b"), 0, 20)
	})
}

func TestOtherFilesAreNoHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		for _, name := range []string{"readme", ".hidden.heartbeat", ".heartbeat", "a b.heartbeat"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(dir, "d.heartbeat"), 0o755); err != nil {
			t.Fatal(err)
		}
		a := starts(t, dir, "a")
		passes(time.Minute)
		if s := a.Read(); len(s.Peers) > 0 || s.Err != "" || a.log.count("WARN") > 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestARemovedStampIsForgottenAndALostStorageIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a, b := starts(t, dir, "a"), starts(t, dir, "b")
		passes(22 * time.Second)
		b.stop()
		clear := func() {
			for _, name := range []string{"a", "b"} {
				if err := os.Remove(filepath.Join(dir, name+suffix)); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
		}
		clear()
		a.files.mountedAs(4711)
		passes(time.Minute)
		if s := a.Read(); !strings.Contains(s.Err, "still mounted") || peerAge(s, "b") < 60 || s.AgeSeconds.Value < 60 {
			t.Errorf("the storage has gone: %+v", s)
		}
		a.files.mountedAs(0)
		passes(2 * beat)
		if s := a.Read(); s.Err != "" || peerAge(s, "b") >= 0 || s.AgeSeconds.Value > 10 {
			t.Errorf("the stamps were removed: %+v", s)
		}
	})
}

func TestNamesThatAreNoFileNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"", ".", "..", ".a", "a/b", "/", "../a", "a\nb", "a b", "a\x00", strings.Repeat("a", 250)} {
		if err := New(dir, beat, slog.New(slog.DiscardHandler)).Run(t.Context(), name); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("%v %v", files, err)
	}
}

func TestTheLongestNameFits(t *testing.T) {
	s := stamp{host: strings.Repeat("a", maxName), sequence: 1<<64 - 1, unix: -1 << 63}
	dir := t.TempDir()
	path := filepath.Join(dir, s.host+suffix)
	if _, err := (storage{}).write(path, s.text()); err != nil {
		t.Fatal(err)
	}
	text, _, err := storage{}.read(path)
	if got, parseErr := parseStamp(text); err != nil || parseErr != nil || got != s {
		t.Errorf("%v %v %+v", err, parseErr, got)
	}
}

func TestWhatStoodInTheFileBeforeIsCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a"+suffix)
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 4096), 0o644); err != nil {
		t.Fatal(err)
	}
	want := stamp{host: "a", sequence: 3}.text()
	if _, err := (storage{}).write(path, want); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func FuzzParseStamp(f *testing.F) {
	f.Add(stamp{host: "a", sequence: 1, unix: 2}.text())
	f.Add([]byte("evenkeel-heartbeat 1\nhost a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseStamp(text)
		if err != nil {
			return
		}
		again, err := parseStamp(s.text())
		if err != nil || again != s {
			t.Errorf("%+v became %+v: %v", s, again, err)
		}
	})
}

package heartbeat

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestStorageThatHangsStopsNoClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a, b := starts(t, dir, "a"), starts(t, dir, "b")
		passes(25 * time.Second)
		free := make(chan struct{})
		a.files.set(map[string]chan struct{}{"": free}, nil)
		passes(time.Hour)
		before := time.Now()
		s := a.Read()
		if time.Since(before) != 0 || !strings.Contains(s.Err, "does not answer") {
			t.Errorf("after %v: %+v", time.Since(before), s)
		}
		between(t, "a's own age", s.AgeSeconds.Value, 3600, 3610)
		between(t, "b's age", peerAge(s, "b"), 3590, 3620)
		between(t, "the age of a, which cannot write", peerAge(b.Read(), "a"), 3590, 3620)
		if n := a.files.stuck(); n > 3 {
			t.Errorf("%d calls hang", n)
		}
		if n := a.log.count("hangs"); n < 1 || n > 3 {
			t.Errorf("the log tells %d times that it hangs", n)
		}
		a.files.set(nil, nil)
		close(free)
		passes(2 * beat)
		s = a.Read()
		if s.Err != "" {
			t.Error(s.Err)
		}
		between(t, "a's own age when the storage is back", s.AgeSeconds.Value, 0, 10)
		between(t, "b's age when the storage is back", peerAge(s, "b"), 0, 20)
		between(t, "a's age for b when the storage is back", peerAge(b.Read(), "a"), 0, 20)
	})
}

func TestStorageThatNeverAnsweredIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(t.TempDir(), beat, slog.New(slog.DiscardHandler))
		free := make(chan struct{})
		h.files = &faulty{hang: map[string]chan struct{}{"": free}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := false
		go func() { ended = h.Run(ctx, "a") == nil }()
		passes(time.Minute)
		if s := h.Read(); s.AgeSeconds.Known || s.Err == "" || len(s.Peers) > 0 {
			t.Errorf("%+v", s)
		}
		cancel()
		synctest.Wait()
		if !ended {
			t.Error("it did not end while the storage hung")
		}
		close(free)
		synctest.Wait()
	})
}

func TestAFileThatHangsAgesItsOwnHostAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := starts(t, dir, "a")
		starts(t, dir, "b")
		starts(t, dir, "c")
		passes(25 * time.Second)
		free := make(chan struct{})
		defer close(free)
		a.files.set(map[string]chan struct{}{"read " + filepath.Join(dir, "b"): free}, nil)
		passes(time.Hour)
		s := a.Read()
		between(t, "b's age", peerAge(s, "b"), 3590, 3620)
		between(t, "c's age", peerAge(s, "c"), 0, 20)
		between(t, "the own age", s.AgeSeconds.Value, 0, 10)
		if a.files.stuck() != 1 || s.Err != "" {
			t.Errorf("%d calls hang, %q", a.files.stuck(), s.Err)
		}
	})
}

func TestManyFilesThatHangAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		for _, c := range "abcdefghijklmnopqrst" {
			for _, d := range "abcdefghijklmnopqrst" {
				if err := os.WriteFile(filepath.Join(dir, "x"+string(c)+string(d)+suffix), []byte("x"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		h, free := New(dir, beat, slog.New(slog.DiscardHandler)), make(chan struct{})
		f := &faulty{hang: map[string]chan struct{}{"read": free}}
		h.files = f
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = h.Run(ctx, "a") }()
		passes(time.Hour + time.Second)
		if f.stuck() > maxHanging || f.stuck() < maxHanging-2 {
			t.Errorf("%d calls hang", f.stuck())
		}
		if s := h.Read(); s.Err != "" || s.AgeSeconds.Value > 10 {
			t.Errorf("the own stamp suffers: %v %q", s.AgeSeconds, s.Err)
		}
		cancel()
		close(free)
		synctest.Wait()
	})
}

func TestStorageThatRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := starts(t, dir, "a")
		starts(t, dir, "b")
		passes(22 * time.Second)
		a.files.set(nil, map[string]error{"write": errors.New("no space left")})
		passes(time.Minute)
		s := a.Read()
		if !strings.Contains(s.Err, "no space left") || a.log.count("no space left") != 1 {
			t.Errorf("%q, logged %d times", s.Err, a.log.count("no space left"))
		}
		between(t, "the own age", s.AgeSeconds.Value, 60, 70)
		between(t, "the age of b, which is still seen", peerAge(s, "b"), 0, 20)
		a.files.set(nil, map[string]error{"list": errors.New("stale handle")})
		passes(time.Minute)
		s = a.Read()
		if !strings.Contains(s.Err, "stale handle") {
			t.Errorf("%q", s.Err)
		}
		between(t, "b's age", peerAge(s, "b"), 60, 82)
		a.files.set(nil, nil)
		passes(beat)
		if s = a.Read(); s.Err != "" || s.AgeSeconds.Value > 10 || a.log.count("works again") == 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestHostsOfAStorageWeCannotWriteTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		starts(t, dir, "b")
		plant(t, dir, stamp{host: "dead", sequence: 7}, 3*time.Hour)
		h := New(dir, beat, slog.New(slog.DiscardHandler))
		h.files = &faulty{fail: map[string]error{"write": errors.New("read-only")}}
		go func() { _ = h.Run(t.Context(), "a") }()
		passes(25 * time.Second)
		if s := h.Read(); peerAge(s, "dead") >= 0 || s.AgeSeconds.Known {
			t.Errorf("a host that may be long dead looks young: %+v", s)
		}
		between(t, "b's age", peerAge(h.Read(), "b"), 0, 20)
		passes(time.Minute)
		between(t, "the dead host's age", peerAge(h.Read(), "dead"), 60, 90)
	})
}

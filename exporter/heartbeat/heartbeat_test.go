package heartbeat

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

const beat = 10 * time.Second

// host is a heartbeat under test.
type host struct {
	*Heartbeat
	files *faulty
	log   *diary
	stop  context.CancelFunc
}

// starts runs a host's heartbeat in the directory; call it in a bubble of synctest.
func starts(t *testing.T, dir, name string) host {
	t.Helper()
	d, f := &diary{}, &faulty{}
	h := New(dir, beat, slog.New(slog.NewTextHandler(d, nil)))
	h.files = f
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() {
		if err := h.Run(ctx, name); err != nil {
			t.Error(err)
		}
	}()
	synctest.Wait()
	return host{h, f, d, cancel}
}

// passes lets beats pass and stops in the middle between two.
func passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// peerAge is the age of one peer, or -1 for one that is not listed.
func peerAge(s stat.Heartbeat, host string) float64 {
	for _, p := range s.Peers {
		if p.Host == host {
			return p.AgeSeconds
		}
	}
	return -1
}

// plant leaves a stamp that was written as long ago as said, by the storage's clock.
func plant(t *testing.T, dir string, s stamp, ago time.Duration) {
	t.Helper()
	path := filepath.Join(dir, s.host+suffix)
	if err := os.WriteFile(path, s.text(), 0o644); err != nil {
		t.Fatal(err)
	}
	when := time.Now().Add(storageAhead - ago)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}

func between(t *testing.T, what string, got, low, high float64) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s is %v, want %v to %v", what, got, low, high)
	}
}

func TestTwoHostsSeeEachOtherAndOneStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := starts(t, dir, "a")
		time.Sleep(5 * time.Second)
		b := starts(t, dir, "b.example.net")
		passes(57 * time.Second) // a beat at 60, b at 55, and now it is 62
		s := a.Read()
		if s.Err != "" || !s.AgeSeconds.Known || len(s.Peers) != 1 {
			t.Errorf("%+v", s)
		}
		between(t, "a's own age", s.AgeSeconds.Value, 2, 2)
		between(t, "b's age", peerAge(s, "b.example.net"), 0, 20)
		between(t, "a's age for b", peerAge(b.Read(), "a"), 0, 20)
		b.stop()
		passes(time.Hour)
		s = a.Read()
		between(t, "the age of b, which stopped", peerAge(s, "b.example.net"), 3600, 3620)
		between(t, "a's own age", s.AgeSeconds.Value, 2, 2)
		between(t, "b's own age", b.Read().AgeSeconds.Value, 3600, 3620)
		if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
			t.Errorf("%v %v: want two files", files, err)
		}
	})
}

func TestClocksNeedNotAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := starts(t, dir, "a")
		s := stamp{host: "skewed", sequence: 1, unix: time.Now().AddDate(-30, 0, 0).Unix()}
		plant(t, dir, s, 0)
		passes(12 * time.Second)
		between(t, "the age at first sight", peerAge(a.Read(), "skewed"), 0, 12)
		for range 5 {
			s.sequence, s.unix = s.sequence+1, s.unix+10
			plant(t, dir, s, 20*time.Hour)
			passes(beat)
			between(t, "the age of a stamp that changes", peerAge(a.Read(), "skewed"), 0, 20)
		}
		passes(100 * time.Second)
		between(t, "the age of a stamp that changed", peerAge(a.Read(), "skewed"), 100, 110)
	})
}

func TestAHostThatWasDeadBeforeWeStartedIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		plant(t, dir, stamp{host: "dead", sequence: 7}, 3*time.Hour)
		plant(t, dir, stamp{host: "early", sequence: 7}, -3*time.Hour)
		plant(t, dir, stamp{host: "gone", sequence: 7}, goneAfter-time.Hour)
		a := starts(t, dir, "a")
		between(t, "the dead host's age", peerAge(a.Read(), "dead"), 3*3600, 3*3600+60)
		between(t, "the age of a stamp from the future", peerAge(a.Read(), "early"), 0, 60)
		if peerAge(a.Read(), "gone") < 0 {
			t.Error("a host that has been gone for nearly a week is not listed")
		}
		passes(2 * time.Hour)
		between(t, "the dead host's age", peerAge(a.Read(), "dead"), 5*3600, 5*3600+60)
		between(t, "the age of a stamp from the future", peerAge(a.Read(), "early"), 2*3600, 2*3600+60)
		if peerAge(a.Read(), "gone") >= 0 {
			t.Error("a host that has been gone for a week is listed")
		}
		plant(t, dir, stamp{host: "gone", sequence: 8}, 0)
		passes(beat)
		between(t, "the age of a host that came back", peerAge(a.Read(), "gone"), 0, 20)
	})
}

func TestAHostThatGetsAnotherNameGoesOnUnderIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		plant(t, dir, stamp{host: "a.example.net", sequence: 7}, 3*time.Hour) // of its life before the reboot
		a, b := starts(t, dir, "a"), starts(t, dir, "b")
		passes(22 * time.Second)
		a.stop()
		synctest.Wait()
		go func() { _ = a.Run(t.Context(), "a.example.net") }()
		passes(32 * time.Second)
		if _, err := os.Stat(filepath.Join(dir, "a"+suffix)); !os.IsNotExist(err) {
			t.Errorf("the stamp under the old name: %v", err)
		}
		between(t, "its age for b", peerAge(b.Read(), "a.example.net"), 0, 20)
		if s := a.Read(); peerAge(b.Read(), "a") >= 0 || len(s.Peers) != 1 || s.Err != "" || s.AgeSeconds.Value > 10 {
			t.Errorf("%+v, and b sees %+v", s, b.Read())
		}
	})
}

func TestAStampOfTheOldNameThatIsSomebodyElsesStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := starts(t, dir, "localhost")
		passes(22 * time.Second)
		a.stop()
		synctest.Wait()
		plant(t, dir, stamp{host: "localhost", sequence: 4711}, 0)
		go func() { _ = a.Run(t.Context(), "a") }()
		passes(22 * time.Second)
		if _, err := os.Stat(filepath.Join(dir, "localhost"+suffix)); err != nil {
			t.Error(err)
		}
	})
}

package machine

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestEachRealFileSystemOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorded(t, "hypervisor")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.Run(ctx)
		synctest.Wait()
		full := stat.Filesystem{Size: cluster.Known(102400), Free: cluster.Known(51200), Available: cluster.Known(40960), Inodes: cluster.Known(10), InodesFree: cluster.Known(9)}
		want := make([]stat.Filesystem, 4)
		for i, f := range []stat.Filesystem{
			{MountPoint: "/", Type: "ext4"}, {MountPoint: "/home", Type: "btrfs"},
			{MountPoint: "/srv", Type: "xfs", ReadOnly: true},
			{MountPoint: "/var/lib/libvirt/my images", Type: "nfs4"},
		} {
			want[i] = full
			want[i].MountPoint, want[i].Type, want[i].ReadOnly = f.MountPoint, f.Type, f.ReadOnly
		}
		if diff := cmp.Diff(want, r.Read(ctx).Filesystems); diff != "" {
			t.Error(diff)
		}
	})
}

// hanging is a reader whose file system at the path hangs while the channel is open, and the number
// of calls for it.
func hanging(t *testing.T, path string) (*Reader, chan struct{}, *atomic.Int64) {
	r := recorded(t, "hypervisor")
	free, calls, statfs := make(chan struct{}), new(atomic.Int64), r.filesystems.statfs
	r.filesystems.statfs = func(p string, b *unix.Statfs_t) error {
		if p == path {
			calls.Add(1)
			<-free
		}
		return statfs(p, b)
	}
	return r, free, calls
}

func TestADeadServerDelaysNoReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, free, calls := hanging(t, "/var/lib/libvirt/my images")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.Run(ctx)
		nfs := func() stat.Filesystem {
			before := time.Now()
			m := r.Read(ctx)
			if time.Since(before) != 0 || len(errs(m)) > 0 || !m.Filesystems[0].Size.Known || m.Filesystems[0].Stalled {
				t.Errorf("the reading took %v: %v, %+v", time.Since(before), errs(m), m.Filesystems[0])
			}
			return m.Filesystems[3]
		}
		synctest.Wait()
		if f := nfs(); f.Stalled || f.Size.Known {
			t.Errorf("at once: %+v", f)
		}
		time.Sleep(6 * time.Second)
		if f := nfs(); !f.Stalled || f.Size.Known || f.Type != "nfs4" {
			t.Errorf("after a while: %+v", f)
		}
		time.Sleep(10 * time.Minute)
		if f := nfs(); !f.Stalled || calls.Load() != 1 {
			t.Errorf("after long: %+v, %d calls", f, calls.Load())
		}
		close(free)
		synctest.Wait()
		if f := nfs(); f.Stalled || !f.Size.Known {
			t.Errorf("when the server is back: %+v", f)
		}
		time.Sleep(statfsInterval)
		if calls.Load() != 2 {
			t.Errorf("%d calls, want another one", calls.Load())
		}
	})
}

func TestMountsThatComeAndGoWhileTheyHangAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &filesystems{root: "/"}
		free, id := make(chan struct{}), 0
		var asked atomic.Int64
		f.statfs = func(string, *unix.Statfs_t) error { asked.Add(1); <-free; return nil }
		f.mounts = func() ([]mount, error) { id++; return []mount{{id: id, point: "/nfs"}}, nil }
		for range 3 * maxAsking {
			f.ask()
			synctest.Wait()
		}
		if asked.Load() != maxAsking || len(f.spaces) != 1 {
			t.Errorf("%d calls hang for %d mounts", asked.Load(), len(f.spaces))
		}
		time.Sleep(statfsPatience + 1)
		if s := f.spaces[0]; !s.stalled(time.Now()) {
			t.Errorf("a mount that cannot be asked counts as well: %+v", s)
		}
		close(free)
		synctest.Wait()
		f.ask()
		synctest.Wait()
		if s := f.spaces[0]; f.asking != 0 || s.answered.IsZero() || s.stalled(time.Now()) {
			t.Errorf("%d calls still hang, %+v", f.asking, s)
		}
	})
}

func TestOldNumbersAreNotUsedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorded(t, "hypervisor")
		r.filesystems.ask()
		synctest.Wait()
		time.Sleep(numbersLast + 1)
		if f := r.Read(t.Context()).Filesystems[0]; f.Size.Known || f.Stalled {
			t.Errorf("%+v", f)
		}
	})
}

func TestAFileSystemThatRefusesIsAnErrorOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorded(t, "hypervisor")
		statfs := r.filesystems.statfs
		r.filesystems.statfs = func(p string, b *unix.Statfs_t) error {
			if p == "/srv" {
				return unix.ESTALE
			}
			return statfs(p, b)
		}
		r.filesystems.ask()
		synctest.Wait()
		m := r.Read(t.Context())
		if e := errs(m)["host_filesystem"]; !strings.Contains(e, "/srv: stale") || m.Filesystems[2].Size.Known || !m.Filesystems[3].Size.Known {
			t.Errorf("%s: %+v", e, m.Filesystems)
		}
		r.filesystems.mounts = func() ([]mount, error) { return nil, errors.New("no mounts") }
		r.filesystems.ask()
		if m := r.Read(t.Context()); errs(m)["host_filesystem"] != "no mounts" || len(m.Filesystems) != 4 {
			t.Errorf("%v: %+v", errs(m), m.Filesystems)
		}
	})
}

func TestRunEndsWithItsContextAlsoWhenThereIsNothingToRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := false
		go func() { New(Options{Without: func(string) bool { return true }}).Run(ctx); ended = true }()
		synctest.Wait()
		if ended {
			t.Error("it ended early")
		}
		cancel()
		synctest.Wait()
		if !ended {
			t.Error("it did not end")
		}
	})
}

package machine

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"golang.org/x/sys/unix"
)

const (
	statfsInterval = 30 * time.Second
	// statfsPatience is how long a file system may take to answer before it counts as stalled.
	statfsPatience = 5 * time.Second
	// numbersLast is how long an answer is used, should no other come for a reason of our own.
	numbersLast = 3 * statfsInterval
	// maxAsking bounds the calls under way. Each that hangs holds a thread, also that of a mount which
	// was thrown out meanwhile and mounted anew.
	maxAsking = 128
)

// filesystems asks file systems how full they are. That can block for ever (a server that died), so
// it is done beside every reading, with one call for each mount at most.
type filesystems struct {
	root   string
	statfs func(path string, buf *unix.Statfs_t) error
	mounts func() ([]mount, error)

	mu     sync.Mutex
	spaces []*space
	asking int
	err    error
}

// space is what is known of one mount.
type space struct {
	mount
	// due is since when an answer is waited for, zero when none is; asked, that the call is under way.
	due   time.Time
	asked bool
	// answered is when the newest answer came.
	answered time.Time
	answer   unix.Statfs_t
	err      error
}

func (f *filesystems) run(ctx context.Context) {
	tick := time.NewTicker(statfsInterval)
	defer tick.Stop()
	for {
		f.ask()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ask looks which mounts there are and asks each that does not still owe an answer.
func (f *filesystems) ask() {
	mounts, err := f.mounts()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err = err; err != nil {
		return
	}
	old := map[mount]*space{}
	for _, s := range f.spaces {
		old[s.key()] = s
	}
	f.spaces = make([]*space, 0, len(mounts))
	for _, m := range mounts {
		s := &space{mount: m}
		if before := old[s.key()]; before != nil {
			s = before
			s.readOnly = m.readOnly
		}
		f.spaces = append(f.spaces, s)
		if s.due.IsZero() {
			s.due = time.Now()
		}
		if !s.asked && f.asking < maxAsking {
			s.asked = true
			f.asking++
			go f.call(s, filepath.Join(f.root, s.point))
		}
	}
}

// key is the mount without what may change about it.
func (s *space) key() mount {
	m := s.mount
	m.readOnly = false
	return m
}

func (f *filesystems) call(s *space, path string) {
	var answer unix.Statfs_t
	err := f.statfs(path, &answer)
	if err != nil {
		err = fmt.Errorf("ask file system %s: %w", path, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asking--
	s.due, s.asked = time.Time{}, false
	s.answered, s.answer, s.err = time.Now(), answer, err
}

// filesystem returns what is known and waits for nothing.
func (r *Reader) filesystem(kernel) (put, error) {
	f := r.filesystems
	f.mu.Lock()
	defer f.mu.Unlock()
	now, err := time.Now(), f.err
	var list []stat.Filesystem
	for _, s := range f.spaces {
		if err == nil && !s.stalled(now) {
			err = s.err
		}
		list = append(list, s.shown(now))
	}
	return func(m *stat.Machine) { m.Filesystems = list }, err
}

func (s *space) stalled(now time.Time) bool {
	return !s.due.IsZero() && now.Sub(s.due) > statfsPatience
}

func (s *space) shown(now time.Time) stat.Filesystem {
	fs := stat.Filesystem{MountPoint: s.point, Type: s.kind, ReadOnly: s.readOnly, Stalled: s.stalled(now)}
	if fs.Stalled || s.answered.IsZero() || s.err != nil || now.Sub(s.answered) > numbersLast {
		return fs
	}
	a := &s.answer
	block := float64(a.Frsize)
	if a.Frsize == 0 {
		block = float64(a.Bsize)
	}
	fs.Size = cluster.Known(float64(a.Blocks) * block)
	fs.Free = cluster.Known(float64(a.Bfree) * block)
	fs.Available = cluster.Known(float64(a.Bavail) * block)
	if a.Files > 0 {
		fs.Inodes, fs.InodesFree = cluster.Known(float64(a.Files)), cluster.Known(float64(a.Ffree))
	}
	return fs
}

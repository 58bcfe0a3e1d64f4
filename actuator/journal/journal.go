// Package journal keeps the actuator's entries on a shelf, which is a bbolt file or another store: in order, for good, and safe
// before Append returns. Each entry carries the hash of the one before, so that what was changed
// shows; old ones can be moved out to files of JSON lines that continue the same chain. It does not
// know what the entries mean, but which belong to one case.
//
// The chain has no secret: whoever may write the store can also make all the hashes after a change
// anew, or cut the end off. A head that is kept elsewhere shows both.
package journal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// lockTimeout is how long to wait for another process to let go of the file.
const lockTimeout = 3 * time.Second

// fillPercent is how full a page is made before the next is begun. Entries are only added at the end.
const fillPercent = 0.95

// Journal is an open journal. It is safe for concurrent use.
type Journal struct {
	shelf Shelf
	// name says where it is, and look what shows whether it was changed; for errors. dir is where its archives stand.
	name, look, dir string
	adopted         int
	metrics         *metrics

	// appending is held while an entry is written, and so while written, the number of the last one, changes.
	appending sync.Mutex
	written   uint64
	// head is the last entry that is safe for certain. It can be read while the disk hangs.
	head atomic.Pointer[cluster.Head]

	// upkeep is held while the journal is verified or compacted, so that neither sees half of the
	// other and many who ask at once do not read the whole of it at once.
	upkeep sync.Mutex
}

// Open opens the file, and makes it where there is none.
func Open(path string) (j *Journal, err error) {
	err = guarded(func() (err error) {
		j, err = open(path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	return j, nil
}

func open(path string) (*Journal, error) {
	f, adopted, err := openFile(path)
	if err != nil {
		return nil, err
	}
	j := inFile(f, path)
	j.adopted = adopted
	if err := j.refresh(context.Background()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// OpenReadOnly opens the file to be read, for Verify and Replay. It changes nothing, and fails while
// a server has the file.
func OpenReadOnly(path string) (*Journal, error) {
	f, err := openFileReadOnly(path)
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	return inFile(f, path), nil
}

func inFile(f *file, path string) *Journal {
	j := newJournal(f, path, filepath.Dir(path))
	j.look += " --journal " + path
	return j
}

func newJournal(shelf Shelf, name, dir string) *Journal {
	j := &Journal{shelf: shelf, name: name, look: "evenkeel history --verify", dir: dir, metrics: newMetrics()}
	j.head.Store(&cluster.Head{})
	return j
}

// Adopted is the number of entries that Open found without hashes, because an older version wrote
// them, and took into the chain. What was done to them before does not show.
func (j *Journal) Adopted() int { return j.adopted }

// Head returns the last entry that is safe. Its number is 0 before the first.
func (j *Journal) Head() cluster.Head { return *j.head.Load() }

// Close lets go of the journal.
func (j *Journal) Close() error { return j.shelf.Close() }

// Append numbers the entry and returns when it is safe. After an error the entry does not count,
// and the next Append goes on as if it had not been tried.
func (j *Journal) Append(e cluster.Entry) (cluster.Entry, error) {
	j.appending.Lock()
	defer j.appending.Unlock()
	began := time.Now()
	added, err := j.add(&e)
	if err == nil {
		j.written = added.Seq
		j.head.Store(&added)
	}
	j.metrics.appended(time.Since(began), err)
	if err != nil {
		return cluster.Entry{}, fmt.Errorf("append to the journal: %w", withAdvice(err, j.name))
	}
	return e, nil
}

// Replay calls f for every entry, oldest first, and stops at the first error. It does not look at the
// hashes: that is what Verify is for.
func (j *Journal) Replay(f func(cluster.Entry) error) error {
	return j.walk(context.Background(), math.MaxUint64, func(seq uint64, value []byte) error {
		r, err := parse(value)
		var e cluster.Entry
		if err == nil {
			e, err = r.decode()
		}
		if err != nil {
			return fmt.Errorf("journal entry %d cannot be read: %w; see %s", seq, err, j.look)
		}
		return f(e)
	})
}

// withAdvice says what to do about a disk that takes no more.
func withAdvice(err error, path string) error {
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) || strings.Contains(err.Error(), full.Error()) { // bbolt does not wrap all that it passes on
			return fmt.Errorf("%w; make room for %s: nothing is lost, and it goes on by itself then", err, path)
		}
	}
	return err
}

// syncDir puts the names in a directory on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

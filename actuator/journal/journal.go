// Package journal keeps the actuator's entries in a bbolt file: in order, for good, and on disk
// before Append returns. Each entry carries the hash of the one before, so that what was changed
// shows; old ones can be moved out to files of JSON lines that continue the same chain. It does not
// know what the entries mean, but which belong to one case.
//
// The chain has no secret: whoever may write the file can also make all the hashes after a change
// anew, or cut the end off. A head that is kept elsewhere shows both.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long to wait for another process to let go of the file.
const lockTimeout = 3 * time.Second

// fillPercent is how full a page is made before the next is begun. Entries are only added at the end.
const fillPercent = 0.95

// Journal is an open journal file. It is safe for concurrent use.
type Journal struct {
	db      *bbolt.DB
	path    string
	adopted int
	metrics *metrics

	// appending is held while an entry is written.
	appending sync.Mutex
	// head is the last entry that is on disk for certain, bytes the file's size. They can be read
	// while the disk hangs.
	head  atomic.Pointer[cluster.Head]
	bytes atomic.Int64

	// upkeep is held while the journal is verified or compacted, so that neither sees half of the
	// other and many who ask at once do not read the whole file at once.
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
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, errors.New("another process has it; is a server running already?")
	}
	if err != nil {
		return nil, err
	}
	j := newJournal(db, path)
	err = db.Update(func(tx *bbolt.Tx) error {
		j.adopted, err = prepare(tx)
		return err
	})
	if err == nil {
		err = syncDir(filepath.Dir(path)) // the file may be new
	}
	if err == nil {
		err = j.refresh()
	}
	if err != nil {
		return nil, errors.Join(withAdvice(err, path), db.Close())
	}
	return j, nil
}

// OpenReadOnly opens the file to be read, for Verify and Replay. It changes nothing, and fails while
// a server has the file.
func OpenReadOnly(path string) (*Journal, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, ReadOnly: true})
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return nil, fmt.Errorf("open journal %s: a server has it; ask that one instead: evenkeel history --verify --server URL", path)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open journal %s: there is no such file; it is journal.db in the server's --storage.path", path)
	case err != nil:
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	if err := guarded(func() error { return whole(db) }); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", path, err), db.Close())
	}
	return newJournal(db, path), nil
}

// whole looks whether the file is as long as it says. Reading behind its end would end the program.
func whole(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error {
		info, err := os.Stat(db.Path())
		if err == nil && info.Size() < tx.Size() {
			err = fmt.Errorf("it has %d bytes of %d: it was cut off, or copied in part; copy it again, or bring it back from a backup", info.Size(), tx.Size())
		}
		if err == nil && tx.Bucket(entriesBucket()) == nil {
			err = errors.New("it is a bbolt file and no journal")
		}
		return err
	})
}

func newJournal(db *bbolt.DB, path string) *Journal {
	j := &Journal{db: db, path: path, metrics: newMetrics()}
	j.head.Store(&cluster.Head{})
	return j
}

// refresh reads the head and the size from the file.
func (j *Journal) refresh() error {
	return j.db.View(func(tx *bbolt.Tx) error {
		h, err := head(tx)
		if err != nil {
			return fmt.Errorf("%w; look at it with evenkeel history --verify --journal %s", err, j.path)
		}
		j.head.Store(&h)
		j.bytes.Store(tx.Size())
		return nil
	})
}

// Adopted is the number of entries that Open found without hashes, because an older version wrote
// them, and took into the chain. What was done to them before does not show.
func (j *Journal) Adopted() int { return j.adopted }

// Head returns the last entry that is on disk. Its number is 0 before the first.
func (j *Journal) Head() cluster.Head { return *j.head.Load() }

// Close lets go of the file.
func (j *Journal) Close() error { return j.db.Close() }

// Append numbers the entry and returns when it is on disk. After an error the entry does not count,
// and the next Append goes on as if it had not been tried.
func (j *Journal) Append(e cluster.Entry) (cluster.Entry, error) {
	j.appending.Lock()
	defer j.appending.Unlock()
	began := time.Now()
	var added cluster.Head
	err := j.db.Update(func(tx *bbolt.Tx) error {
		var err error
		added, err = j.add(tx, &e)
		return err
	})
	if err == nil {
		j.head.Store(&added)
		_ = j.db.View(func(tx *bbolt.Tx) error { j.bytes.Store(tx.Size()); return nil }) // only a closed file could fail, and the entry is safe
	}
	j.metrics.appended(time.Since(began), err)
	if err != nil {
		return cluster.Entry{}, fmt.Errorf("append to the journal: %w", withAdvice(err, j.path))
	}
	return e, nil
}

// add puts the entry behind the last one that is certain.
func (j *Journal) add(tx *bbolt.Tx, e *cluster.Entry) (cluster.Head, error) {
	b := tx.Bucket(entriesBucket())
	b.FillPercent = fillPercent
	if err := dropAfter(b, j.Head().Seq); err != nil {
		return cluster.Head{}, err
	}
	last, err := head(tx)
	if err != nil {
		return cluster.Head{}, err
	}
	if e.Seq, err = b.NextSequence(); err != nil {
		return cluster.Head{}, err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return cluster.Head{}, err
	}
	r := seal(last.Hash, text)
	return cluster.Head{Seq: e.Seq, Hash: r.hash}, b.Put(key(e.Seq), r.bytes())
}

// dropAfter takes out what an Append left behind that failed in its very last step, when the disk
// would not say whether it has it. Nobody acted upon it.
func dropAfter(b *bbolt.Bucket, seq uint64) error {
	for k, _ := b.Cursor().Seek(key(seq + 1)); k != nil; k, _ = b.Cursor().Seek(key(seq + 1)) {
		if before := number(k) - 1; before < b.Sequence() {
			if err := b.SetSequence(before); err != nil {
				return err
			}
		}
		if err := b.Delete(bytes.Clone(k)); err != nil {
			return err
		}
	}
	return nil
}

// Replay calls f for every entry, oldest first, and stops at the first error. It does not look at the
// hashes: that is what Verify is for.
func (j *Journal) Replay(f func(cluster.Entry) error) error {
	return j.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(entriesBucket()).ForEach(func(k, v []byte) error {
			r, err := parse(v)
			var e cluster.Entry
			if err == nil {
				e, err = r.decode()
			}
			if err != nil {
				return fmt.Errorf("journal entry %d cannot be read: %w; see evenkeel history --verify --journal %s", number(k), err, j.path)
			}
			return f(e)
		})
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

// Package journal keeps the actuator's entries in a bbolt file: in order, for good, and on disk
// before Append returns. It does not know what the entries mean.
package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long to wait for another process to let go of the file.
const lockTimeout = 3 * time.Second

func bucket() []byte { return []byte("entries") }

// Journal is an open journal file. It is safe for concurrent use.
type Journal struct{ db *bbolt.DB }

// Open opens the file, and makes it where there is none.
func Open(path string) (*Journal, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open journal %s: another process has it; is a server running already?", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket())
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare journal %s: %w", path, err), db.Close())
	}
	return &Journal{db: db}, nil
}

// Close lets go of the file.
func (j *Journal) Close() error { return j.db.Close() }

// Append numbers the entry and returns when it is on disk.
func (j *Journal) Append(e cluster.Entry) (cluster.Entry, error) {
	err := j.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket())
		seq, err := b.NextSequence()
		if err != nil {
			return err
		}
		e.Seq = seq
		value, err := json.Marshal(e)
		if err != nil {
			return err
		}
		return b.Put(key(seq), value)
	})
	if err != nil {
		return cluster.Entry{}, fmt.Errorf("append to the journal: %w", err)
	}
	return e, nil
}

// Replay calls f for every entry, oldest first, and stops at the first error.
func (j *Journal) Replay(f func(cluster.Entry) error) error {
	return j.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket()).ForEach(func(k, v []byte) error {
			var e cluster.Entry
			if err := json.Unmarshal(v, &e); err != nil {
				return fmt.Errorf("journal entry %d cannot be read: %w", binary.BigEndian.Uint64(k), err)
			}
			return f(e)
		})
	})
}

func key(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

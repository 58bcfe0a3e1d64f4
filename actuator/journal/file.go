package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// file is a shelf in a bbolt file.
type file struct {
	db *bbolt.DB
	// bytes is the file's size. It can be read while the disk hangs.
	bytes atomic.Int64
}

// openFile opens the file, makes it where there is none, and takes entries without hashes into the chain.
func openFile(path string) (f *file, adopted int, err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, 0, errors.New("another process has it; is a server running already?")
	}
	if err != nil {
		return nil, 0, noJournal(err)
	}
	if err = long(db); err == nil {
		err = db.Update(func(tx *bbolt.Tx) error {
			adopted, err = prepare(tx)
			return err
		})
	}
	if err == nil {
		err = syncDir(filepath.Dir(path)) // the file may be new
	}
	if err != nil {
		return nil, 0, errors.Join(withAdvice(err, path), db.Close())
	}
	return &file{db: db}, adopted, nil
}

// openFileReadOnly opens a file that is there and changes nothing in it.
func openFileReadOnly(path string) (*file, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, ReadOnly: true})
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return nil, fmt.Errorf("a server has it; ask that one instead: evenkeel history --verify --server URL")
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no such file; it is journal.db in the server's --storage.path")
	case err != nil:
		return nil, noJournal(err)
	}
	if err := guarded(func() error { return whole(db) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &file{db: db}, nil
}

// noJournal says what to do about a file that bbolt does not take for one of its own.
func noJournal(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w; if the file is damaged, move it away and bring it back from a backup or an export: evenkeel store restore", err)
}

// whole looks whether the file is as long as it says, and a journal.
func whole(db *bbolt.DB) error {
	if err := long(db); err != nil {
		return err
	}
	return db.View(func(tx *bbolt.Tx) error {
		if tx.Bucket(entriesBucket()) == nil {
			return errors.New("it is a bbolt file and no journal")
		}
		return nil
	})
}

// long looks whether the file is as long as it says. Reading behind its end would end the program.
func long(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error {
		info, err := os.Stat(db.Path())
		if err == nil && info.Size() < tx.Size() {
			err = fmt.Errorf("it has %d bytes of %d: it was cut off, or copied in part; copy it again, or move it away and bring it back from a backup or an export: evenkeel store restore", info.Size(), tx.Size())
		}
		return err
	})
}

// Ends is part of Shelf.
func (f *file) Ends(context.Context) (Ends, error) {
	var e Ends
	err := f.db.View(func(tx *bbolt.Tx) (err error) {
		if e.Anchor, err = anchor(tx); err != nil {
			return err
		}
		e.Written = tx.Bucket(entriesBucket()).Sequence()
		f.bytes.Store(tx.Size())
		e.Last = e.Anchor
		if k, v := tx.Bucket(entriesBucket()).Cursor().Last(); k != nil {
			e.Last, err = HeadOf(Record{number(k), v})
		}
		return err
	})
	return e, err
}

// Begin is part of Shelf.
func (f *file) Begin(_ context.Context, anchor cluster.Head) error {
	return f.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(entriesBucket())
		if k, _ := b.Cursor().First(); k != nil || b.Sequence() > 0 {
			return errNotEmpty
		}
		return errors.Join(b.SetSequence(anchor.Seq), setAnchor(tx, anchor))
	})
}

// Put is part of Shelf.
func (f *file) Put(_, added cluster.Head, record []byte) error {
	err := f.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(entriesBucket())
		b.FillPercent = fillPercent
		if err := b.SetSequence(added.Seq); err != nil {
			return err
		}
		return b.Put(key(added.Seq), record) // in place of what a Put left there that failed in its very last step, when the disk would not say whether it has it
	})
	if err == nil {
		_ = f.db.View(func(tx *bbolt.Tx) error { f.bytes.Store(tx.Size()); return nil }) // only a closed file could fail, and the entry is safe
	}
	return err
}

// After is part of Shelf.
func (f *file) After(_ context.Context, seq uint64, most int) ([]Record, error) {
	var read []Record
	err := f.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(entriesBucket()).Cursor()
		for k, v := c.Seek(key(seq + 1)); k != nil && len(read) < most; k, v = c.Next() {
			read = append(read, Record{number(k), bytes.Clone(v)})
		}
		return nil
	})
	return read, err
}

// Before is part of Shelf.
func (f *file) Before(_ context.Context, seq uint64, most int) ([]Record, error) {
	var read []Record
	err := f.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(entriesBucket()).Cursor()
		k, v := c.Last()
		if seq > 0 {
			if k, v = c.Seek(key(seq)); k == nil {
				k, v = c.Last()
			}
			for k != nil && number(k) >= seq {
				k, v = c.Prev()
			}
		}
		for ; k != nil && len(read) < most; k, v = c.Prev() {
			read = append(read, Record{number(k), bytes.Clone(v)})
		}
		return nil
	})
	return read, err
}

// TakeOut is part of Shelf.
func (f *file) TakeOut(_ context.Context, span cluster.Span, to cluster.Head, seen uint64, free func([]byte) error) error {
	return f.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(entriesBucket())
		c := b.Cursor()
		for k, v := c.Seek(key(seen + 1)); k != nil; k, v = c.Next() {
			if err := free(v); err != nil {
				return err
			}
		}
		for seq := span.First; seq <= span.Last; seq++ {
			if err := b.Delete(key(seq)); err != nil {
				return err
			}
		}
		return setAnchor(tx, to)
	})
}

// Bytes is part of Shelf.
func (f *file) Bytes() (int64, bool) { return f.bytes.Load(), true }

// Close is part of Shelf.
func (f *file) Close() error { return f.db.Close() }

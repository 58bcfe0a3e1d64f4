package definitions

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long to wait for another process to let go of the file.
const lockTimeout = 3 * time.Second

// A version stands in a bbolt file under its VM's UUID, a zero byte and its number, so that those of a VM follow each other.
func versionsBucket() []byte { return []byte("versions") }

// markBucket holds the mark, under its own name. Files of older versions have none.
func markBucket() []byte { return []byte("mark") }

func key(vm string, version uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(vm), 0), version)
}

// numberLen is how long the end of a key is: the zero byte and the version.
const numberLen = 1 + 8

// idOf reads a key. Of one that was damaged it makes an ID that nothing stands under.
func idOf(k []byte) ID {
	if len(k) < numberLen {
		return ID{VM: string(k)}
	}
	return ID{VM: string(k[:len(k)-numberLen]), Version: binary.BigEndian.Uint64(k[len(k)-8:])}
}

// file is a shelf in a bbolt file.
type file struct{ db *bbolt.DB }

// OpenFile opens the shelf in a file, and makes it where there is none.
func OpenFile(path string) (Shelf, error) { return openFile(path, false) }

// OpenFileReadOnly opens one that is there and changes nothing in it. It fails while a server has the file.
func OpenFileReadOnly(path string) (Shelf, error) { return openFile(path, true) }

func openFile(path string, readOnly bool) (Shelf, error) {
	var f *file
	err := guarded(func() error {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, ReadOnly: readOnly})
		if errors.Is(err, bbolterrors.ErrTimeout) {
			return errors.New("another process has it; is a server running already?")
		}
		if err != nil {
			return damaged(err)
		}
		f = &file{db: db}
		// What stands in a damaged file may end this step, and the file must not stay locked.
		if err := guarded(func() error { return f.prepare(readOnly) }); err != nil {
			return errors.Join(err, db.Close())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open the definitions %s: %w", path, err)
	}
	return f, nil
}

// damaged says what to do about a file that bbolt does not take for one of its own.
func damaged(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w; if the file is damaged, bring it back from a backup, or move it away: then the hosts are asked anew, and what only gone hosts knew is lost", err)
}

// prepare sees that the file is whole, and makes what a new one lacks.
func (f *file) prepare(readOnly bool) error {
	if err := whole(f.db); err != nil || readOnly {
		return err
	}
	there := false
	if err := f.db.View(func(tx *bbolt.Tx) error { there = tx.Bucket(versionsBucket()) != nil; return nil }); err != nil || there {
		return err
	}
	err := f.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(versionsBucket())
		return err
	})
	return errors.Join(err, syncDir(filepath.Dir(f.db.Path()))) // the file may be new
}

// whole looks whether the file is as long as it says. Reading behind its end would end the program.
func whole(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error {
		info, err := os.Stat(db.Path())
		if err == nil && info.Size() < tx.Size() {
			err = fmt.Errorf("it has %d bytes of %d: it was cut off, or copied in part; bring it back from a backup", info.Size(), tx.Size())
		}
		return err
	})
}

// IDs is part of Shelf.
func (f *file) IDs(vms ...string) ([]ID, error) {
	var list []ID
	err := f.view(func(b *bbolt.Bucket) error {
		c := b.Cursor()
		if len(vms) == 0 {
			for k, _ := c.First(); k != nil; k, _ = c.Next() {
				list = append(list, idOf(k))
			}
		}
		for _, vm := range vms {
			for k, _ := c.Seek(key(vm, 0)); k != nil && belongs(k, vm); k, _ = c.Next() {
				list = append(list, idOf(k))
			}
		}
		return nil
	})
	return list, err
}

func belongs(k []byte, vm string) bool {
	return len(k) == len(vm)+numberLen && bytes.HasPrefix(k, append([]byte(vm), 0))
}

// Read is part of Shelf.
func (f *file) Read(ids ...ID) ([][]byte, error) {
	list := make([][]byte, len(ids))
	err := f.view(func(b *bbolt.Bucket) error {
		for i, id := range ids {
			list[i] = bytes.Clone(b.Get(key(id.VM, id.Version)))
		}
		return nil
	})
	return list, err
}

// Write is part of Shelf. It is one transaction.
func (f *file) Write(put []Record, gone []ID) error {
	return f.update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(versionsBucket())
		for _, r := range put {
			if err := b.Put(key(r.VM, r.Version), r.Value); err != nil {
				return err
			}
		}
		for _, id := range gone {
			if err := b.Delete(key(id.VM, id.Version)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Mark is part of Shelf.
func (f *file) Mark() ([]byte, error) {
	var mark []byte
	err := guarded(func() error {
		return f.db.View(func(tx *bbolt.Tx) error {
			if b := tx.Bucket(markBucket()); b != nil {
				mark = bytes.Clone(b.Get(markBucket()))
			}
			return nil
		})
	})
	return mark, err
}

// SetMark is part of Shelf.
func (f *file) SetMark(mark []byte) error {
	return f.update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(markBucket())
		if err != nil {
			return err
		}
		return b.Put(markBucket(), mark)
	})
}

// Close is part of Shelf.
func (f *file) Close() error { return f.db.Close() }

func (f *file) view(do func(*bbolt.Bucket) error) error {
	return guarded(func() error {
		return f.db.View(func(tx *bbolt.Tx) error {
			b := tx.Bucket(versionsBucket())
			if b == nil {
				return errors.New("it is a bbolt file, and holds no definitions")
			}
			return do(b)
		})
	})
}

func (f *file) update(do func(*bbolt.Tx) error) error {
	return guarded(func() error { return f.db.Update(do) })
}

// guarded turns what happens when a damaged file is read into an error.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file of definitions is damaged (%v): bring it back from a backup, and check the disk", p)
		}
	}()
	return f()
}

// syncDir puts the names in a directory on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

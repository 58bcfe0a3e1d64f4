// Package definitions keeps the definitions of VMs, so that a VM can be defined anew when its host is gone. It keeps
// the last versions of each, encrypted, in a bbolt file of its own, and has them on disk before Put returns. It knows
// nothing of hosts and asks none, and forgets a VM only when it is told to.
package definitions

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long to wait for another process to let go of the file.
const lockTimeout = 3 * time.Second

// ErrNone says that nothing is kept of a VM.
var ErrNone = errors.New("no definition of the VM is kept")

// Options say where and how much is kept.
type Options struct {
	// Path is the store's file. It is made when it is missing.
	Path string
	// KeyFile holds the key. It is made when it is missing and the store is empty.
	KeyFile string
	// Keep is how many versions of a VM are kept, 1 or more.
	Keep int
}

// Store is an open store. It is safe for concurrent use.
type Store struct {
	db   *bbolt.DB
	path string
	keep int
	seal cipher.AEAD
	// putting is held while it is decided what to write, and written.
	putting sync.Mutex
}

// Open opens the store. Where something is kept already, the key must be there and fit.
func Open(o Options) (*Store, error) {
	var s *Store
	err := guarded(func() (err error) {
		s, err = open(o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the definitions %s: %w", o.Path, err)
	}
	return s, nil
}

func open(o Options) (*Store, error) {
	if o.Keep < 1 {
		return nil, fmt.Errorf("to keep %d versions is to keep nothing; give 1 or more", o.Keep)
	}
	db, err := bbolt.Open(o.Path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, errors.New("another process has it; is a server running already?")
	}
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, path: o.Path, keep: o.Keep}
	// What stands in a damaged file may end any of these steps, and the file must not stay locked.
	if err := guarded(func() error { return s.prepare(o.KeyFile) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (s *Store) prepare(keyFile string) error {
	if err := whole(s.db); err != nil {
		return err
	}
	empty := true
	err := s.db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(versionsBucket()); b != nil {
			k, _ := b.Cursor().First()
			empty = k == nil
		}
		return nil
	})
	if err != nil {
		return err
	}
	if s.seal, err = loadKey(keyFile, empty); err != nil {
		return err
	}
	if !empty {
		return s.fits(keyFile)
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(versionsBucket())
		return err
	})
	return errors.Join(err, syncDir(filepath.Dir(s.path))) // the file may be new
}

// fits looks whether the key opens anything at all. One version that it does not open is damaged; if it opens none, the
// key is another one, and what would be written with it could not be read with the right one.
func (s *Store) fits(keyFile string) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		var first error
		n := 0
		c := tx.Bucket(versionsBucket()).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if _, err := s.unseal(k, v); err == nil {
				return nil
			} else if first == nil {
				first = err
			}
			n++
		}
		return fmt.Errorf("the key in %s opens none of the %d versions in it (%w): bring the key file back that belongs to it", keyFile, n, first)
	})
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

// Close lets go of the file.
func (s *Store) Close() error { return s.db.Close() }

// Get returns the VM's newest version, or ErrNone. When it cannot be read the error says so; Versions has the older ones.
func (s *Store) Get(vm string) (cluster.Definition, error) {
	var d cluster.Definition
	err := s.view(func(b *bbolt.Bucket) error {
		k, v := newest(b, vm)
		if k == nil {
			return fmt.Errorf("%w: %s", ErrNone, vm)
		}
		var err error
		d, err = s.unseal(k, v)
		return err
	})
	if err != nil {
		return cluster.Definition{}, err
	}
	return d, nil
}

// Kept tells whether a version of the VM is kept that can be read.
func (s *Store) Kept(vm string) bool {
	_, err := s.Get(vm)
	return err == nil
}

// Versions returns all versions that are kept of the VM and can be read, the newest first, and an error that names the others.
func (s *Store) Versions(vm string) ([]cluster.Definition, error) {
	var all []cluster.Definition
	var errs []error
	err := s.view(func(b *bbolt.Bucket) error {
		c := b.Cursor()
		for k, v := last(c, vm); k != nil && belongs(k, vm); k, v = c.Prev() {
			d, err := s.unseal(k, v)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			all = append(all, d)
		}
		return nil
	})
	if len(all)+len(errs) == 0 && err == nil {
		err = fmt.Errorf("%w: %s", ErrNone, vm)
	}
	return all, errors.Join(append(errs, err)...)
}

// List returns the newest version of every VM, by UUID and without its XML, and an error that names those that cannot be
// read. A VM that it returns could be defined anew.
func (s *Store) List() ([]cluster.Definition, error) {
	var all []cluster.Definition
	var errs []error
	err := s.view(func(b *bbolt.Bucket) error {
		c := b.Cursor()
		for k, v := c.First(); k != nil; {
			next, value := c.Next()
			if next == nil || !belongs(next, vmOf(k)) { // the last of this VM
				d, err := s.unseal(k, v)
				if err != nil {
					errs = append(errs, err)
				} else {
					d.XML = ""
					all = append(all, d)
				}
			}
			k, v = next, value
		}
		return nil
	})
	return all, errors.Join(append(errs, err)...)
}

func (s *Store) view(f func(*bbolt.Bucket) error) error {
	return guarded(func() error {
		return s.db.View(func(tx *bbolt.Tx) error { return f(tx.Bucket(versionsBucket())) })
	})
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

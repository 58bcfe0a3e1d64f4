// Package definitions keeps the definitions of VMs, so that a VM can be defined anew when its host is gone. It keeps
// the last versions of each, encrypted, on a shelf, which is a bbolt file of its own or another store, and has them safe before
// Put returns. It knows nothing of hosts and asks none, and forgets a VM only when it is told to.
package definitions

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

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
	shelf Shelf
	keep  int
	seal  cipher.AEAD
	// putting is held while it is decided what to write, and written.
	putting sync.Mutex
}

// Open opens the store in a file. Where something is kept already, the key must be there and fit.
func Open(o Options) (*Store, error) {
	if o.Keep < 1 { // before a file is made
		return nil, fmt.Errorf("open the definitions %s: %w", o.Path, tooFew(o.Keep))
	}
	shelf, err := OpenFile(o.Path)
	if err != nil {
		return nil, err
	}
	s, err := On(shelf, o.Path, o.KeyFile, o.Keep, true)
	if err != nil {
		return nil, errors.Join(err, shelf.Close())
	}
	return s, nil
}

// On opens the store on a shelf; name says where that is, for errors. Who may not write makes no key and leaves no mark. Of a VM
// so many versions are kept, 1 or more.
func On(shelf Shelf, name, keyFile string, keep int, mayWrite bool) (*Store, error) {
	s := &Store{shelf: shelf, keep: keep}
	if err := s.prepare(keyFile, mayWrite); err != nil {
		return nil, fmt.Errorf("open the definitions %s: %w", name, err)
	}
	return s, nil
}

func (s *Store) prepare(keyFile string, mayWrite bool) error {
	if s.keep < 1 {
		return tooFew(s.keep)
	}
	mark, err := s.shelf.Mark()
	if err != nil {
		return err
	}
	var ids []ID // they are many, and not needed where the mark says it all
	if mark == nil {
		if ids, err = s.shelf.IDs(); err != nil {
			return err
		}
	}
	if s.seal, err = loadKey(keyFile, mayWrite && mark == nil && len(ids) == 0); err != nil {
		return err
	}
	if s.marked(mark) {
		return nil
	}
	if mark != nil {
		if ids, err = s.shelf.IDs(); err != nil {
			return err
		}
	}
	if err := s.fits(keyFile, mark != nil, ids); err != nil || !mayWrite {
		return err
	}
	return s.shelf.SetMark(s.seal.Seal(nil, nil, nil, markText()))
}

func tooFew(keep int) error {
	return fmt.Errorf("to keep %d versions is to keep nothing; give 1 or more", keep)
}

// markText is what the mark authenticates.
func markText() []byte { return []byte("the definitions of VMs") }

// marked tells whether the mark was made with the key.
func (s *Store) marked(mark []byte) bool {
	_, err := s.seal.Open(nil, nil, mark, markText())
	return err == nil
}

// fits looks whether the key opens anything at all. One version that it does not open is damaged; if it opens none, the
// key is another one, and what would be written with it could not be read with the right one.
func (s *Store) fits(keyFile string, hasMark bool, ids []ID) error {
	var first error
	for some := range slices.Chunk(ids, walkMost) {
		values, err := s.shelf.Read(some...)
		if err != nil {
			return err
		}
		for i, id := range some {
			if _, err := s.unseal(id, values[i]); err == nil {
				return nil
			} else if first == nil {
				first = err
			}
		}
	}
	const then = "bring the key file back that belongs to it, from a backup or from the other server"
	switch {
	case first != nil:
		return fmt.Errorf("the key in %s opens none of the %d versions in it (%w): %s", keyFile, len(ids), first, then)
	case hasMark:
		return fmt.Errorf("it is empty, and to be used with another key than that in %s: %s", keyFile, then)
	}
	return nil
}

// Close lets go of the shelf.
func (s *Store) Close() error { return s.shelf.Close() }

// Verify reads and opens every version. The error names those that cannot be opened; the tally counts all.
func (s *Store) Verify(ctx context.Context) (Tally, error) {
	var errs []error
	n, err := walk(ctx, s.shelf, func(some []Record) error {
		for _, r := range some {
			if _, err := s.unseal(r.ID, r.Value); err != nil {
				errs = append(errs, err)
			}
		}
		return nil
	})
	return n, errors.Join(append(errs, err)...)
}

// Get returns the VM's newest version, or ErrNone. When it cannot be read the error says so; Versions has the older ones.
func (s *Store) Get(vm string) (cluster.Definition, error) {
	ids, err := s.shelf.IDs(vm)
	if err != nil {
		return cluster.Definition{}, err
	}
	if len(ids) == 0 {
		return cluster.Definition{}, fmt.Errorf("%w: %s", ErrNone, vm)
	}
	newest := ids[len(ids)-1]
	values, err := s.shelf.Read(newest)
	if err != nil {
		return cluster.Definition{}, err
	}
	d, err := s.unseal(newest, values[0])
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
	ids, err := s.shelf.IDs(vm)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNone, vm)
	}
	slices.Reverse(ids)
	return s.open(ids)
}

// List returns the newest version of every VM, by UUID and without its XML, and an error that names those that cannot be
// read. A VM that it returns could be defined anew.
func (s *Store) List() ([]cluster.Definition, error) {
	ids, err := s.shelf.IDs()
	if err != nil {
		return nil, err
	}
	var all []cluster.Definition
	var errs []error
	for some := range slices.Chunk(newest(ids), walkMost) { // so that not every XML is in memory at once
		list, err := s.open(some)
		errs = append(errs, err)
		for _, d := range list {
			d.XML = ""
			all = append(all, d)
		}
	}
	return all, errors.Join(errs...)
}

// newest leaves the last of each VM.
func newest(ids []ID) []ID {
	var list []ID
	for i, id := range ids {
		if i+1 == len(ids) || ids[i+1].VM != id.VM {
			list = append(list, id)
		}
	}
	return list
}

// open reads versions, and names those that cannot be.
func (s *Store) open(ids []ID) ([]cluster.Definition, error) {
	values, err := s.shelf.Read(ids...)
	if err != nil {
		return nil, err
	}
	var all []cluster.Definition
	var errs []error
	for i, id := range ids {
		d, err := s.unseal(id, values[i])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, d)
	}
	return all, errors.Join(errs...)
}

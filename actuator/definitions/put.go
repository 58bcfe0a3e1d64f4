package definitions

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"go.etcd.io/bbolt"
)

// batch is how many definitions one transaction writes at most: each holds them all in memory until it is on disk.
const batch = 500

// Put keeps the definitions and returns, when they are on disk, of how many the XML was new. What differs from the newest
// version only by what libvirt makes up at each start is not new; if its name or host is, that version says so from now
// on. Give it inactive definitions with their secrets (VIR_DOMAIN_XML_INACTIVE and _SECURE). What cannot be kept is in the
// error, with its name; the others are kept all the same.
func (s *Store) Put(definitions ...cluster.Definition) (int, error) {
	s.putting.Lock()
	defer s.putting.Unlock()
	var errs []error
	fresh := 0
	for some := range slices.Chunk(definitions, batch) {
		n, err := s.put(some)
		fresh += n
		errs = append(errs, err)
	}
	return fresh, errors.Join(errs...)
}

// put writes what has changed, in one transaction. Where nothing has, the disk is left alone.
func (s *Store) put(some []cluster.Definition) (int, error) {
	var errs []error
	var changed []cluster.Definition
	seen := map[string]cluster.Definition{} // what is newest with those before in the same call
	fresh := 0
	for _, d := range some {
		was, known := seen[d.VM]
		if !known {
			var err error
			if was, err = s.latest(d.VM); err != nil {
				errs = append(errs, fmt.Errorf("keep the definition of %s: %w", d, err))
				continue
			}
		}
		next, err := follow(was, d)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if next.Version > was.Version {
			fresh++
		}
		if next != was {
			changed = append(changed, next)
		}
		seen[d.VM] = next
	}
	if len(changed) > 0 {
		if err := s.write(changed); err != nil {
			return 0, errors.Join(append(errs, fmt.Errorf("keep the definitions of %d VMs: %w", len(changed), err))...)
		}
	}
	return fresh, errors.Join(errs...)
}

// latest returns the VM's newest version. Of one that cannot be read it returns the number alone, so that another one can
// follow, and 0 where there is none.
func (s *Store) latest(vm string) (cluster.Definition, error) {
	var d cluster.Definition
	err := s.view(func(b *bbolt.Bucket) error {
		if k, v := newest(b, vm); k != nil {
			d, _ = s.unseal(k, v) // what cannot be read is followed by a version that can
		}
		return nil
	})
	return d, err
}

// follow says what is to be kept after a version: the next one, the same with another name or host, or the very same.
func follow(was, d cluster.Definition) (cluster.Definition, error) {
	if d.VM == "" || strings.ContainsRune(d.VM, 0) {
		return was, fmt.Errorf("a definition of %q has no UUID; it cannot be kept", d.Name)
	}
	if was.XML == d.XML && was.Version > 0 {
		was.Name, was.Host = d.Name, d.Host
		return was, nil
	}
	now, err := canonical(d.XML)
	if err != nil {
		return was, fmt.Errorf("the definition of %s is no domain's XML and is not kept: %w", d, err)
	}
	if before, err := canonical(was.XML); err == nil && bytes.Equal(before, now) {
		was.Name, was.Host = d.Name, d.Host
		return was, nil
	}
	d.Version = was.Version + 1
	return d, nil
}

func (s *Store) write(changed []cluster.Definition) error {
	return guarded(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(versionsBucket())
			for _, d := range changed {
				if err := s.add(b, d); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// add writes one version, and drops the oldest ones of the VM that are too many.
func (s *Store) add(b *bbolt.Bucket, d cluster.Definition) error {
	k := key(d.VM, d.Version)
	v, err := s.sealed(k, d)
	if err != nil {
		return err
	}
	if err := b.Put(k, v); err != nil {
		return err
	}
	var old [][]byte
	c := b.Cursor()
	n := 0
	for k, _ := last(c, d.VM); k != nil && belongs(k, d.VM); k, _ = c.Prev() {
		if n++; n > s.keep {
			old = append(old, bytes.Clone(k))
		}
	}
	return remove(b, old)
}

// Forget removes all versions of a VM for good, or returns ErrNone.
func (s *Store) Forget(vm string) error {
	s.putting.Lock()
	defer s.putting.Unlock()
	return guarded(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(versionsBucket())
			var all [][]byte
			c := b.Cursor()
			for k, _ := last(c, vm); k != nil && belongs(k, vm); k, _ = c.Prev() {
				all = append(all, bytes.Clone(k))
			}
			if len(all) == 0 {
				return fmt.Errorf("%w: %s", ErrNone, vm)
			}
			return remove(b, all)
		})
	})
}

func remove(b *bbolt.Bucket, keys [][]byte) error {
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

package definitions

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// batch is how many definitions one transaction writes at most: each holds them all in memory until it is on disk.
const batch = 500

// maxXML is how large a definition may be, in bytes: what etcd takes at once with room for the rest. Usual ones have 4 to 10 KiB.
const maxXML = 1 << 20

// Put keeps the definitions and returns, when they are safe, of how many the XML was new. What differs from the newest
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

// put writes what has changed. Where nothing has, the shelf is left alone.
func (s *Store) put(some []cluster.Definition) (int, error) {
	there, seen, err := s.latest(some)
	if err != nil {
		return 0, fmt.Errorf("keep the definitions of %d VMs: %w", len(some), err)
	}
	var errs []error
	var changed []cluster.Definition
	fresh := 0
	for _, d := range some {
		was := seen[d.VM]
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
		if err := s.write(changed, there); err != nil {
			return 0, errors.Join(append(errs, fmt.Errorf("keep the definitions of %d VMs: %w", len(changed), err))...)
		}
	}
	return fresh, errors.Join(errs...)
}

// latest returns which versions of the VMs stand there, and the newest of each. Of one that cannot be read it has the number
// alone, so that another one can follow.
func (s *Store) latest(some []cluster.Definition) (there map[string][]ID, seen map[string]cluster.Definition, err error) {
	there, seen = map[string][]ID{}, map[string]cluster.Definition{}
	var vms []string
	for _, d := range some {
		if _, twice := there[d.VM]; !twice && named(d) {
			there[d.VM] = nil
			vms = append(vms, d.VM)
		}
	}
	if len(vms) == 0 {
		return there, seen, nil
	}
	ids, err := s.shelf.IDs(vms...)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		there[id.VM] = append(there[id.VM], id)
	}
	last := newest(ids)
	values, err := s.shelf.Read(last...)
	if err != nil {
		return nil, nil, err
	}
	for i, id := range last {
		seen[id.VM], _ = s.unseal(id, values[i]) // what cannot be read is followed by a version that can
	}
	return there, seen, nil
}

// named tells whether the definition has a UUID that it can stand under.
func named(d cluster.Definition) bool { return d.VM != "" && !strings.ContainsRune(d.VM, 0) }

// follow says what is to be kept after a version: the next one, the same with another name or host, or the very same.
func follow(was, d cluster.Definition) (cluster.Definition, error) {
	if !named(d) {
		return was, fmt.Errorf("a definition of %q has no UUID; it cannot be kept", d.Name)
	}
	if len(d.XML) > maxXML {
		return was, fmt.Errorf("the definition of %s has %d bytes; more than %d are not kept", d, len(d.XML), maxXML)
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

// write puts versions behind those that are there, and drops the oldest ones of each VM that are too many.
func (s *Store) write(changed []cluster.Definition, there map[string][]ID) error {
	slices.SortStableFunc(changed, func(a, b cluster.Definition) int { return strings.Compare(a.VM, b.VM) })
	var put []Record
	var gone []ID
	for _, d := range changed {
		r, err := s.sealed(d)
		if err != nil {
			return err
		}
		if n := len(put); n > 0 && put[n-1].ID == r.ID {
			put = put[:n-1] // seen twice in one call, elsewhere each time
		}
		put = append(put, r)
		if all := there[d.VM]; len(all) == 0 || all[len(all)-1] != r.ID {
			there[d.VM] = append(all, r.ID)
		}
	}
	for i, r := range put {
		if i+1 < len(put) && put[i+1].VM == r.VM {
			continue
		}
		all := there[r.VM]
		gone = append(gone, all[:max(0, len(all)-s.keep)]...)
	}
	put = slices.DeleteFunc(put, func(r Record) bool { return slices.Contains(gone, r.ID) })
	return s.shelf.Write(put, gone)
}

// Forget removes all versions of a VM for good, or returns ErrNone.
func (s *Store) Forget(vm string) error {
	s.putting.Lock()
	defer s.putting.Unlock()
	all, err := s.shelf.IDs(vm)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("%w: %s", ErrNone, vm)
	}
	return s.shelf.Write(nil, all)
}

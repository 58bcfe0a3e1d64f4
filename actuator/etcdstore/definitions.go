package etcdstore

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/actuator/definitions"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// definitionShelf is a shelf of definitions in etcd: a key for each version, definitions/versions/VM/NUMBER, and one for the mark.
type definitionShelf struct {
	store *Store
	term  *Term // nil: it may be read only
}

// Definitions opens the definitions of VMs, to be written while the term lasts; without a term, nil, they can be read only. The key
// stands in a file, which is the same for all servers of the store: only who leads makes one, and only where nothing is kept yet. Of
// each VM so many versions are kept. Closing it leaves the store open.
func (s *Store) Definitions(t *Term, keyFile string, keep int) (*definitions.Store, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	return definitions.On(s.DefinitionShelf(t), "etcd "+s.prefix+"definitions/", keyFile, keep, t != nil)
}

// DefinitionShelf is where the definitions of VMs stand, sealed.
func (s *Store) DefinitionShelf(t *Term) definitions.Shelf {
	return &definitionShelf{store: s, term: t}
}

func (s *definitionShelf) mark() string     { return s.store.prefix + "definitions/mark" }
func (s *definitionShelf) versions() string { return s.store.prefix + "definitions/versions/" }

// of begins the keys of a VM's versions. No slash of a name is in it.
func (s *definitionShelf) of(vm string) string { return s.versions() + url.PathEscape(vm) + "/" }

func (s *definitionShelf) key(id definitions.ID) string { return s.of(id.VM) + digits(id.Version) }

// id reads a key. Of one that is none it makes an ID that nothing stands under.
func (s *definitionShelf) id(key []byte) definitions.ID {
	name := strings.TrimPrefix(string(key), s.versions())
	escaped, number, _ := strings.Cut(name, "/")
	vm, err := url.PathUnescape(escaped)
	n, failed := strconv.ParseUint(number, 10, 64)
	if err != nil || failed != nil || len(number) != width {
		return definitions.ID{VM: name}
	}
	return definitions.ID{VM: vm, Version: n}
}

// pageMost is how many keys are listed at once.
const pageMost = 10_000

// IDs is part of definitions.Shelf.
func (s *definitionShelf) IDs(vms ...string) ([]definitions.ID, error) {
	if len(vms) == 0 {
		return s.all()
	}
	var list []definitions.ID
	for some := range slices.Chunk(vms, opsMost) {
		ops := make([]clientv3.Op, len(some))
		for i, vm := range some {
			ops[i] = clientv3.OpGet(s.of(vm), clientv3.WithPrefix(), clientv3.WithKeysOnly())
		}
		got, err := s.store.read(ops...)
		if err != nil {
			return nil, err
		}
		for _, r := range got.Responses {
			for _, kv := range r.GetResponseRange().Kvs {
				list = append(list, s.id(kv.Key))
			}
		}
	}
	return list, nil
}

// all lists every version, page by page as of one moment.
func (s *definitionShelf) all() ([]definitions.ID, error) {
	var list []definitions.ID
	from, end, at := s.versions(), clientv3.GetPrefixRangeEnd(s.versions()), int64(0)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		got, err := s.store.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithKeysOnly(), clientv3.WithLimit(pageMost), clientv3.WithRev(at))
		cancel()
		if err != nil {
			return nil, withAdvice(err)
		}
		for _, kv := range got.Kvs {
			list = append(list, s.id(kv.Key))
		}
		if !got.More {
			slices.SortFunc(list, definitions.ID.Compare) // names that were escaped stand elsewhere in etcd
			return list, nil
		}
		from, at = string(got.Kvs[len(got.Kvs)-1].Key)+"\x00", got.Header.Revision
	}
}

// Read is part of definitions.Shelf.
func (s *definitionShelf) Read(ids ...definitions.ID) ([][]byte, error) {
	list := make([][]byte, 0, len(ids))
	for some := range slices.Chunk(ids, opsMost) {
		ops := make([]clientv3.Op, len(some))
		for i, id := range some {
			ops[i] = clientv3.OpGet(s.key(id))
		}
		got, err := s.store.read(ops...)
		if err != nil {
			return nil, err
		}
		for _, r := range got.Responses {
			list = append(list, only(r.GetResponseRange().Kvs))
		}
	}
	return list, nil
}

// Write is part of definitions.Shelf. What stands behind each other in put and belongs to one VM is one request with what goes of it.
func (s *definitionShelf) Write(put []definitions.Record, gone []definitions.ID) error {
	b := batch{term: s.term}
	goes := map[string][]definitions.ID{}
	for _, id := range gone {
		goes[id.VM] = append(goes[id.VM], id)
	}
	for len(put) > 0 {
		vm, n, size := put[0].VM, 0, 0
		for n < len(put) && put[n].VM == vm && (n == 0 || n+len(goes[vm]) < opsMost && size+len(put[n].Value) < bytesMost) {
			size += len(put[n].Value)
			n++
		}
		if err := b.room(n+len(goes[vm]), size); err != nil {
			return err
		}
		for _, r := range put[:n] {
			b.put(s.key(r.ID), r.Value)
		}
		for _, id := range goes[vm] {
			b.remove(s.key(id))
		}
		delete(goes, vm)
		put = put[n:]
	}
	for _, ids := range goes { // of VMs of which nothing is put
		for _, id := range ids {
			if err := b.room(1, 0); err != nil {
				return err
			}
			b.remove(s.key(id))
		}
	}
	return b.send()
}

// Mark is part of definitions.Shelf.
func (s *definitionShelf) Mark() ([]byte, error) {
	got, err := s.store.read(clientv3.OpGet(s.mark()))
	if err != nil {
		return nil, err
	}
	return only(got.Responses[0].GetResponseRange().Kvs), nil
}

// SetMark is part of definitions.Shelf.
func (s *definitionShelf) SetMark(mark []byte) error {
	return s.term.write(clientv3.OpPut(s.mark(), string(mark)))
}

// Close is part of definitions.Shelf.
func (s *definitionShelf) Close() error { return nil }

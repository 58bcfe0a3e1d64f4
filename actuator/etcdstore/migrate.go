package etcdstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/evenkeel/evenkeel/actuator/journal"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// ErrHalf says that a migration to here did not come to its end.
var ErrHalf = errors.New("a migration to this cluster's keys in etcd did not come to its end: run evenkeel store migrate again, it begins anew")

// half is the key that is there while a migration is under way, or was cut off.
func (s *Store) half() string { return s.prefix + "migrating" }

// usable fails while only half of a migration is there.
func (s *Store) usable() error {
	got, err := s.read(clientv3.OpGet(s.half()))
	if err == nil && len(got.Responses[0].GetResponseRange().Kvs) > 0 {
		err = ErrHalf
	}
	return err
}

// kept are the beginnings of the keys that a store has, but for the leader's.
func (s *Store) kept() []string {
	return []string{s.prefix + "journal/", s.prefix + "definitions/", s.prefix + "memory/"}
}

// Target is a cluster's keys while something is migrated to them. Until Done no server goes on with them.
type Target struct {
	store *Store
	term  *Term
}

// Migrate begins a migration to here, while the term lasts. Where something is kept already it fails; what a migration left that did
// not come to its end is taken away.
func (s *Store) Migrate(t *Term) (*Target, error) {
	target := &Target{store: s, term: t}
	switch err := s.usable(); {
	case errors.Is(err, ErrHalf):
		if err := target.Drop(); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	for _, keys := range s.kept() {
		got, err := s.read(clientv3.OpGet(keys, clientv3.WithPrefix(), clientv3.WithCountOnly()))
		if err != nil {
			return nil, err
		}
		if n := got.Responses[0].GetResponseRange().Count; n > 0 {
			return nil, fmt.Errorf("there are %d keys under %s already: give an empty place; if nobody needs them any more: etcdctl del --prefix %s", n, keys, keys)
		}
	}
	return target, t.write(clientv3.OpPut(s.half(), "by evenkeel store migrate"))
}

// Journal opens the journal that is to be filled. Archives are looked for under dir.
func (t *Target) Journal(ctx context.Context, dir string) (*journal.Journal, error) {
	return t.store.openJournal(ctx, t.term, dir)
}

// Drop takes away all that was written to here.
func (t *Target) Drop() error {
	ops := []clientv3.Op{clientv3.OpDelete(t.store.half())}
	for _, keys := range t.store.kept() {
		ops = append(ops, clientv3.OpDelete(keys, clientv3.WithPrefix()))
	}
	return t.term.write(ops...)
}

// Done says that all is there: from now on servers go on with it.
func (t *Target) Done() error { return t.term.write(clientv3.OpDelete(t.store.half())) }

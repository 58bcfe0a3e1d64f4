package etcdstore

import (
	"errors"

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

package etcdstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/mod/semver"
)

// ID names this store among all: the etcd, and the cluster whose keys these are.
func (s *Store) ID() string { return s.id }

// Secret is what the servers of this store share, and nobody who may not read it; the first that asks makes it.
func (s *Store) Secret(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key := s.prefix + "secret"
	got, err := s.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, rand.Text()+rand.Text())).Else(clientv3.OpGet(key)).Commit()
	if err != nil {
		return nil, fmt.Errorf("read what the servers share: %w", withAdvice(err))
	}
	if got.Succeeded {
		return s.Secret(ctx)
	}
	return got.Responses[0].GetResponseRange().Kvs[0].Value, nil
}

// ErrVersion says that this server is too old, or too new, for what others have written.
var ErrVersion = errors.New("this version may not lead here")

// Admit notes that a server of this version leads. It refuses with ErrVersion one whose major version is another than the newest that has
// led, or whose minor version is older by more than one: what the newest wrote it may not understand. A version that is no
// semantic version, of somebody who develops, passes and is not noted.
func (t *Term) Admit(ctx context.Context, version string) error {
	version = canonical(version)
	if version == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key := t.store.prefix + "version"
	got, err := t.store.client.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("read which version led last: %w", withAdvice(err))
	}
	newest, seen := "", int64(0)
	if len(got.Kvs) > 0 {
		newest, seen = string(got.Kvs[0].Value), got.Kvs[0].ModRevision
	}
	if err := fits(version, newest); err != nil {
		return err
	}
	if newest != "" && semver.Compare(version, newest) <= 0 {
		return nil
	}
	put, err := t.store.client.Txn(ctx).If(t.holds(), clientv3.Compare(clientv3.ModRevision(key), "=", seen)).Then(clientv3.OpPut(key, version)).Commit()
	if err != nil {
		return fmt.Errorf("note which version leads: %w", withAdvice(err))
	}
	if !put.Succeeded {
		return ErrDeposed
	}
	return nil
}

func canonical(version string) string {
	if !strings.HasPrefix(version, "v") {
		version = "v" + version
	}
	return semver.Canonical(version)
}

// fits says why a version may not lead where newest has led; "" for none.
func fits(version, newest string) error {
	if newest == "" {
		return nil
	}
	if semver.Major(version) != semver.Major(newest) {
		return fmt.Errorf("%w: it is %s, and %s has led: another major version takes store migrate; see docs/upgrading.md", ErrVersion, version, newest)
	}
	if minor(newest)-minor(version) > 1 {
		return fmt.Errorf("%w: it is %s, and %s has led: at most one minor version lies between servers; upgrade this one", ErrVersion, version, newest)
	}
	return nil
}

// minor is the second number of a canonical version.
func minor(version string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(semver.MajorMinor(version), semver.Major(version)+".")) // it is canonical
	return n
}

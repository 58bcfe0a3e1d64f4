package etcdstore

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// Term is the time during which one server leads.
type Term struct {
	store   *Store
	session *concurrency.Session
	key     string
	rev     int64 // at which the key was made: a key of the same name that is made later is another one
}

// Campaign waits until this server leads, or the context ends; server is the server's ID. The term lasts until it is resigned, or
// etcd has heard nothing of it for the store's TTL.
func (s *Store) Campaign(ctx context.Context, server string) (*Term, error) {
	asked, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lease, err := s.client.Grant(asked, int64(s.ttl))
	if err != nil {
		return nil, fmt.Errorf("campaign: %w", withAdvice(err))
	}
	session, err := concurrency.NewSession(s.client, concurrency.WithTTL(s.ttl), concurrency.WithLease(lease.ID))
	if err != nil {
		return nil, fmt.Errorf("campaign: %w", withAdvice(err))
	}
	ctx, stop := context.WithCancel(ctx) // whose session ended waits for nothing
	defer stop()
	defer context.AfterFunc(session.Ctx(), stop)()
	e := concurrency.NewElection(session, s.prefix+"leader")
	if err := e.Campaign(ctx, server); err != nil {
		session.Orphan() // not Close: it would wait for an etcd that may be gone
		return nil, fmt.Errorf("campaign: %w", withAdvice(err))
	}
	t := &Term{store: s, session: session, key: e.Key(), rev: e.Rev()}
	if err := t.Confirm(ctx); err != nil { // the wait may have been longer than the lease
		session.Orphan()
		return nil, err
	}
	return t, nil
}

// Leader returns the ID of the server that leads, "" for none.
func (s *Store) Leader(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := s.client.Get(ctx, s.prefix+"leader/", clientv3.WithFirstCreate()...)
	if err != nil {
		return "", fmt.Errorf("ask who leads: %w", withAdvice(err))
	}
	if len(got.Kvs) == 0 {
		return "", nil
	}
	return string(got.Kvs[0].Value), nil
}

// Done is closed when the term is over as far as this server knows. A server that was stopped knows it late: Confirm asks.
func (t *Term) Done() <-chan struct{} { return t.session.Done() }

// Confirm asks a majority of etcd whether this server still leads. The error is ErrDeposed when it does not, and another when
// nobody could say, after 5 seconds at most; in both cases the server may not act.
func (t *Term) Confirm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := t.store.client.Txn(ctx).If(t.holds()).Commit()
	switch {
	case err != nil:
		return fmt.Errorf("confirm that this server leads: %w", withAdvice(err))
	case !got.Succeeded:
		return ErrDeposed
	}
	return nil
}

// Resign ends the term, so that another need not wait for the TTL.
func (t *Term) Resign(ctx context.Context) error {
	t.session.Orphan()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := t.store.client.Revoke(ctx, t.session.Lease()); err != nil {
		return fmt.Errorf("resign: %w; another server can lead in %d seconds", err, t.store.ttl)
	}
	return nil
}

// holds is true while the key is there that made this server the leader.
func (t *Term) holds() clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(t.key), "=", t.rev)
}

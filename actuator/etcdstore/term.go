package etcdstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// grace is how long etcd's word that a server leads is believed, counted from the question. Who leads next waits as long before it
// changes anything: by then the word that the one before it may still hold has run out.
const grace = 2 * time.Second

// Server is one that looks after the cluster, or waits to.
type Server struct {
	ID string `json:"id"`
	// URL is where the others reach it, Version what it runs.
	URL     string `json:"url"`
	Version string `json:"version"`
	// Leads tells whether it is the one that may act.
	Leads bool `json:"leads"`
}

// Term is the time during which one server leads.
type Term struct {
	store   *Store
	began   time.Time
	session *concurrency.Session
	key     string
	rev     int64 // at which the key was made: a key of the same name that is made later is another one
}

// Campaign waits until this server leads, or the context ends. While it waits it stands among the Servers. The term lasts until it is
// resigned, or etcd has heard nothing of it for the store's TTL.
func (s *Store) Campaign(ctx context.Context, me Server) (*Term, error) {
	me.Leads = false // the order of the keys tells
	about, err := json.Marshal(me)
	if err != nil {
		return nil, err
	}
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
	if err := e.Campaign(ctx, string(about)); err != nil {
		s.leave(session)
		return nil, fmt.Errorf("campaign: %w", withAdvice(err))
	}
	t := &Term{store: s, session: session, key: e.Key(), rev: e.Rev()}
	if err := t.holdsStill(ctx); err != nil { // the wait may have been longer than the lease
		session.Orphan()
		return nil, err
	}
	t.began = time.Now()
	return t, nil
}

// leave takes a server that gave up waiting from among the others, as far as etcd answers: else its key ends with its lease.
func (s *Store) leave(session *concurrency.Session) {
	session.Orphan() // not Close: it would wait for an etcd that may be gone
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = s.client.Revoke(ctx, session.Lease()) // who gave up because etcd is gone cannot
}

// Servers lists those that look after the cluster or wait to, in the order in which they will lead: the first leads.
func (s *Store) Servers(ctx context.Context) ([]Server, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := s.client.Get(ctx, s.prefix+"leader/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend))
	if err != nil {
		return nil, fmt.Errorf("ask who leads: %w", withAdvice(err))
	}
	list := make([]Server, len(got.Kvs))
	for i, kv := range got.Kvs {
		if list[i], err = serverOf(kv); err != nil {
			return nil, err
		}
		list[i].Leads = i == 0
	}
	return list, nil
}

func serverOf(kv *mvccpb.KeyValue) (Server, error) {
	var one Server
	if err := json.Unmarshal(kv.Value, &one); err != nil {
		return one, fmt.Errorf("read who leads: %s holds %q, which no server wrote: %w; delete it with etcdctl del", kv.Key, kv.Value, err)
	}
	return one, nil
}

// Done is closed when the term is over as far as this server knows. A server that was stopped knows it late: Confirm asks.
func (t *Term) Done() <-chan struct{} { return t.session.Done() }

// Confirm asks a majority of etcd whether this server still leads, for a change that follows at once. The error is ErrDeposed when it
// does not, and another when nobody could say, after 5 seconds at most; in both cases the server may not act. In the first 2 seconds
// of a term it waits for their end.
func (t *Term) Confirm(ctx context.Context) error {
	if err := t.settled(ctx); err != nil {
		return err
	}
	asked := time.Now()
	if err := t.holdsStill(ctx); err != nil {
		return err
	}
	if took := time.Since(asked); took > grace { // it was stopped, or etcd is slow: the word is too old to act on
		return fmt.Errorf("confirm that this server leads: the answer took %s, and is believed for %s only; it is asked again with the next attempt", took.Round(time.Millisecond), grace)
	}
	return nil
}

// settled waits until the word that the leader before may still hold has run out.
func (t *Term) settled(ctx context.Context) error {
	left := grace - time.Since(t.began)
	if left <= 0 {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-t.Done():
		return ErrDeposed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// holdsStill has the key read as well, with a majority's consent: etcd answers a transaction of comparisons alone from what the node that is asked
// happens to know, be it old or cut off from the others.
func (t *Term) holdsStill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := t.store.client.Txn(ctx).If(t.holds()).Then(clientv3.OpGet(t.key, clientv3.WithKeysOnly())).Commit()
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

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/actuator/etcdstore"
	"github.com/evenkeel/evenkeel/internal/permit"
)

const (
	// tryAgain is the time from one attempt to lead to the next, where something is in the way.
	tryAgain = time.Second
	// fitEvery is the time from one look whether this server could lead to the next.
	fitEvery = 10 * time.Second
	// lookAround is the time from one question whether another leads to the next, while this server holds.
	lookAround = 500 * time.Millisecond
	// resigning bounds how long others are told that this server ends.
	resigning = 2 * time.Second
)

// errTermOver says that the term of a server that led has ended without its doing.
var errTermOver = errors.New("etcd did not answer for so long that another server may lead: this one holds, and changes nothing until it leads again")

// lead waits until this server leads, looks after the cluster then, and begins anew when it has been deposed.
func (n *node) lead(ctx context.Context) error {
	var last reign
	defer func() { last.end(n) }()
	for ctx.Err() == nil {
		err := n.reign(ctx, &last)
		var failed roomError
		if errors.As(err, &failed) {
			return failed.error
		}
		if ctx.Err() == nil && err != nil {
			n.follows.ails(err, n.leads.Load() != nil)
		}
		if !errors.Is(err, errTermOver) {
			wait(ctx, tryAgain)
		}
	}
	return nil
}

// reign is what runs while a server leads. What looks goes on when the term is over, until it is known that another leads.
type reign struct {
	server  *server
	stop    context.CancelFunc
	stopped chan struct{}
}

// end ends what still runs of it, and gives way to who leads.
func (r *reign) end(n *node) {
	if r.server == nil {
		return
	}
	n.leads.Store(nil)
	r.stop()
	<-r.stopped
	if err := r.server.close(); err != nil {
		n.log.Warn("what a server kept while it led was not closed", "err", err)
	}
	*r = reign{}
}

// roomError is an error with which the process is to end.
type roomError struct{ error }

// reign waits for its turn and leads as long as that lasts. What held is last, and is ended as soon as another server leads, or this
// one anew.
func (n *node) reign(ctx context.Context, last *reign) error {
	store, err := n.follows.open(ctx)
	if err != nil {
		return err
	}
	if err := n.fit(store); err != nil {
		return err
	}
	term, err := n.campaign(ctx, store, last)
	if err != nil {
		return err
	}
	last.end(n)
	s, err := n.install(ctx, store, term)
	if err != nil {
		return errors.Join(err, resign(term))
	}
	observing, stop := context.WithCancel(ctx)
	*last = reign{server: s, stop: stop, stopped: make(chan struct{})}
	seeing := make(chan error, 1)
	go func(done chan struct{}) {
		defer close(done)
		seeing <- s.observe(observing)
	}(last.stopped)
	n.leads.Store(s)
	n.follows.ails(nil, false)
	n.log.Info("this server leads", "server", n.id, "store", store.ID())
	err = n.rule(ctx, s, term, seeing)
	if errors.Is(err, errTermOver) {
		return err
	}
	last.end(n)
	return errors.Join(err, resign(term))
}

// campaign waits until this server leads. Meanwhile what held gives way as soon as another does.
func (n *node) campaign(ctx context.Context, store *etcdstore.Store, last *reign) (*etcdstore.Term, error) {
	waiting, stop := context.WithCancel(ctx)
	gone := make(chan struct{})
	var unfit error
	go func() {
		defer close(gone)
		fit := time.Now()
		for wait(waiting, lookAround); waiting.Err() == nil; wait(waiting, lookAround) {
			leader, err := n.follows.look(waiting, store)
			if err != nil || leader.ID == "" {
				continue
			}
			if leader.ID != n.id {
				last.end(n)
			}
			if n.leads.Load() == nil {
				n.follows.ails(nil, false)
			}
			if time.Since(fit) > fitEvery {
				fit = time.Now()
				if unfit = n.fit(store); unfit != nil {
					stop()
				}
			}
		}
	}()
	term, err := store.Campaign(waiting, n.follows.me)
	stop()
	<-gone
	if unfit != nil && err != nil {
		return nil, unfit
	}
	return term, err
}

// fit says why this server could not begin to lead. Who finds that out only when it is needed is no second server.
func (n *node) fit(store *etcdstore.Store) error {
	n.reloading.Lock()
	o := definitionsOptions(n.flags.storage, n.inForce)
	n.reloading.Unlock()
	mark, err := store.DefinitionShelf(nil).Mark()
	if err != nil || mark == nil { // who leads first makes the key
		return err
	}
	kept, err := store.Definitions(nil, o.KeyFile, o.Keep)
	if err != nil {
		return fmt.Errorf("this server could not lead: %w", err)
	}
	return kept.Close()
}

// install puts together what looks after the cluster.
func (n *node) install(ctx context.Context, store *etcdstore.Store, term *etcdstore.Term) (*server, error) {
	if err := term.Admit(ctx, n.flags.version); err != nil {
		return nil, err
	}
	n.reloading.Lock()
	defer n.reloading.Unlock()
	b := n.basis
	b.store = store
	s, err := buildServer(b, term, n.inForce, n.reload)
	if err != nil {
		return nil, fmt.Errorf("this server leads and cannot begin: %w", err)
	}
	s.api.SetPeers(n.follows.peers)
	s.api.SetServers(n.follows.servers)
	if err := s.apply(n.inForce, n.access); err != nil {
		return nil, errors.Join(fmt.Errorf("this server leads and cannot begin: %w", err), s.close())
	}
	return s, nil
}

// rule runs what changes something, each change by leave of etcd, until the term is over, the process is to end, or something fails.
func (n *node) rule(ctx context.Context, s *server, term *etcdstore.Term, seeing <-chan error) error {
	acting, halt := context.WithCancel(permit.With(ctx, term.Confirm))
	defer halt()
	done := make(chan error, 1)
	go func() { done <- s.act(acting) }()
	select {
	case <-term.Done():
		n.follows.ails(errTermOver, true)
		halt()
		if err := <-done; err != nil {
			return roomError{err}
		}
		return errTermOver
	case <-ctx.Done():
		halt()
		return <-done
	case err := <-seeing:
		halt()
		return roomError{errors.Join(err, <-done)}
	case err := <-done:
		return roomError{err}
	}
}

// resign lets another lead at once.
func resign(term *etcdstore.Term) error {
	ctx, cancel := context.WithTimeout(context.Background(), resigning)
	defer cancel()
	return term.Resign(ctx)
}

// wait waits, or until the context ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

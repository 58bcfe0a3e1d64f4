package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/actuator/etcdstore"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/spf13/pflag"
)

// peerFlags say how the servers of a cluster reach each other.
type peerFlags struct{ url, http string }

func (f *peerFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.url, "peer.url", "", "where the other servers reach this one, with --store; by default the first --web.listen-address")
	fs.StringVar(&f.http, "peer.http.config.file", "", "file with tls_config and so on for the other servers")
}

// leaderKnown is for how long the answer to who leads is taken to be still true.
const leaderKnown = 500 * time.Millisecond

// following is what a server does that shares its store with others and does not lead, and what it knows of them.
type following struct {
	node    *node
	options etcdstore.Options
	me      etcdstore.Server
	peers   *api.Peers
	api     *api.Server

	mu     sync.Mutex
	store  *etcdstore.Store // nil until etcd answered for the first time
	secret []byte           // that the servers share; nil until it was read
	asked  time.Time        // when leader and known were true
	known  error
	leader etcdstore.Server // the last that was known, even where known is an error
	// trouble is why this server does not lead and waits for nobody, nil where that is not so; holds tells that it did lead.
	trouble error
	holds   bool
}

// newFollowing returns nil where the state is in files.
func newFollowing(n *node) (*following, error) {
	o, err := n.flags.store.Options(n.inForce.Cluster)
	if err != nil || len(o.Endpoints) == 0 {
		return nil, err
	}
	own := n.ownURL()
	if n.flags.peer.url != "" {
		own = n.flags.peer.url
	}
	if u, err := url.Parse(own); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--peer.url: %q is no address that other servers could reach; write http://HOST:PORT or https://HOST:PORT", own)
	}
	transport, err := transport(n.flags.peer.http)
	if err != nil {
		return nil, fmt.Errorf("--peer.http.config.file: %w", err)
	}
	f := &following{node: n, options: o, me: etcdstore.Server{ID: n.id, URL: own, Version: n.flags.version}}
	f.peers = api.NewPeers(f.shared, f.whoLeads, transport, n.log.With("room", "api"))
	f.api = api.NewFollower(f.peers, n.flags.version, n.reload, n.log.With("room", "api"))
	return f, nil
}

// open returns the store, and connects to it where that was not possible before.
func (f *following) open(ctx context.Context) (*etcdstore.Store, error) {
	f.mu.Lock()
	store := f.store
	f.mu.Unlock()
	if store != nil {
		return store, nil
	}
	store, err := etcdstore.Open(ctx, f.options)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.store = store
	return store, nil
}

// opened is the store, or why there is none yet.
func (f *following) opened() (*etcdstore.Store, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.store == nil {
		return nil, errors.Join(errors.New("no server is known to lead: the store was not reached yet"), f.trouble)
	}
	return f.store, nil
}

func (f *following) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.store == nil {
		return nil
	}
	return f.store.Close()
}

// shared is what the servers share.
func (f *following) shared(ctx context.Context) ([]byte, error) {
	store, err := f.opened()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	secret := f.secret
	f.mu.Unlock()
	if secret != nil {
		return secret, nil
	}
	if secret, err = store.Secret(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.secret = secret
	return secret, nil
}

// whoLeads says where the server is that leads. While etcd does not answer that is the one that led last: it holds, and tells so.
func (f *following) whoLeads(ctx context.Context) (string, *url.URL, error) {
	store, err := f.opened()
	if err != nil {
		return "", nil, err
	}
	f.mu.Lock()
	fresh := time.Since(f.asked) < leaderKnown
	leader, known, trouble := f.leader, f.known, f.trouble
	f.mu.Unlock()
	if !fresh {
		leader, known = f.look(ctx, store)
	}
	switch {
	case leader.ID == "" && known != nil:
		return "", nil, known
	case leader.ID == "" && trouble != nil:
		return "", nil, fmt.Errorf("no server leads, and this one cannot: %w", trouble)
	case leader.ID == "":
		return "", nil, errors.New("no server leads at this moment, and one will in a few seconds: ask again")
	case leader.ID == f.me.ID:
		return "", nil, errors.New("this server is about to lead: ask again in a few seconds")
	}
	at, err := url.Parse(leader.URL)
	if err != nil {
		return "", nil, fmt.Errorf("the server that leads has no address that can be read: %w", err)
	}
	return leader.ID, at, nil
}

// look asks etcd who leads.
func (f *following) look(ctx context.Context, store *etcdstore.Store) (etcdstore.Server, error) {
	all, err := store.Servers(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked, f.known = time.Now(), err
	if err == nil {
		f.leader = etcdstore.Server{}
		if len(all) > 0 {
			f.leader = all[0]
		}
	}
	return f.leader, err
}

// servers tells of those that share the store.
func (f *following) servers(ctx context.Context) api.Servers {
	s := api.Servers{Answers: f.me.ID}
	store, err := f.opened()
	if err != nil {
		s.Error = err.Error()
		return s
	}
	s.Store = store.ID()
	f.mu.Lock()
	if f.holds && f.trouble != nil {
		s.Holds = f.trouble.Error()
	}
	f.mu.Unlock()
	all, err := store.Servers(ctx)
	if err != nil {
		s.Error = err.Error()
	}
	for _, one := range all {
		s.All = append(s.All, api.Peer{ID: one.ID, URL: one.URL, Version: one.Version, Leads: one.Leads})
	}
	return s
}

// ails notes why this server does not lead although it waits for nobody; nil when that is over.
func (f *following) ails(err error, holds bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && (f.trouble == nil || f.trouble.Error() != err.Error()) {
		f.node.log.Error("this server cannot lead", "holds", holds, "err", err)
	}
	f.trouble, f.holds = err, holds
}

// leading tells whether this server may act, as far as it knows.
func (f *following) leading() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.node.leads.Load() != nil && f.trouble == nil
}

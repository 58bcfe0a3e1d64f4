// Package etcdstore keeps what the server must not forget in etcd, so that another server can go on with it: who leads, and the
// journal. What a leader writes is written only while it leads: each write compares the key that made it the leader, in the same
// step.
package etcdstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// patience is how long one request may take. It is longer than etcd takes to find a new leader of its own, and shorter than a term
// lasts without a sign of life.
const patience = 5 * time.Second

// ErrDeposed says that this server does not lead, or no longer.
var ErrDeposed = errors.New("another server leads, or none: this one may not write")

// Options say where the store is and who asks.
type Options struct {
	// Endpoints are addresses of etcd: http://host:2379 or https://host:2379.
	Endpoints []string
	// Cluster is the cluster of hosts that is looked after. Its keys stand under /evenkeel/CLUSTER/.
	Cluster string
	// TLS is used with https, nil for what the system trusts.
	TLS *tls.Config
	// User and Password are for an etcd with authentication; empty without.
	User, Password string
	// TTL is after how many seconds without a sign of life a leader is deposed, 1 or more.
	TTL int
}

// Store is a connection to etcd. It is safe for concurrent use.
type Store struct {
	client *clientv3.Client
	prefix string
	id     string
	ttl    int
}

// Open connects and asks for one key, so that a wrong address or password shows at once. It takes 5 seconds at most.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Cluster == "" || strings.Contains(o.Cluster, "/") {
		return nil, fmt.Errorf("open etcd: %q is no name for keys: give the cluster a name without a slash", o.Cluster)
	}
	if o.TTL < 1 {
		return nil, fmt.Errorf("open etcd: a leader cannot be deposed after %d seconds: give 1 or more", o.TTL)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: o.Endpoints, TLS: o.TLS, Username: o.User, Password: o.Password,
		DialTimeout: patience, DialKeepAliveTime: patience, DialKeepAliveTimeout: patience, Logger: zap.NewNop()})
	if err != nil {
		return nil, fmt.Errorf("open etcd %s: %w", strings.Join(o.Endpoints, ","), withAdvice(err)) // with a user it has asked already
	}
	s := &Store{client: client, prefix: "/evenkeel/" + o.Cluster + "/", ttl: o.TTL}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := client.Get(ctx, s.prefix, clientv3.WithCountOnly())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open etcd %s: %w", strings.Join(o.Endpoints, ","), withAdvice(err)), client.Close())
	}
	s.id = fmt.Sprintf("etcd-%x/%s", got.Header.ClusterId, o.Cluster)
	return s, nil
}

// Close lets go of the connection. A term that is not resigned ends when its time has run out.
func (s *Store) Close() error { return s.client.Close() }

// withAdvice says what to do about an etcd that does not do what it is asked for.
func withAdvice(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%w; etcd's quota is used up: compact and defragment it, and then etcdctl alarm disarm", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, rpctypes.ErrNoLeader), errors.Is(err, rpctypes.ErrTimeout):
		return fmt.Errorf("%w; etcd does not answer or has no quorum, or TLS does not fit: see etcdctl endpoint status; it goes on by itself then", err)
	}
	return err
}

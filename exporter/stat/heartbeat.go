package stat

import "github.com/evenkeel/evenkeel/internal/cluster"

// Heartbeat is what a host knows from the stamps that hosts leave on storage they share.
type Heartbeat struct {
	// AgeSeconds is how long ago the own stamp was last written; not known until it once was.
	AgeSeconds cluster.Number
	// Err says why the storage cannot be used now; empty while it can.
	Err string
	// Peers are the other hosts, by name.
	Peers []Peer
}

// Peer is another host that leaves stamps on the same storage.
type Peer struct {
	Host string
	// AgeSeconds is how long ago the host was last seen to leave a stamp. It is seen when this host
	// looks, so that a healthy one can be nearly two intervals old.
	AgeSeconds float64
}

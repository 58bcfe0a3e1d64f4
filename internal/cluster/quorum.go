package cluster

import (
	"slices"
	"strings"
)

// Quorum is a set of hosts of which more than half must be on, for what runs on them votes: a cluster file system, a key-value
// store, the monitors of a storage cluster.
type Quorum []string

// Lost tells whether the set would have no majority on without the host. A set that has none as it is counts as lost too, and one
// that the host is not in is not touched.
func (q Quorum) Lost(without string, on func(host string) bool) bool {
	if !slices.Contains(q, without) {
		return false
	}
	left := 0
	for _, host := range q {
		if host != without && on(host) {
			left++
		}
	}
	return 2*left <= len(q)
}

// String names the hosts.
func (q Quorum) String() string { return strings.Join(q, ", ") }

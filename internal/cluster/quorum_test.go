package cluster_test

import (
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

func TestAQuorumKeepsItsMajority(t *testing.T) {
	for _, c := range []struct {
		quorum, on, without string
		lost                bool
	}{
		{"h1 h2 h3", "h1 h2 h3 h4", "h1", false},
		{"h1 h2 h3", "h1 h2 h4", "h1", true},
		{"h1 h2 h3", "h2 h3", "h1", false}, // it is off already
		{"h1 h2 h3", "h1", "h1", true},
		{"h1 h2", "h1 h2", "h1", true},
		{"h1 h2 h3 h4", "h1 h2 h3 h4", "h4", false},
		{"h1 h2 h3 h4", "h1 h2 h3", "h3", true},
		{"h1 h2 h3", "h1", "h4", false},
	} {
		q, on := cluster.Quorum(strings.Fields(c.quorum)), " "+c.on+" "
		if got := q.Lost(c.without, func(h string) bool { return strings.Contains(on, " "+h+" ") }); got != c.lost {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

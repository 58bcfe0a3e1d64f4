package gate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// leader refuses while another server looks after the same cluster: neither knows what the other has in flight, so neither may act,
// approved or not. It sees those servers that the Prometheus that it reads scrapes.
func leader(q Question) cluster.Verdict {
	others := slices.DeleteFunc(slices.Clone(q.Snapshot.Servers), func(id string) bool { return id == q.Policy.Server })
	if len(others) > 0 {
		return refuse("another-server", fmt.Sprintf("another server looks after this cluster too: %s; this one is %s. Stop one of them", strings.Join(others, ", "), q.Policy.Server))
	}
	if q.Policy.Elected {
		return pass("it was elected among those that share its store, and no server beside them is seen")
	}
	if len(q.Snapshot.Servers) == 0 {
		return pass("Prometheus sees no server, this one neither: whether there is another cannot be told")
	}
	return pass("no other server is seen")
}

package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// obstacles says in a line what keeps the VM from the other hosts: how many for each constraint, and one
// sentence as an example of each.
func (w *work) obstacles(v int, limits cluster.Limits) string {
	count, example := map[string]int{}, map[string]string{}
	for h := range w.snap.Hosts {
		if h == w.place.At(v) {
			continue
		}
		constraint, why := w.place.Obstacle(v, h, limits)
		if constraint == "" && w.shunned[h] {
			constraint, why = "unhealthy", w.snap.Hosts[h].ID+" is unhealthy"
		}
		if constraint == "" {
			continue
		}
		if count[constraint]++; example[constraint] == "" {
			example[constraint] = why
		}
	}
	names := make([]string, 0, len(count))
	for name := range count {
		names = append(names, name)
	}
	slices.Sort(names)
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s on %d (%s)", name, count[name], example[name]))
	}
	if len(parts) == 0 {
		return "there is no other host"
	}
	return strings.Join(parts, "; ")
}

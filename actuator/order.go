package actuator

import (
	"cmp"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// inOrder returns the cases the oldest first and those of one pass in the order of their plan, whose steps raise the
// score one by one. What a case depends on comes before it, whatever its time and score: that is no order by pairs, so
// it is seen to when they are sorted.
func inOrder(cases []cluster.Case) []cluster.Case {
	sorted := make([]*cluster.Case, len(cases)) // a case is large, and sorting moves it about
	for i := range cases {
		sorted[i] = &cases[i]
	}
	slices.SortFunc(sorted, func(x, y *cluster.Case) int {
		r, s := &x.Recommendation, &y.Recommendation
		return cmp.Or(r.Made.Compare(s.Made), cmp.Compare(r.Before.Score, s.Before.Score), cmp.Compare(r.ID, s.ID))
	})
	waiting := make(map[string]*cluster.Case, len(sorted))
	for _, c := range sorted {
		waiting[c.Recommendation.ID] = c
	}
	out := make([]cluster.Case, 0, len(sorted))
	var place func(c *cluster.Case)
	place = func(c *cluster.Case) {
		id := c.Recommendation.ID
		if waiting[id] == nil {
			return
		}
		delete(waiting, id) // first, so that a circle would come to an end
		for _, before := range c.Recommendation.DependsOn {
			if d := waiting[before]; d != nil {
				place(d)
			}
		}
		out = append(out, *c)
	}
	for _, c := range sorted {
		place(c)
	}
	return out
}

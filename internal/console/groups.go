package console

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// groupings are by what machines can be put together.
func groupings() []string { return []string{"failure domain", "tag", "state"} }

// group is the machines that have something in common.
type group struct {
	Name, ID string
	// Link leads to the group by itself.
	Link       string
	Up         int
	Total      int
	CPU        spread
	Memory     spread
	Worst      string
	WorstText  string
	Hosts      []tile
	Hidden     int
	worstShare float64
	named      bool
}

// spread is the mean and the highest of a number, over the machines of which it is known.
type spread struct {
	sum, Highest float64
	n            int
}

func (s *spread) add(b bar, share float64) {
	if b.Known {
		s.sum, s.Highest, s.n = s.sum+share, max(s.Highest, share), s.n+1
	}
}

// Known tells whether there is a number at all.
func (s spread) Known() bool { return s.n > 0 }

// Mean is the mean of those that are known.
func (s spread) Mean() float64 { return s.sum / float64(max(1, s.n)) }

// keysOf are the groups that a machine belongs to. Of tags it can have several.
func (t tile) keysOf(grouping string) []string {
	switch {
	case grouping == "state":
		return []string{t.State}
	case grouping == "tag" && len(t.Tags) > 0:
		return t.Tags
	case grouping == "failure domain" && t.Domain != "":
		return []string{t.Domain}
	}
	return []string{""}
}

// groups are the names of the groups that a machine belongs to.
func (t tile) groups(grouping string) []string {
	names := slices.Clone(t.keysOf(grouping))
	for i, key := range names {
		names[i] = cmp.Or(key, "no "+grouping)
	}
	return names
}

// groupUp puts the tiles together by what they have in common, the groups by name and those without one last. Each shows the same share of the tiles that
// a page has, those in trouble and then its fullest first where it has more. Where one group is asked for by itself, it has them all.
func (v *overview) groupUp() {
	found := map[string]*group{}
	for _, t := range v.Hosts {
		for i, key := range t.keysOf(v.Group) {
			name := t.groups(v.Group)[i]
			if v.Alone != "" && v.Alone != name {
				continue
			}
			if found[name] == nil {
				found[name] = &group{Name: name, named: key != ""}
			}
			found[name].add(t)
		}
	}
	groups := slices.SortedFunc(maps.Values(found), func(x, y *group) int {
		if x.named != y.named {
			return map[bool]int{true: -1, false: 1}[x.named]
		}
		return strings.Compare(x.Name, y.Name)
	})
	groups, v.MoreGroups = firstOf(groups, mostTiles)
	share := max(1, mostTiles/max(1, len(groups)))
	for i, g := range groups {
		q := url.Values{"group": {v.Group}, "in": {g.Name}, "q": {v.Query}, "state": {v.State}, "hours": {v.Hours}}
		g.ID, g.Link = fmt.Sprintf("group-%d", i), "/?"+q.Encode()
		if len(g.Hosts) > share {
			slices.SortStableFunc(g.Hosts, func(x, y tile) int { return cmp.Compare(y.busy, x.busy) })
		}
		g.Hosts, g.Hidden = firstOf(g.Hosts, share)
		v.Groups = append(v.Groups, *g)
	}
	v.Hosts = nil
}

func (g *group) add(t tile) {
	g.Hosts, g.Total = append(g.Hosts, t), g.Total+1
	if t.State == cluster.HostUp.String() {
		g.Up++
	}
	g.CPU.add(t.CPU, t.cpu)
	g.Memory.add(t.Memory, t.memory)
	switch {
	case t.State == cluster.HostDown.String() || t.State == cluster.HostUnknown.String():
		if g.worstShare < unseenShare {
			g.Worst, g.WorstText, g.worstShare = t.Name, t.State, unseenShare
		}
	case max(t.cpu, t.memory) > g.worstShare:
		what := "CPU"
		if t.memory > t.cpu {
			what = "memory"
		}
		g.Worst, g.WorstText, g.worstShare = t.Name, fmt.Sprintf("%s of its %s", percent(max(t.cpu, t.memory)), what), max(t.cpu, t.memory)
	}
}

// unseenShare makes a machine that is down or not seen worse than any that is full.
const unseenShare = 1e9

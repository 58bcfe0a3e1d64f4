package admission

import (
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// A must rule may not be broken further than the failure itself leaves it. Counted are the VMs of the rule that
// run on after the failure, and what of that is legal does not depend on the order of the starts:
//   - together: all VMs to be started go to one host, and where others run on, to the one with most of them;
//   - apart: each goes to a host that has none of the others;
//   - spread: no more VMs are beyond an even share of the domains that are left, counted when all are started.

// restrict applies the must rules that name the items' VMs.
func (s *state) restrict(items []item, down []int, p *problem) []item {
	of := map[int]int{} // of each VM its item
	for i, it := range items {
		items[i].can = slices.Clone(it.can)
		of[it.vms[0]] = i
	}
	group := make([]int, len(items))
	for i := range group {
		group[i] = i
	}
	find := func(i int) int {
		for group[i] != i {
			i = group[i]
		}
		return i
	}
	for r := range s.rules {
		rule := &s.rules[r]
		var mine []int
		for _, v := range rule.members {
			if i, ok := of[v]; ok {
				mine = append(mine, i)
			}
		}
		if len(mine) == 0 {
			continue
		}
		stay := s.stay(rule, down)
		switch rule.kind {
		case cluster.VMHostAffinity, cluster.VMHostAntiAffinity:
			for _, i := range mine {
				for h := range items[i].can {
					items[i].can[h] = items[i].can[h] && rule.hosts[h] == (rule.kind == cluster.VMHostAffinity)
				}
			}
		case cluster.VMVMAffinity:
			most := slices.Max(stay)
			for _, i := range mine {
				for h := range items[i].can {
					items[i].can[h] = items[i].can[h] && stay[h] == most
				}
				if a, b := find(mine[0]), find(i); a != b {
					group[max(a, b)] = min(a, b)
				}
			}
		case cluster.VMVMAntiAffinity:
			for _, i := range mine {
				for h := range items[i].can {
					items[i].can[h] = items[i].can[h] && stay[h] == 0
				}
				items[i].apart = append(items[i].apart, p.apart)
			}
			p.apart++
		case cluster.VMVMSpread:
			for _, i := range mine {
				items[i].spread = append(items[i].spread, len(p.spread))
			}
			p.spread = append(p.spread, s.spreadOf(stay, len(mine), down))
		case cluster.RuleNone:
		}
	}
	return merge(items, find)
}

// stay counts the rule's VMs that run on, by host.
func (s *state) stay(r *rule, down []int) []int {
	stay := make([]int, len(s.free))
	for _, v := range r.members {
		if h := s.at[v]; h >= 0 && !slices.Contains(down, h) {
			stay[h]++
		}
	}
	return stay
}

// spreadOf says how many VMs of the rule are in each domain, and how many may be beyond their share.
func (s *state) spreadOf(stay []int, starts int, down []int) spread {
	sp := spread{count: make([]int, len(s.free))}
	left := make([]bool, len(s.free))
	placed, domains := 0, 0
	for h, n := range stay {
		sp.count[s.domain[h]] += n
		placed += n
		if d := s.domain[h]; s.takes[h] && !slices.Contains(down, h) && !left[d] {
			left[d] = true
			domains++
		}
	}
	if domains == 0 {
		return sp
	}
	share := (placed + domains - 1) / domains
	sp.share = (placed + starts + domains - 1) / domains
	for _, n := range sp.count {
		sp.most += max(0, n-share)
		sp.beyond += max(0, n-sp.share)
	}
	return sp
}

// merge makes one item of those that must be together. Two of them that must be apart as well find no host.
func merge(items []item, find func(int) int) []item {
	merged := make([]item, 0, len(items))
	at := map[int]int{}
	for i := range items {
		root := find(i)
		j, ok := at[root]
		if !ok {
			at[root] = len(merged)
			merged = append(merged, items[i])
			continue
		}
		m := &merged[j]
		m.vms, m.size = append(m.vms, items[i].vms...), m.size+items[i].size
		both := slices.ContainsFunc(items[i].apart, func(r int) bool { return slices.Contains(m.apart, r) })
		for h := range m.can {
			m.can[h] = m.can[h] && items[i].can[h] && !both
		}
		m.apart, m.spread = append(m.apart, items[i].apart...), append(m.spread, items[i].spread...)
	}
	return merged
}

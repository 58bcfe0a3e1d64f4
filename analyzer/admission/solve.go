package admission

import (
	"cmp"
	"slices"
)

// solve finds a host for every item. Without one it returns the items that the best try left over, and whether
// it is proven that there is no placement.
func (p *problem) solve(e *effort) (hosts, missing []int, proven bool) {
	if missing = p.placeless(); len(missing) > 0 {
		return nil, missing, true
	}
	var fewest []int
	for _, orders := range []func() []order{p.bySize, p.byChoice} {
		for _, o := range orders() {
			hosts, missing = p.greedy(o)
			if len(missing) == 0 {
				return hosts, nil, true
			}
			if fewest == nil || len(missing) < len(fewest) {
				fewest = missing
			}
		}
	}
	budget := min(e.each, e.all)
	if budget <= 0 {
		return nil, fewest, false
	}
	s := newSearch(p, budget-len(p.items)*len(p.free))
	found, done := s.find()
	e.all -= budget - s.steps
	if found {
		return s.hosts(), nil, true
	}
	return nil, fewest, done
}

// placeless are the items that no host has room for as it is.
func (p *problem) placeless() []int {
	var list []int
	for i := range p.items {
		it := &p.items[i]
		at := 0
		for at < len(p.free) && (p.free[at] < it.size || !it.can[at]) {
			at++
		}
		if at == len(p.free) {
			list = append(list, i)
		}
	}
	return list
}

// order is a way to place items one after the other.
type order struct {
	items []int
	// roomy takes the host with the most room, else the one with the least that will do.
	roomy bool
}

// bySize are the largest first, on the fullest host that will do and on the emptiest.
func (p *problem) bySize() []order {
	items := make([]int, len(p.items))
	for i := range items {
		items[i] = i
	}
	slices.SortStableFunc(items, func(a, b int) int { return cmp.Compare(p.items[b].size, p.items[a].size) })
	return []order{{items: items}, {items: items, roomy: true}}
}

// byChoice are those with the fewest hosts first; none where all have the same.
func (p *problem) byChoice() []order {
	if p.plain() {
		return nil
	}
	choice := make([]int, len(p.items))
	for i, it := range p.items {
		for h, can := range it.can {
			if can && p.free[h] >= it.size {
				choice[i]++
			}
		}
	}
	items := p.bySize()[0].items
	slices.SortStableFunc(items, func(a, b int) int { return cmp.Compare(choice[a], choice[b]) })
	return []order{{items: items}, {items: items, roomy: true}}
}

// plain tells whether all items have the same choice of hosts.
func (p *problem) plain() bool {
	return !slices.ContainsFunc(p.items, func(it item) bool {
		return len(it.apart) > 0 || len(it.spread) > 0 || &it.can[0] != &p.items[0].can[0]
	})
}

// greedy places the items in the order, each on the best host of the moment. missing are those that found none.
func (p *problem) greedy(o order) (hosts, missing []int) {
	hosts, free := make([]int, len(p.items)), slices.Clone(p.free)
	l := newLedger(p)
	for _, i := range o.items {
		it, best := &p.items[i], -1
		ruled := len(it.apart)+len(it.spread) > 0
		for h, f := range free {
			if f < it.size || !it.can[h] || best >= 0 && (f == free[best] || (f > free[best]) != o.roomy) || ruled && !l.allows(it, h) {
				continue
			}
			best = h
		}
		if hosts[i] = best; best < 0 {
			missing = append(missing, i)
			continue
		}
		free[best] -= it.size
		if ruled {
			l.put(it, best, 1)
		}
	}
	return hosts, missing
}

// ledger keeps what the rules about items allow, while items come and go.
type ledger struct {
	p     *problem
	taken [][]bool // of each rule that keeps apart, the hosts that have one of its items
	count [][]int  // of each spread, its VMs by domain
	over  []int    // of each spread, its VMs beyond their share
}

func newLedger(p *problem) *ledger {
	l := &ledger{p: p}
	for range p.apart {
		l.taken = append(l.taken, make([]bool, len(p.free)))
	}
	for _, sp := range p.spread {
		l.count, l.over = append(l.count, slices.Clone(sp.count)), append(l.over, sp.beyond)
	}
	return l
}

// allows tells whether the item may come to the host.
func (l *ledger) allows(it *item, h int) bool {
	for _, r := range it.apart {
		if l.taken[r][h] {
			return false
		}
	}
	if len(it.spread) == 0 {
		return true
	}
	l.put(it, h, 1)
	ok := !slices.ContainsFunc(it.spread, func(r int) bool { return l.over[r] > l.p.spread[r].most })
	l.put(it, h, -1)
	return ok
}

// put counts (1) or uncounts (-1) the item on the host.
func (l *ledger) put(it *item, h, sign int) {
	for _, r := range it.apart {
		l.taken[r][h] = sign > 0
	}
	for _, r := range it.spread {
		n := &l.count[r][l.p.domain[h]]
		l.over[r] -= max(0, *n-l.p.spread[r].share)
		*n += sign
		l.over[r] += max(0, *n-l.p.spread[r].share)
	}
}

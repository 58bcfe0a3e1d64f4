package admission

import (
	"cmp"
	"fmt"
	"slices"
)

// search is the exact search for a placement: depth first, the items with the fewest hosts first. Of items that
// are alike each goes to a host not before the last one's, and of hosts that are alike only the first is tried:
// of all placements that differ in nothing else, the first in the order of hosts is among those that are left.
type search struct {
	p      *problem
	ledger *ledger
	kinds  []kind
	// hosts are the places of those that can take something; free is what may still be promised on each, lowered to
	// what sums of items can fill. alike numbers hosts that differ in nothing but that.
	at    []int
	free  []int64
	alike []int
	total int64 // size of what is not placed yet
	steps int
	where []int // of each item
	// cans are the choices of hosts that items have, by place in the snapshot.
	cans [][]bool
}

// kind is a set of items that are alike, the largest kinds first.
type kind struct {
	items []int
	size  int64
	can   []bool // by place in search.at
	left  int
	from  []int // the hosts of those that are placed, in order
}

func newSearch(p *problem, steps int) *search {
	s := &search{p: p, ledger: newLedger(p), steps: steps, where: make([]int, len(p.items))}
	for h, f := range p.free {
		if f >= 0 && slices.ContainsFunc(p.items, func(it item) bool { return it.can[h] && f >= it.size }) {
			s.at = append(s.at, h)
		}
	}
	slices.SortStableFunc(s.at, func(a, b int) int { return cmp.Compare(p.free[a], p.free[b]) }) // the fullest first
	for _, h := range s.at {
		s.free = append(s.free, p.free[h])
	}
	s.group()
	s.tighten()
	s.likeness()
	return s
}

// group makes kinds of the items.
func (s *search) group() {
	type key struct {
		size          int64
		apart, spread string
		can           int
	}
	known := map[key]int{}
	for i := range s.p.items {
		it := &s.p.items[i]
		s.total += it.size
		c := slices.IndexFunc(s.cans, func(can []bool) bool { return &can[0] == &it.can[0] || slices.Equal(can, it.can) })
		if c < 0 {
			c = len(s.cans)
			s.cans = append(s.cans, it.can)
		}
		id := key{it.size, fmt.Sprint(it.apart), fmt.Sprint(it.spread), c}
		k, ok := known[id]
		if !ok {
			k = len(s.kinds)
			known[id] = k
			can := make([]bool, len(s.at))
			for j, h := range s.at {
				can[j] = it.can[h]
			}
			s.kinds = append(s.kinds, kind{size: it.size, can: can})
		}
		s.kinds[k].items = append(s.kinds[k].items, i)
		s.kinds[k].left++
	}
	slices.SortStableFunc(s.kinds, func(a, b kind) int { return cmp.Compare(b.size, a.size) })
}

// mostUnits bounds the sums that tighten tells apart.
const mostUnits = 1 << 14

// tighten lowers what is free on each host to the largest sum of items that fits, where sizes are multiples of
// something large enough.
func (s *search) tighten() {
	var unit int64
	for _, k := range s.kinds {
		for a := k.size; a > 0; {
			unit, a = a, unit%a
		}
	}
	for j, f := range s.free {
		if s.steps <= 0 || unit == 0 || min(f, s.total)/unit > mostUnits {
			continue
		}
		sums := make([]bool, min(f, s.total)/unit+1)
		sums[0] = true
		for _, k := range s.kinds {
			if !k.can[j] {
				continue
			}
			size := int(k.size / unit)
			for range min(k.left, len(sums)/size) {
				for n := len(sums) - 1; n >= size; n-- {
					sums[n] = sums[n] || sums[n-size]
				}
				s.steps -= len(sums) / 8
			}
		}
		for n, ok := range sums {
			if ok {
				s.free[j] = int64(n) * unit
			}
		}
	}
}

// likeness numbers the hosts that can take the same items. Where VMs are to be spread, the domain counts too.
func (s *search) likeness() {
	type key struct {
		can    string
		domain int
	}
	known := map[key]int{}
	can := make([]byte, len(s.cans))
	for _, h := range s.at {
		for c := range s.cans {
			can[c] = '0'
			if s.cans[c][h] {
				can[c] = '1'
			}
		}
		id := key{can: string(can)}
		if len(s.p.spread) > 0 {
			id.domain = s.p.domain[h]
		}
		if _, ok := known[id]; !ok {
			known[id] = len(known)
		}
		s.alike = append(s.alike, known[id])
	}
}

// find looks for a placement of all that is left. done tells that the answer is certain.
func (s *search) find() (found, done bool) {
	k, hosts, possible := s.next()
	switch {
	case s.steps <= 0:
		return false, false
	case !possible:
		return false, true
	case k < 0:
		return true, true
	}
	kd := &s.kinds[k]
	i := kd.items[len(kd.items)-kd.left]
	it := &s.p.items[i]
	done = true
	for n, j := range hosts {
		if len(kd.from) > 0 && j < kd.from[len(kd.from)-1] || slices.ContainsFunc(hosts[:n], func(e int) bool { return s.equal(e, j) }) {
			continue
		}
		s.place(kd, it, j)
		s.where[i] = s.at[j]
		found, certain := s.find()
		if found {
			return true, true
		}
		s.remove(kd, it, j)
		if done = done && certain; s.steps <= 0 {
			return false, false
		}
	}
	return false, done
}

func (s *search) place(k *kind, it *item, j int) {
	k.left--
	k.from = append(k.from, j)
	s.free[j], s.total = s.free[j]-it.size, s.total-it.size
	s.ledger.put(it, s.at[j], 1)
}

func (s *search) remove(k *kind, it *item, j int) {
	k.left++
	k.from = k.from[:len(k.from)-1]
	s.free[j], s.total = s.free[j]+it.size, s.total+it.size
	s.ledger.put(it, s.at[j], -1)
}

// equal tells whether the two hosts differ in nothing that matters from here on.
func (s *search) equal(a, b int) bool {
	if s.free[a] != s.free[b] || s.alike[a] != s.alike[b] {
		return false
	}
	return !slices.ContainsFunc(s.ledger.taken, func(t []bool) bool { return t[s.at[a]] != t[s.at[b]] })
}

// next picks the kind whose items have the fewest hosts, -1 when all are placed, and those hosts. It is not
// possible to go on when a kind has no host, when there is less room than items, or when fewer of the large items
// fit side by side than there are.
func (s *search) next() (best int, hosts []int, possible bool) {
	best, larger := -1, 0
	var mine []int
	var room int64
	for k := range s.kinds {
		kd := &s.kinds[k]
		if kd.left == 0 {
			continue
		}
		s.steps -= len(s.at)
		larger += kd.left
		slots := int64(0)
		mine = mine[:0]
		it := &s.p.items[kd.items[0]]
		for j, f := range s.free {
			if f < kd.size {
				continue
			}
			slots += f / kd.size
			if kd.can[j] && s.ledger.allows(it, s.at[j]) {
				mine = append(mine, j)
			}
		}
		if len(mine) == 0 || slots < int64(larger) {
			return 0, nil, false
		}
		if best < 0 || len(mine) < len(hosts) {
			best, hosts = k, slices.Clone(mine)
		}
	}
	if best >= 0 {
		smallest := s.smallest()
		for _, f := range s.free {
			if f >= smallest {
				room += f
			}
		}
	}
	return best, hosts, room >= s.total
}

// smallest is the size of the smallest item that is not placed.
func (s *search) smallest() int64 {
	for k := len(s.kinds) - 1; k >= 0; k-- {
		if s.kinds[k].left > 0 {
			return s.kinds[k].size
		}
	}
	return 0
}

// hosts returns where each item was placed.
func (s *search) hosts() []int { return s.where }

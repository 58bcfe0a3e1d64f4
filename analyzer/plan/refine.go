package plan

import (
	"maps"
	"math"
	"slices"
)

const (
	// refinements bounds how often all moves of a plan are reconsidered, effort how many changes are weighed
	// in one plan. They are counts and not times, so that the same input gives the same plan everywhere.
	refinements = 8
	effort      = 6_000_000
	// broad is how many pairs of a move and a VM may be weighed in one round for a VM of any host to take the place
	// of one that moves.
	broad = 100_000
	// better is by how many points a change must be better to be made, so that rounding makes none.
	better = 1e-9
)

// refine reconsiders the moves that were chosen one after the other, as each looks best alone: whether
// another target is better now that the rest is known, whether two should change places, whether another
// VM of the same host does it cheaper, and whether one is needed at all. The number of moves never grows.
func (b *balancing) refine() (refined bool) {
	for range refinements {
		if b.spent > effort {
			break
		}
		changed := false
		for _, v := range sortedKeys(b.origin) {
			changed = b.reconsider(v) || changed
		}
		changed = b.exchange() || changed
		changed = b.swapIn() || changed
		if !changed {
			break
		}
		refined = true
	}
	return refined
}

// reconsider tries what else could be done instead of the VM's move.
func (b *balancing) reconsider(v int) bool {
	s, p := b.search, b.w.place
	origin, was := b.origin[v], p.At(v)
	s.shift(v, origin)
	b.spent += 2 * len(s.classes[p.HostClass(was)]) // what keeping the front right may take
	least, who, to := math.Inf(1), v, was
	if cost, ok := s.burden(v, was); ok {
		least = cost - s.relief(v) + b.aversion*b.w.price(v) - better
	}
	if least > 0 {
		least, who = 0, -1 // not at all
	}
	for _, u := range b.instead(origin) {
		b.spent += len(s.front[p.HostClass(was)])
		if t, cost := s.target(u); t >= 0 {
			if with := cost - s.relief(u) + b.aversion*b.w.price(u); with < least {
				least, who, to = with, u, t
			}
		}
	}
	if who != v {
		delete(b.origin, v)
		s.price[v] = b.price(v)
	}
	if who >= 0 {
		b.origin[who] = p.At(who)
		s.price[who] = 0
		s.shift(who, to)
	}
	return who != v || to != was
}

// instead lists the VMs whose move may take the place of one of a VM from the host. Where the plan is full
// and the cluster not large that is any VM: what a move brings may no longer be worth its place.
func (b *balancing) instead(origin int) []int {
	if len(b.origin) < b.room || len(b.origin)*len(b.vms) > broad {
		return b.on(origin)
	}
	list := b.on(origin)
	for _, u := range b.vms {
		if _, moves := b.origin[u]; !moves && b.w.place.At(u) != origin {
			list = append(list, u)
		}
	}
	return list
}

// on lists the VMs on the host that are there in the beginning as well and may move.
func (b *balancing) on(h int) []int {
	var list []int
	for _, v := range b.search.on[h] {
		if from, moves := b.origin[v]; !moves || from == h {
			list = append(list, v)
		}
	}
	return list
}

// exchange lets pairs of moves change their targets where that is better.
func (b *balancing) exchange() bool {
	vms := slices.DeleteFunc(sortedKeys(b.origin), func(v int) bool { return b.search.special[v] })
	changed := false
	for i, v := range vms {
		if b.spent += i; b.spent > effort {
			break
		}
		for _, u := range vms[:i] {
			changed = b.trade(v, u) || changed
		}
	}
	return changed
}

func (b *balancing) trade(v, u int) bool {
	if b.w.place.At(u) == b.origin[v] || b.w.place.At(v) == b.origin[u] || b.worth(v, u) < better {
		return false
	}
	b.swap(v, u)
	return true
}

// swapIn lets a VM that is to move change places with one that is not, which makes a fine difference that
// no single move makes.
func (b *balancing) swapIn() bool {
	changed := false
	for _, v := range sortedKeys(b.origin) {
		if b.spent += len(b.vms); len(b.origin) >= b.room || b.spent > effort {
			break
		}
		if b.search.special[v] {
			continue
		}
		best, most := -1, b.least
		for _, u := range b.vms {
			if _, moves := b.origin[u]; moves || b.search.special[u] || b.w.place.At(u) == b.origin[v] {
				continue
			}
			if gain := b.worth(v, u) - b.search.price[u]; gain > most {
				best, most = u, gain
			}
		}
		if best >= 0 {
			b.origin[best] = b.w.place.At(best)
			b.search.price[best] = 0
			b.swap(v, best)
			changed = true
		}
	}
	return changed
}

// worth is what it brings when the two VMs change places; below 0 also where they may not.
func (b *balancing) worth(v, u int) float64 {
	s, p := b.search, b.w.place
	x, y := p.At(v), p.At(u)
	if x == y {
		return -1
	}
	cpu, memory := s.cpu[v]-s.cpu[u], s.memory[v]-s.memory[u]
	gain := s.lost[x] + s.lost[y] - s.lossWith(y, cpu, memory) - s.lossWith(x, -cpu, -memory)
	if gain < better || b.w.closed[x] || b.w.closed[y] || !p.Reaches(v, y) || !p.Reaches(u, x) {
		return -1
	}
	size := s.size[v] - s.size[u]
	if !b.holds(y, cpu, size) || !b.holds(x, -cpu, -size) {
		return -1
	}
	return gain
}

func (b *balancing) swap(v, u int) {
	x, y := b.w.place.At(v), b.w.place.At(u)
	b.search.shift(v, y)
	b.search.shift(u, x)
}

// holds tells whether the host stays within the limits with so much more on it.
func (b *balancing) holds(h int, cpu float64, size int64) bool {
	p, host, l := b.w.place, &b.w.snap.Hosts[h], b.w.policy.Limits
	return p.CPU(h)+cpu <= l.CPU(host) && float64(p.Promised(h)+size) <= float64(host.MemoryBytes)*l.MaxMemoryUtilisation
}

func sortedKeys(m map[int]int) []int { return slices.Sorted(maps.Keys(m)) }

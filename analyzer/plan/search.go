package plan

import (
	"container/heap"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// search finds the move that brings most, again and again, without trying every VM on every host each
// time. It rests on three observations.
//
// What a VM adds to the loss of a host grows with everything that is on the host already. So of hosts of
// one class (of one size, and equally reachable) only those can be the best target that no other of the
// class undercuts in CPU demand, memory demand and promised memory at once: the front. VMs under rules, and
// those that must not return to hosts where they were, are tried on every host.
//
// A move changes two hosts only. Moves onto the host that it fills, and away from the host that it
// relieves, become worse; so what was known of them is an upper bound, and need only be looked at again
// when it comes out on top (lazy greedy, as in Minoux, "Accelerated Greedy Algorithms", 1978). Moves onto
// the relieved host and away from the filled one become better, and are looked at at once.
type search struct {
	w *work
	// vms are the VMs that may move; each has a candidate in the heap.
	vms     []int
	cand    []candidate
	heap    candidates
	special []bool // of each VM, whether it is tried on every host
	cpu     []float64
	memory  []float64
	size    []int64
	price   []float64
	lost    []float64 // of each host, what is lost on it
	version []int     // of each host, how often it changed
	on      [][]int   // of each host, the VMs on it that may move
	ruled   []int     // the VMs that are tried on every host
	front   [][]int   // of each class of hosts, its front
	classes [][]int   // of each class, its hosts that take VMs
	limits  cluster.Limits
}

// candidate is the best move of one VM as it was last looked at.
type candidate struct {
	to       int // -1 for none
	net      float64
	from, on int // the versions of the two hosts
	at       int // its place in the heap
}

func newSearch(w *work, vms []int, limits cluster.Limits, price func(v int) float64) *search {
	s := &search{w: w, vms: vms, limits: limits}
	s.fill(price)
	for h := range w.snap.Hosts {
		s.lost[h] = w.lossAt(h, 0, 0)
		class := w.place.HostClass(h)
		for len(s.classes) <= class {
			s.classes, s.front = append(s.classes, nil), append(s.front, nil)
		}
		if s.takes(h) {
			s.classes[class] = append(s.classes[class], h)
		}
	}
	for class := range s.classes {
		s.renew(class)
	}
	s.heap = candidates{s: s}
	for _, v := range vms {
		s.look(v)
		s.cand[v].at = len(s.heap.list)
		s.heap.list = append(s.heap.list, v)
	}
	heap.Init(&s.heap)
	return s
}

// fill copies what is asked often into tight lists.
func (s *search) fill(price func(v int) float64) {
	n, hosts := len(s.w.snap.VMs), len(s.w.snap.Hosts)
	s.cand, s.special = make([]candidate, n), make([]bool, n)
	s.cpu, s.memory, s.size, s.price = make([]float64, n), make([]float64, n), make([]int64, n), make([]float64, n)
	s.lost, s.version, s.on = make([]float64, hosts), make([]int, hosts), make([][]int, hosts)
	for _, v := range s.vms {
		vm := &s.w.snap.VMs[v]
		s.cpu[v], s.memory[v], s.size[v] = vm.Cores(), float64(vm.MemoryDemandBytes), vm.MemoryBytes
		s.price[v] = price(v)
		s.special[v] = s.w.place.Ruled(v) || len(vm.RecentHosts) > 0
		if s.special[v] {
			s.ruled = append(s.ruled, v)
		}
		if at := s.w.place.At(v); at >= 0 {
			s.on[at] = append(s.on[at], v)
		}
	}
}

// undercuts tells whether host a carries no more than b in every respect, and comes first where both carry
// the same.
func (s *search) undercuts(a, b int) bool {
	p := s.w.place
	switch {
	case p.CPU(a) > p.CPU(b) || p.Memory(a) > p.Memory(b) || p.Promised(a) > p.Promised(b):
		return false
	case p.CPU(a) == p.CPU(b) && p.Memory(a) == p.Memory(b) && p.Promised(a) == p.Promised(b):
		return a < b
	}
	return true
}

// renew finds the front of a class anew.
func (s *search) renew(class int) {
	front := s.front[class][:0]
	for _, h := range s.classes[class] {
		front = s.join(front, h)
	}
	s.front[class] = front
}

// join adds the host to the front, unless one there undercuts it, and drops those that it undercuts.
func (s *search) join(front []int, h int) []int {
	for _, f := range front {
		if s.undercuts(f, h) {
			return front
		}
	}
	kept := front[:0]
	for _, f := range front {
		if !s.undercuts(h, f) {
			kept = append(kept, f)
		}
	}
	return append(kept, h)
}

// lossWith is what would be lost on the host with so much more on it.
func (s *search) lossWith(h int, cpu, memory float64) float64 {
	host, p := &s.w.snap.Hosts[h], s.w.place
	return s.w.loss(host.CPUCores, p.CPU(h)+cpu, float64(host.MemoryBytes), p.Memory(h)+memory)
}

// relief is what taking the VM away from where it is brings.
func (s *search) relief(v int) float64 {
	from := s.w.place.At(v)
	if from < 0 || !s.w.place.UsableAt(from) {
		return 0
	}
	return s.lost[from] - s.lossWith(from, -s.cpu[v], -s.memory[v])
}

// burden is what the VM costs on the host, and whether it may go there.
func (s *search) burden(v, h int) (cost float64, ok bool) {
	p := s.w.place
	host := &s.w.snap.Hosts[h]
	if h == p.At(v) || p.CPU(h)+s.cpu[v] > s.limits.CPU(host) ||
		float64(p.Promised(h)+s.size[v]) > float64(host.MemoryBytes)*s.limits.MaxMemoryUtilisation {
		return 0, false
	}
	cost = s.lossWith(h, s.cpu[v], s.memory[v]) - s.lost[h]
	if !s.special[v] {
		return cost, true
	}
	if !p.Fits(v, h, s.limits) || s.w.returns(v, h) {
		return 0, false
	}
	return cost + s.w.perViolation*float64(p.RuleChange(v, h)), true
}

// target finds the host on which the VM costs least.
func (s *search) target(v int) (best int, least float64) {
	best = -1
	try := func(hosts []int) {
		for _, h := range hosts {
			if cost, ok := s.burden(v, h); ok && (best < 0 || cost < least || cost == least && h < best) {
				best, least = h, cost
			}
		}
	}
	for class, hosts := range s.front {
		if len(hosts) == 0 || !s.w.place.Reaches(v, hosts[0]) {
			continue
		}
		if s.special[v] {
			hosts = s.classes[class]
		}
		try(hosts)
	}
	return best, least
}

// look finds the VM's best move anew.
func (s *search) look(v int) {
	c := &s.cand[v]
	from := s.w.place.At(v)
	var least float64
	if c.to, least = s.target(v); c.to < 0 {
		c.net = worthless
		return
	}
	c.net = s.relief(v) - least - s.price[v]
	c.from, c.on = 0, s.version[c.to]
	if from >= 0 {
		c.from = s.version[from]
	}
}

// worthless is less than any move brings.
const worthless = -1e300

// best returns the VM whose move brings most net of its cost, and where to; v is -1 when none can move.
func (s *search) best() (v, to int, net float64) {
	for len(s.heap.list) > 0 {
		v := s.heap.list[0]
		c := &s.cand[v]
		if c.to < 0 {
			return -1, -1, worthless
		}
		from := s.w.place.At(v)
		if s.special[v] || c.on == s.version[c.to] && (from < 0 || c.from == s.version[from]) {
			return v, c.to, c.net
		}
		s.look(v)
		heap.Fix(&s.heap, 0)
	}
	return -1, -1, worthless
}

// move carries the move out on paper, and looks again at what it may have made better.
func (s *search) move(v, to int) {
	from := s.w.place.At(v)
	s.shift(v, to)
	for _, u := range s.on[to] {
		s.review(u)
	}
	for _, u := range s.ruled {
		s.review(u)
	}
	if from < 0 || !slices.Contains(s.front[s.w.place.HostClass(from)], from) {
		return // what is not on the front is nobody's best target
	}
	for _, u := range s.vms {
		if !s.special[u] && s.better(u, from) {
			s.review(u)
		}
	}
}

func (s *search) review(u int) {
	s.look(u)
	heap.Fix(&s.heap, s.cand[u].at)
}

// shift moves the VM on paper and keeps losses, fronts and lists right, not the candidates.
func (s *search) shift(v, to int) {
	from := s.w.place.At(v)
	if from == to {
		return
	}
	class := s.w.place.HostClass(to)
	led := slices.Contains(s.front[class], to) // before: the host that is relieved may push it off the front
	s.w.place.MoveAt(v, to)
	if from >= 0 {
		s.on[from] = slices.Delete(s.on[from], slices.Index(s.on[from], v), slices.Index(s.on[from], v)+1)
		s.lost[from] = s.w.lossAt(from, 0, 0)
		s.version[from]++
		if class := s.w.place.HostClass(from); s.takes(from) && !slices.Contains(s.front[class], from) {
			s.front[class] = s.join(s.front[class], from)
		} else if s.takes(from) {
			s.renew(class)
		}
	}
	s.on[to] = append(s.on[to], v)
	s.lost[to] = s.w.lossAt(to, 0, 0)
	s.version[to]++
	if led {
		s.renew(class) // others may no longer be undercut
	}
}

// takes tells whether the host takes VMs at all.
func (s *search) takes(h int) bool { return s.w.place.UsableAt(h) && !s.w.closed[h] }

// better tells whether the relieved host may have become the VM's best target.
func (s *search) better(u, h int) bool {
	if !s.takes(h) || !s.w.place.Reaches(u, h) {
		return false
	}
	cost, ok := s.burden(u, h)
	return ok && s.relief(u)-cost-s.price[u] > s.cand[u].net
}

// candidates is the heap of VMs, the best move on top.
type candidates struct {
	s    *search
	list []int
}

func (c *candidates) Len() int { return len(c.list) }

func (c *candidates) Less(i, j int) bool {
	a, b := c.list[i], c.list[j]
	if x, y := c.s.cand[a].net, c.s.cand[b].net; x != y {
		return x > y
	}
	return a < b
}

func (c *candidates) Swap(i, j int) {
	c.list[i], c.list[j] = c.list[j], c.list[i]
	c.s.cand[c.list[i]].at, c.s.cand[c.list[j]].at = i, j
}

// Push is part of heap.Interface; nothing is pushed after the start.
func (c *candidates) Push(x any) { c.list = append(c.list, x.(int)) }

// Pop is part of heap.Interface as well.
func (c *candidates) Pop() any {
	v := c.list[len(c.list)-1]
	c.list = c.list[:len(c.list)-1]
	return v
}

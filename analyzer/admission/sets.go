package admission

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Sets of several hosts are many: of 1,000 hosts half a million pairs. Most need no trial, by one bound. Let no VM
// be larger than L. Placed one after the other on any host that has room, VMs can fail to find one only when every
// host that they may be on has less than L left, so when more was placed than the sum of what is free beyond L on
// each of them. So a set is survived for certain when what its hosts carry, and their own part of that sum, is not
// more than the sum. The share that a host takes of the sum is its weight: where the weights of a set add up to 1
// at the most, it needs no trial.

// several is what came of the failure of several hosts at once.
type several struct {
	s     *state
	count int
	worst []*trial // of each host, the worst trial with it, nil for none
	sets  int
	// tried is how many were tried one by one, unchecked how many neither were nor needed not to be.
	tried, unchecked int
}

// sets tries every set of 2 to n hosts that the bound does not clear, the heaviest hosts first, within the bound
// on work. A host whose sets are all cleared is tried with the heaviest others, for its headroom.
func (s *state) sets(n int) *several {
	r := &several{s: s, count: n, worst: make([]*trial, len(s.snap.Hosts))}
	var hosts []int
	for h := range s.snap.Hosts {
		if s.seen[h] {
			hosts = append(hosts, h)
		}
	}
	if len(hosts) < 2 {
		return r
	}
	weight := s.weights(hosts, n)
	slices.SortStableFunc(hosts, func(a, b int) int {
		return cmp.Or(cmp.Compare(weight[b], weight[a]), cmp.Compare(s.promised[b], s.promised[a]))
	})
	for k := 2; k <= min(n, len(hosts)); k++ {
		r.sets += choose(len(hosts), k)
		r.walk(hosts, weight, k)
	}
	for i, h := range hosts {
		if heavy := hosts[:min(n, len(hosts))]; r.worst[h] == nil {
			if i >= len(heavy) {
				heavy = append(slices.Clone(heavy[:n-1]), h)
			}
			r.try(heavy)
		}
	}
	return r
}

// walk tries the sets of k hosts that the bound does not clear.
func (r *several) walk(hosts []int, weight []float64, k int) {
	set := make([]int, 0, k)
	var next func(from int, sum float64)
	next = func(from int, sum float64) {
		if len(set) == k {
			r.try(set)
			return
		}
		for i := from; i < len(hosts); i++ {
			missing := k - len(set)
			if i+missing > len(hosts) {
				return
			}
			w := weight[hosts[i]]
			if sum+float64(missing)*w <= 1 {
				return // and all that follow are lighter
			}
			if r.s.effort.sets <= 0 {
				r.unchecked += choose(len(hosts)-i, missing)
				return
			}
			set = append(set, hosts[i])
			next(i+1, sum+w)
			set = set[:len(set)-1]
		}
	}
	next(0, 0)
}

// try tries one set, and keeps it for each of its hosts where it is the worst.
func (r *several) try(set []int) {
	t := &trial{kind: KindHost, down: slices.Clone(set)}
	slices.Sort(t.down)
	r.s.effort.sets -= r.s.run(t)
	r.tried++
	for _, h := range t.down {
		if r.worst[h] == nil || worse(&t.out, &r.worst[h].out) {
			r.worst[h] = t
		}
	}
}

// worse orders outcomes: those that are not survived first, then by headroom.
func worse(a, b *outcome) bool {
	if a.packed != b.packed {
		return !a.packed
	}
	if lost := len(a.stranded) > 0; lost != (len(b.stranded) > 0) {
		return lost
	}
	return a.headroom < b.headroom
}

// into makes the report tell the worst of the sets that each host is in.
func (r *several) into(to *Report) {
	to.Sets, to.Unchecked = r.sets, r.unchecked
	for i := range to.Cases {
		c := &to.Cases[i]
		h, _ := r.s.place.HostIndex(c.Subject)
		if c.Kind != KindHost || c.short {
			continue
		}
		if t := r.worst[h]; t != nil {
			t.subject = c.Subject
			if v := r.s.verdict(t); v.short || c.OK && (!v.OK || v.HeadroomBytes.Value < c.HeadroomBytes.Value) {
				*c = v
			}
		}
		if c.OK && r.unchecked > 0 {
			*c = Case{Kind: KindHost, Subject: c.Subject, Unproven: true, Failed: c.Failed, HeadroomBytes: cluster.Known(0), Reason: r.open(), short: true}
		}
	}
}

// open says how many sets nobody could look at.
func (r *several) open() string {
	return fmt.Sprintf("it is not proven that any %d hosts may fail at once, and that counts as no: %d of %d sets could not be tried within the bound on work. Ask for fewer reserve.host_failures, or keep more memory free", r.count, r.unchecked, r.sets)
}

// short says which set has too little room, or "".
func (r *several) short() string {
	for h, t := range r.worst {
		if t == nil || t.out.packed {
			continue
		}
		t.subject = r.s.snap.Hosts[h].ID
		return r.s.verdict(t).Reason
	}
	if r.unchecked > 0 {
		return r.open()
	}
	return ""
}

// choose is how many sets of k of n there are.
func choose(n, k int) int {
	c := 1
	for i := range k {
		c = c * (n - i) / (i + 1)
	}
	return c
}

// weights gives the hosts their weights, with the L and the treatment of rare VMs that leave the fewest sets to try.
func (s *state) weights(hosts []int, n int) []float64 {
	var largest []int64 // the largest VM of each host
	for _, h := range hosts {
		var size int64
		for _, v := range s.on[h] {
			size = max(size, s.snap.VMs[v].MemoryBytes)
		}
		largest = append(largest, size)
	}
	slices.Sort(largest)
	families, of := s.families(hosts)
	var best []float64
	fewest := math.MaxInt
	for _, q := range []int{100, 99, 95, 90, 75, 50} {
		limit := largest[(len(largest)-1)*q/100]
		for _, rare := range []bool{false, true} {
			if fewest == 0 {
				return best
			}
			s.effort.sets -= len(families) * len(hosts)
			w := s.weigh(hosts, families, of, limit, n, rare)
			if left := heavy(hosts, w, n); left < fewest {
				best, fewest = w, left
			}
		}
	}
	return best
}

// heavy counts roughly the sets that the weights do not clear: those of hosts that together may be too heavy.
func heavy(hosts []int, weight []float64, n int) int {
	sorted := make([]float64, 0, len(hosts))
	for _, h := range hosts {
		sorted = append(sorted, weight[h])
	}
	slices.Sort(sorted)
	pairs, i := 0, 0
	for j := len(sorted) - 1; j > 0; j-- {
		for i < j && sorted[i]+sorted[j]*float64(n-1) <= 1 {
			i++
		}
		pairs += max(0, j-i)
	}
	return pairs
}

// family is a set of VMs that may be on the same hosts.
type family struct {
	can []bool
	// barred is on how many hosts others may be from which one of them must be apart; wild tells that must rules tie
	// them in a way that the bound does not know.
	barred int
	wild   bool
}

// families sorts the VMs of the hosts; of says for each host which it has.
func (s *state) families(hosts []int) (list []family, of map[int][]int) {
	of = map[int][]int{}
	known := map[string]int{}
	for _, h := range hosts {
		for _, v := range s.on[h] {
			key := fmt.Sprint(s.place.VMClass(v), s.ruled[v], s.snap.VMs[v].LocalDisk != "" || s.snap.VMs[v].MemoryBytes <= 0)
			k, ok := known[key]
			if !ok {
				k = len(list)
				known[key] = k
				list = append(list, s.familyOf(v))
			}
			if !slices.Contains(of[h], k) {
				of[h] = append(of[h], k)
			}
		}
	}
	return list, of
}

func (s *state) familyOf(v int) family {
	k := family{can: slices.Clone(s.reaches[s.place.VMClass(v)]), wild: s.snap.VMs[v].LocalDisk != "" || s.snap.VMs[v].MemoryBytes <= 0}
	for _, i := range s.ruled[v] {
		r := &s.rules[i]
		switch r.kind {
		case cluster.VMHostAffinity, cluster.VMHostAntiAffinity:
			for h := range k.can {
				k.can[h] = k.can[h] && r.hosts[h] == (r.kind == cluster.VMHostAffinity)
			}
		case cluster.VMVMAntiAffinity:
			k.barred += len(r.members) - 1
		case cluster.VMVMAffinity, cluster.VMVMSpread, cluster.RuleNone:
			k.wild = true
		}
	}
	return k
}

// weigh gives each host the largest share that it takes of any family's sum. Hosts with a VM over the limit, with a
// wild one or, where rare ones are treated apart, with one of a family for which the heaviest hosts are too much, are too heavy
// for any bound.
func (s *state) weigh(hosts []int, families []family, of map[int][]int, limit int64, n int, rare bool) []float64 {
	weight := make([]float64, len(s.free))
	beyond := func(h int) float64 { return float64(max(0, s.free[h]-limit)) }
	carries := make([]float64, len(s.free))
	for _, h := range hosts {
		for _, v := range s.on[h] {
			carries[h] += float64(s.snap.VMs[v].MemoryBytes)
			if s.snap.VMs[v].MemoryBytes > limit {
				weight[h] = math.Inf(1)
			}
		}
	}
	for i, k := range families {
		var each []float64
		sum := 0.0
		for h, can := range k.can {
			if can && s.takes[h] {
				each = append(each, beyond(h))
				sum += beyond(h)
			}
		}
		slices.Sort(each)
		for _, b := range each[max(0, len(each)-k.barred):] {
			sum -= b
		}
		shares := make([]float64, len(s.free))
		var top []float64
		for _, h := range hosts {
			part := carries[h]
			if k.can[h] && s.takes[h] {
				part += beyond(h)
			}
			if shares[h] = part / sum; part == 0 {
				shares[h] = 0
			}
			if sum <= 0 && part > 0 {
				shares[h] = math.Inf(1)
			}
			top = append(top, shares[h])
		}
		slices.Sort(top)
		heaviest := 0.0
		for _, w := range top[max(0, len(top)-n):] {
			heaviest += w
		}
		for _, h := range hosts {
			has := slices.Contains(of[h], i)
			switch {
			case k.wild || rare && heaviest > 1:
				if has {
					weight[h] = math.Inf(1)
				}
			default:
				weight[h] = max(weight[h], shares[h])
			}
		}
	}
	return weight
}

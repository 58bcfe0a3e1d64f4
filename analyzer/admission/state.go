package admission

import (
	"cmp"
	"math"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// effort bounds the work. A step is one VM held against one host.
type effort struct {
	// each is the most steps of one exact search, all those of all together, sets those of what is tried of the
	// sets of several hosts.
	each, all, sets int
}

// usual is a few tenths of a second at the most.
func usual() effort { return effort{each: 4_000_000, all: 60_000_000, sets: 60_000_000} }

// state is a cluster as failures find it.
type state struct {
	place  *cluster.Placement
	snap   cluster.Snapshot
	limits cluster.Limits
	effort *effort
	at     []int   // of each VM its host, -1 for nowhere
	on     [][]int // of each host the VMs that are to be started elsewhere when it fails
	// free is what may still be promised on each host in bytes, rooms what could be if it were empty.
	free, rooms []int64
	promised    []int64
	cpu         []float64
	// takes tells which hosts take VMs, seen which are known well enough to fail on paper.
	takes, seen []bool
	reaches     [][]bool // of each class of VMs, the hosts that will do
	rules       []rule
	ruled       [][]int // of each VM, the must rules that name it
	domain      []int   // of each host
	usual       int64   // the median size of a VM in bytes
	byFree      []int   // the hosts that take VMs, the one with most room first
	used        []int64 // scratch of quick, zero outside of it
	// allFree is what is free on all hosts that take VMs, allSlots what of it VMs of the usual size can take.
	allFree, allSlots int64
}

// rule is a must rule.
type rule struct {
	kind    cluster.RuleKind
	members []int
	hosts   []bool
}

func newState(p *cluster.Placement, l cluster.Limits, e *effort) *state {
	snap := p.Snapshot()
	hosts, vms := len(snap.Hosts), len(snap.VMs)
	s := &state{place: p, snap: snap, limits: l, effort: e, at: make([]int, vms), on: make([][]int, hosts),
		free: make([]int64, hosts), rooms: make([]int64, hosts), promised: make([]int64, hosts), cpu: make([]float64, hosts),
		takes: make([]bool, hosts), seen: make([]bool, hosts), ruled: make([][]int, vms), domain: make([]int, hosts)}
	domains := map[string]int{}
	for h, host := range snap.Hosts {
		limit := int64(math.Floor(float64(host.MemoryBytes) * l.MaxMemoryUtilisation))
		s.promised[h], s.cpu[h], s.takes[h] = p.Promised(h), p.CPU(h), p.UsableAt(h)
		s.free[h], s.rooms[h] = limit-s.promised[h], limit-host.ReservedMemoryBytes
		s.seen[h] = s.takes[h] || host.State == cluster.HostMaintenance && snap.GapOf(cluster.HostSubject(host.ID)) == ""
		if _, ok := domains[host.FailureDomain]; !ok {
			domains[host.FailureDomain] = len(domains)
		}
		s.domain[h] = domains[host.FailureDomain]
	}
	var sizes []int64
	for v := range snap.VMs {
		s.at[v] = p.At(v)
		if h := s.at[v]; h >= 0 && snap.VMs[v].Restarts() {
			s.on[h] = append(s.on[h], v)
		}
		if s.at[v] >= 0 && snap.VMs[v].MemoryBytes > 0 {
			sizes = append(sizes, snap.VMs[v].MemoryBytes)
		}
		if class := p.VMClass(v); class >= len(s.reaches) {
			row := make([]bool, hosts)
			for h := range row {
				row[h] = p.Reaches(v, h)
			}
			s.reaches = append(s.reaches, row) // classes are numbered as they come
		}
	}
	if slices.Sort(sizes); len(sizes) > 0 {
		s.usual = sizes[len(sizes)/2]
	}
	s.used = make([]int64, hosts)
	s.sortByFree()
	for _, st := range p.RuleStates() {
		if st.Rule.Strength == cluster.Must {
			s.addRule(st)
		}
	}
	return s
}

// sortByFree brings what depends on what is free up to date.
func (s *state) sortByFree() {
	s.byFree, s.allFree, s.allSlots = s.byFree[:0], 0, 0
	for h, free := range s.free {
		if s.takes[h] {
			s.byFree = append(s.byFree, h)
			s.allFree, s.allSlots = s.allFree+max(0, free), s.allSlots+s.slots(free)
		}
	}
	slices.SortStableFunc(s.byFree, func(a, b int) int { return cmp.Compare(s.free[b], s.free[a]) })
}

func (s *state) addRule(st cluster.RuleState) {
	r := rule{kind: st.Rule.Kind, members: st.VMs, hosts: make([]bool, len(s.snap.Hosts))}
	for _, h := range st.Hosts {
		r.hosts[h] = true
	}
	for _, v := range r.members {
		s.ruled[v] = append(s.ruled[v], len(s.rules))
	}
	s.rules = append(s.rules, r)
}

// put places a VM that is nowhere on the host; the returned function takes it away again.
func (s *state) put(v, h int) (undo func()) {
	vm, on := &s.snap.VMs[v], s.on[h]
	s.at[v] = h
	s.free[h], s.promised[h], s.cpu[h] = s.free[h]-vm.MemoryBytes, s.promised[h]+vm.MemoryBytes, s.cpu[h]+vm.Cores()
	if vm.Restarts() {
		s.on[h] = append(slices.Clone(on), v)
	}
	s.sortByFree()
	return func() {
		defer s.sortByFree()
		s.at[v], s.on[h] = -1, on
		s.free[h], s.promised[h], s.cpu[h] = s.free[h]+vm.MemoryBytes, s.promised[h]-vm.MemoryBytes, s.cpu[h]-vm.Cores()
	}
}

// item is what is started on one host: a VM or VMs that must be together.
type item struct {
	vms  []int
	size int64
	can  []bool // the hosts that its VMs reach and that must rules leave to it
	// apart and spread are places in the problem's rules.
	apart, spread []int
}

// problem is to place the items, each on a host of which so much is free.
type problem struct {
	free   []int64 // -1 where nothing may be placed
	domain []int
	items  []item
	apart  int // how many rules that keep items apart
	spread []spread
}

// spread is a rule that bounds how many of its VMs are in one failure domain. beyond is how many are over the
// share, when all are placed, and most how many may be.
type spread struct {
	count               []int
	share, beyond, most int
}

// outcome is what came of a trial.
type outcome struct {
	packed, unproven bool
	// stranded are VMs for which there is no host however much room there is; the others may be packed without them.
	stranded, missing []int
	starts            []start
	needed, free      int64
	largest, headroom int64
	left              int
}

type start struct{ vm, host int }

// uses is how much of the host's room the witness takes.
func (o outcome) uses(h int, s *state) int64 {
	var sum int64
	for _, st := range o.starts {
		if st.host == h {
			sum += s.snap.VMs[st.vm].MemoryBytes
		}
	}
	return sum
}

// run tries one failure, and returns how many steps that took.
func (s *state) run(t *trial) int {
	o, steps, ok := s.quick(t)
	if ok {
		t.out = o
		return steps
	}
	before := s.effort.all
	t.out = s.full(t)
	return steps + before - s.effort.all + (1+len(t.out.starts)+len(t.out.missing))*len(s.free)
}

// full tries one failure with all that is known.
func (s *state) full(t *trial) outcome {
	p, stranded := s.problem(t)
	o := outcome{stranded: stranded}
	for h, f := range p.free {
		if f >= 0 {
			o.free, o.left = o.free+max(0, s.free[h]), o.left+1
			o.largest = max(o.largest, s.free[h])
		}
	}
	for _, it := range p.items {
		o.needed += it.size
	}
	hosts, missing, proven := p.solve(s.effort)
	for i, it := range p.items {
		for _, v := range it.vms {
			switch {
			case len(missing) == 0:
				o.starts = append(o.starts, start{v, hosts[i]})
			case slices.Contains(missing, i):
				o.missing = append(o.missing, v)
			}
		}
	}
	o.packed, o.unproven = len(missing) == 0, len(missing) > 0 && !proven
	if o.packed {
		left := slices.Clone(p.free)
		for i, it := range p.items {
			left[hosts[i]] -= it.size
		}
		for _, f := range left {
			o.headroom += s.slots(f)
		}
	}
	return o
}

// slots is how much of what is free VMs of the usual size can take.
func (s *state) slots(free int64) int64 {
	if s.usual == 0 {
		return 0
	}
	return max(0, free) / s.usual * s.usual
}

// problem says what is to be started where when the trial's hosts fail. VMs for which there is no host are left
// out of it and returned.
func (s *state) problem(t *trial) (p *problem, stranded []int) {
	p = &problem{free: make([]int64, len(s.free)), domain: s.domain}
	for h := range p.free {
		p.free[h] = -1
		if s.takes[h] && (t.only == nil || slices.Contains(t.only, h)) {
			p.free[h] = max(0, s.free[h])
		}
	}
	for _, h := range t.down {
		p.free[h] = -1
	}
	var homeless []int
	for _, h := range t.down {
		homeless = append(homeless, s.on[h]...)
	}
	p.items = s.items(homeless, t.down, p)
	kept := p.items[:0]
	for _, it := range p.items {
		if s.hopeless(it, p) {
			stranded = append(stranded, it.vms...)
			continue
		}
		kept = append(kept, it)
	}
	p.items = kept
	return p, stranded
}

// hopeless tells whether no host could take the item if it were empty.
func (s *state) hopeless(it item, p *problem) bool {
	for _, v := range it.vms {
		if vm := &s.snap.VMs[v]; vm.LocalDisk != "" || vm.MemoryBytes <= 0 {
			return true
		}
	}
	for h, can := range it.can {
		if can && p.free[h] >= 0 && s.rooms[h] >= it.size {
			return false
		}
	}
	return true
}

// items are the VMs to be started, those that must be together as one, with the hosts that rules leave them.
func (s *state) items(homeless, down []int, p *problem) []item {
	ruled := false
	items := make([]item, 0, len(homeless))
	for _, v := range homeless {
		items = append(items, item{vms: []int{v}, size: s.snap.VMs[v].MemoryBytes, can: s.reaches[s.place.VMClass(v)]})
		ruled = ruled || len(s.ruled[v]) > 0
	}
	if !ruled {
		return items
	}
	return s.restrict(items, down, p)
}

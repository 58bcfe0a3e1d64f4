package admission

import (
	"cmp"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// quick tries the plainest placement, the largest VM first on the first host that has room, of the hosts with most
// room first. It looks at few hosts and answers almost every failure of a cluster that has enough room; where it
// finds no placement that says nothing. VMs that must be together or spread are not its business.
func (s *state) quick(t *trial) (o outcome, steps int, ok bool) {
	if t.only != nil {
		return o, 0, false
	}
	var homeless []int
	for _, h := range t.down {
		homeless = append(homeless, s.on[h]...)
	}
	slices.SortStableFunc(homeless, func(a, b int) int {
		return cmp.Compare(s.snap.VMs[b].MemoryBytes, s.snap.VMs[a].MemoryBytes)
	})
	defer func() {
		for _, st := range o.starts {
			s.used[st.host] = 0
		}
	}()
	for _, v := range homeless {
		vm := &s.snap.VMs[v]
		if vm.LocalDisk != "" || vm.MemoryBytes <= 0 {
			return o, steps, false
		}
		at := -1
		for _, h := range s.byFree {
			if s.free[h] < vm.MemoryBytes {
				break // and so has none of the others
			}
			if steps++; s.free[h]-s.used[h] >= vm.MemoryBytes && !slices.Contains(t.down, h) && s.may(v, h, t.down, o.starts) {
				at = h
				break
			}
		}
		if at < 0 {
			return o, steps, false
		}
		s.used[at] += vm.MemoryBytes
		o.starts = append(o.starts, start{v, at})
		o.needed += vm.MemoryBytes
	}
	o.packed, o.free, o.headroom = true, s.allFree, s.allSlots
	for _, h := range t.down {
		if s.takes[h] {
			o.free, o.headroom = o.free-max(0, s.free[h]), o.headroom-s.slots(s.free[h])
		}
	}
	for _, st := range o.starts {
		h := st.host
		o.headroom -= s.slots(s.free[h]) - s.slots(s.free[h]-s.used[h])
		s.used[h] = 0
	}
	return o, steps, true
}

// may tells whether reach and must rules allow the VM on the host beside those that run on and those started so far.
func (s *state) may(v, h int, down []int, starts []start) bool {
	if !s.reaches[s.place.VMClass(v)][h] {
		return false
	}
	for _, i := range s.ruled[v] {
		r := &s.rules[i]
		switch r.kind {
		case cluster.VMHostAffinity, cluster.VMHostAntiAffinity:
			if r.hosts[h] != (r.kind == cluster.VMHostAffinity) {
				return false
			}
		case cluster.VMVMAntiAffinity:
			for _, u := range r.members {
				if s.at[u] == h && u != v {
					return false
				}
			}
			if slices.ContainsFunc(starts, func(st start) bool { return st.host == h && slices.Contains(r.members, st.vm) }) {
				return false
			}
		case cluster.VMVMAffinity, cluster.VMVMSpread, cluster.RuleNone:
			return false
		}
	}
	return true
}

package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Change is a question about a cluster that could be: what if hosts went or came, or more VMs were to run?
type Change struct {
	// RemoveHosts are emptied first, as for maintenance.
	RemoveHosts []string
	// FailHosts and FailDomains fail at once, and what ran there is to be started elsewhere.
	FailHosts, FailDomains []string
	AddHosts               []cluster.Host
	AddVMs                 []cluster.VM
}

// Apply returns the snapshot as it would be, and the IDs of the VMs that are to be started: those that a
// failure stopped, the highest restart priority first, and then the new ones. The error names what is not there.
func (c Change) Apply(s cluster.Snapshot) (changed cluster.Snapshot, homeless []string, err error) {
	s.Hosts, s.VMs = slices.Clone(s.Hosts), slices.Clone(s.VMs)
	for _, id := range c.RemoveHosts {
		h := slices.IndexFunc(s.Hosts, func(h cluster.Host) bool { return h.ID == id })
		if h < 0 {
			return s, nil, fmt.Errorf("there is no host %q to remove", id)
		}
		s.Hosts[h].State = cluster.HostMaintenance
	}
	failed := map[string]bool{}
	for _, id := range c.FailHosts {
		if _, ok := s.Host(id); !ok {
			return s, nil, fmt.Errorf("there is no host %q to fail", id)
		}
		failed[id] = true
	}
	for _, domain := range c.FailDomains {
		any := false
		for _, h := range s.Hosts {
			if h.FailureDomain == domain {
				failed[h.ID], any = true, true
			}
		}
		if !any {
			return s, nil, fmt.Errorf("no host stands in failure domain %q", domain)
		}
	}
	homeless = strike(&s, failed)
	for _, h := range c.AddHosts {
		if _, ok := s.Host(h.ID); ok {
			return s, nil, fmt.Errorf("there is a host %q already", h.ID)
		}
		s.Hosts = append(s.Hosts, h)
	}
	for _, v := range c.AddVMs {
		if len(s.FindVMs(v.ID)) > 0 {
			return s, nil, fmt.Errorf("there is a VM %q already", v.ID)
		}
		s = withVM(s, v)
		homeless = append(homeless, v.ID)
	}
	s.Sort()
	if err := s.Validate(); err != nil {
		return s, nil, fmt.Errorf("the cluster that could be makes no sense: %w", err)
	}
	return s, homeless, nil
}

// strike takes the failed hosts down and returns the VMs that ran on them.
func strike(s *cluster.Snapshot, failed map[string]bool) []string {
	for i := range s.Hosts {
		if failed[s.Hosts[i].ID] {
			s.Hosts[i].State = cluster.HostDown
		}
	}
	var stopped []cluster.VM
	for i := range s.VMs {
		if v := &s.VMs[i]; failed[v.Host] && v.State.Active() {
			v.Host, v.MigratingTo, v.Movable, v.State = "", "", true, cluster.VMShutoff
			if v.Restarts() {
				v.State = cluster.VMRunning
				stopped = append(stopped, *v)
			}
		}
	}
	slices.SortStableFunc(stopped, func(a, b cluster.VM) int {
		return cmp.Or(cmp.Compare(urgency(b.RestartPriority), urgency(a.RestartPriority)), cmp.Compare(b.MemoryBytes, a.MemoryBytes))
	})
	var list []string
	for _, v := range stopped {
		list = append(list, v.ID)
	}
	return list
}

// urgency ranks restart priorities; what is not said is medium.
func urgency(priority string) int {
	if i := slices.Index([]string{"lowest", "low", "medium", "high", "highest"}, priority); i >= 0 {
		return i
	}
	return 2
}

// startAll gives every VM that runs nowhere the host on which it costs least; what a failure stopped is what spare
// hosts are for. The cap on moves is no cap on that.
func (w *work) startAll(ids []string) {
	closed := slices.Clone(w.closed)
	defer func() { w.closed = closed }()
	for h := range w.closed {
		w.closed[h] = w.shunned[h] || isOff(w.snap.Hosts[h].Automation)
	}
	for _, id := range ids {
		v, ok := w.place.VMIndex(id)
		if !ok {
			continue
		}
		to := w.cheapest(v, w.policy.Limits)
		if to < 0 {
			to = w.cheapest(v, w.policy.Limits.Mandatory())
		}
		if to < 0 {
			w.refuse(v, "no host can take it: "+w.obstacles(v, w.policy.Limits.Mandatory()))
			continue
		}
		load := w.place.LoadAt(to)
		w.place.MoveAt(v, to)
		w.steps = append(w.steps, Step{Seq: len(w.steps) + 1, Kind: cluster.Start, VM: id, Name: w.snap.VMs[v].Name, To: load.Host, Policy: "start", Priority: 1,
			Reason: fmt.Sprintf("%s has most room for it (CPU %.0f %%, memory %.0f %% before)", load.Host, 100*load.CPUUtilisation, 100*load.MemoryUtilisation)})
		w.moved[v] = true
	}
	w.now = w.place.Assess()
}

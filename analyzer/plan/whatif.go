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
		return cmp.Or(cmp.Compare(cluster.RestartRank(b.RestartPriority), cluster.RestartRank(a.RestartPriority)), cmp.Compare(b.MemoryBytes, a.MemoryBytes))
	})
	var list []string
	for _, v := range stopped {
		list = append(list, v.ID)
	}
	return list
}

package plan

import (
	"cmp"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// mostAsleep bounds for how many hosts Sleepable looks, one after the other; mostTried how many it tries for each.
const (
	mostAsleep = 8
	mostTried  = 16
)

// Sleepable are hosts that could sleep one after the other, by what the VMs use and have promised now: each can be emptied by
// the planner's own rules, what is to be survived is survived without it, and the others stay at the target. Whether a host was
// ever woken, and what the coming hours bring, is not asked: it is a look ahead and no advice.
func Sleepable(s cluster.Snapshot, p Policy) []string {
	s.Hosts, s.VMs = slices.Clone(s.Hosts), slices.Clone(s.VMs)
	var asleep []string
	for len(asleep) < mostAsleep {
		host, rest, ok := sleepable(s, p)
		if !ok {
			break
		}
		asleep = append(asleep, host)
		for _, step := range rest.Moves {
			v := slices.IndexFunc(s.VMs, func(v cluster.VM) bool { return v.ID == step.VM })
			s.VMs[v].Host = step.To
		}
		h := slices.IndexFunc(s.Hosts, func(h cluster.Host) bool { return h.ID == host })
		s.Hosts[h].State = cluster.HostStandby
	}
	return asleep
}

// sleepable tries the hosts that have least to move.
func sleepable(s cluster.Snapshot, p Policy) (string, Rest, bool) {
	w := &powering{snap: s, policy: p, place: cluster.NewPlacement(s)}
	var hosts []int
	for h := range s.Hosts {
		if host := &s.Hosts[h]; host.State == cluster.HostUp && !isOff(host.Automation) && !slices.Contains(p.Admission.SpareHosts, host.ID) {
			hosts = append(hosts, h)
		}
	}
	if len(hosts) <= max(1, p.Power.MinHostsOn) {
		return "", Rest{}, false
	}
	slices.SortFunc(hosts, func(a, b int) int {
		return cmp.Or(cmp.Compare(w.place.Promised(a), w.place.Promised(b)), cmp.Compare(s.Hosts[a].ID, s.Hosts[b].ID))
	})
	for _, h := range hosts[:min(len(hosts), mostTried)] {
		cpu, memory := w.use(h, (*cluster.VM).Cores)
		if cpu > p.Power.Target || memory > p.Power.Target || w.outvoted(h) {
			continue
		}
		if rest := MayRest(s, s.Hosts[h].ID, p); rest.Stay == "" && rest.Reserve == "" {
			return s.Hosts[h].ID, rest, true
		}
	}
	return "", Rest{}, false
}

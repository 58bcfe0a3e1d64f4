package plan

import (
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/analyzer/admission"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Rest is what it would take to do without a host.
type Rest struct {
	// Moves empty the host, in an order in which each is legal.
	Moves []Step
	// Stay says which VM cannot leave the host and why, Reserve what the cluster would not survive without it or, where hosts
	// sleep by advice, what the others would run short of, so that it would be woken at once; empty for nothing.
	Stay, Reserve string
}

// MayRest judges whether the host could be emptied, however many moves that takes, and then be powered off: what the policy
// wants to be survived must be so without it. The host must be in the snapshot.
func MayRest(s cluster.Snapshot, host string, p Policy) Rest {
	s.Hosts, s.VMs = slices.Clone(s.Hosts), slices.Clone(s.VMs)
	at := slices.IndexFunc(s.Hosts, func(h cluster.Host) bool { return h.ID == host })
	if h := s.Hosts[at]; h.State != cluster.HostUp && h.State != cluster.HostMaintenance || s.GapOf(cluster.HostSubject(host)) != "" {
		return Rest{Stay: fmt.Sprintf("%s is %s or could not be seen", host, h.State)}
	}
	s.Hosts[at].State = cluster.HostMaintenance
	p.MaxMoves = len(s.VMs) + 1
	made := Make(s, nil, p)
	r := Rest{Moves: made.Actions}
	for i := range s.VMs {
		v := &s.VMs[i]
		if step := slices.IndexFunc(made.Actions, func(step Step) bool { return step.VM == v.ID }); step >= 0 {
			v.Host, v.MigratingTo = made.Actions[step].To, ""
		}
	}
	for _, v := range s.VMs {
		if (v.Host == host || v.MigratingTo == host) && v.State.Active() {
			why := made.StoppedBecause
			if i := slices.IndexFunc(made.Refused, func(f Refusal) bool { return f.Subject == cluster.VMSubject(v.ID) }); i >= 0 {
				why = made.Refused[i].Reason
			}
			r.Stay = fmt.Sprintf("%s cannot leave it: %s", v.Label(), why)
			return r
		}
	}
	if ok, why := admission.MayBeOff(s, []string{host}, p.Admission, p.Limits); !ok {
		r.Reserve = why
	} else if p.Power.Advise {
		cpu, memory := newPowering(s, p).use(at, busy)
		r.Reserve = p.Power.exceeded("the others", cpu, memory)
	}
	return r
}

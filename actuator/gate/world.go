package gate

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// world refuses when the world is not as the advice saw it: the VM must run where the advice says,
// by the word of that hypervisor and of no other, the target must answer, the VM must still fit there and a
// move for the sake of balance must not make things worse: one that
// empties a host or mends a rule may.
func world(q Question) cluster.Verdict {
	a := q.Rec.Action
	if a.Kind != cluster.Migrate || a.VM == "" || a.From == "" || a.To == "" || a.From == a.To {
		return refuse("unknown-action", "it is no migration from one host to another")
	}
	if v := seen(q); !v.Pass {
		return v
	}
	p := cluster.NewPlacement(q.Snapshot)
	if at := p.HostOf(a.VM); at != a.From {
		return refuse("moved", fmt.Sprintf("Prometheus has the VM on %s, the advice on %s; a newer recommendation will follow", orNowhere(at), a.From))
	}
	limits := q.Policy.Limits
	if q.Rec.Priority == 1 {
		limits = limits.Mandatory()
	}
	if why := p.Illegal(a.VM, a.To, limits); why != "" {
		return refuse("no-fit", why)
	}
	if now, after := p.Assess().Score, p.ScoreAfter(a.VM, a.To); forGain(q.Rec.Policy) && after < now {
		return refuse("no-gain", fmt.Sprintf("it would no longer help: the score is %.1f now and would be %.1f", now, after))
	}
	return pass(fmt.Sprintf("%s runs on %s, fits on %s and still helps", a.Name, a.From, a.To))
}

// forGain tells whether a planner moves VMs to raise the score. The others have reasons of their own.
func forGain(policy string) bool {
	return policy != "rules" && policy != "evacuate" && policy != "quarantine"
}

// seen looks at the hypervisors' own words.
func seen(q Question) cluster.Verdict {
	a := q.Rec.Action
	if q.Sighting.VM != a.VM {
		return refuse("not-seen", "the hypervisors were not asked about this VM")
	}
	if _, _, answered := q.Sighting.On(a.To); !answered {
		return refuse("target-silent", fmt.Sprintf("%s does not answer%s", a.To, silence(q.Sighting, a.To)))
	}
	state, _, answered := q.Sighting.On(a.From)
	if !answered {
		return refuse("source-silent", fmt.Sprintf("%s does not answer%s", a.From, silence(q.Sighting, a.From)))
	}
	for _, h := range q.Sighting.Hosts {
		if h.Host != a.From && h.State.Active() {
			return refuse("moved", fmt.Sprintf("%s has the VM (%s); somebody moved it", h.Host, h.State))
		}
	}
	if state != cluster.VMRunning {
		return refuse("not-running", fmt.Sprintf("the VM is %s on %s", state, a.From))
	}
	return pass("")
}

func silence(s cluster.Sighting, host string) string {
	for _, g := range s.Silent {
		if g.Subject == cluster.HostSubject(host) {
			return ": " + g.Reason
		}
	}
	return ""
}

func orNowhere(host string) string {
	if host == "" {
		return "no host"
	}
	return host
}

package gate

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// world refuses when the world is not as it was when the action was thought of, by the word of the hypervisors themselves:
// each kind of action has something that must be so.
func world(q Question) cluster.Verdict {
	switch a := q.Rec.Action; a.Kind {
	case cluster.Migrate:
		return migratable(q)
	case cluster.Start:
		return startable(q)
	case cluster.Shutdown, cluster.Reset, cluster.Suspend:
		return running(q)
	case cluster.Resume:
		return resumable(q)
	case cluster.MoveStorage:
		return storable(q)
	case cluster.Maintenance:
		return maintainable(q)
	case cluster.Fence:
		return fenceable(q)
	case cluster.Forget:
		return forgettable(q)
	case cluster.Standby:
		return restable(q)
	case cluster.Wake:
		return wakeable(q)
	case cluster.KindNone:
	}
	return refuse("unknown-action", "it is no action that anybody knows")
}

// migratable wants the VM to run where the advice says,
// by the word of that hypervisor and of no other, the target to answer, the VM to fit there still and a
// move for the sake of balance not to make things worse: one that
// empties a host or mends a rule may.
func migratable(q Question) cluster.Verdict {
	a := q.Rec.Action
	if a.VM == "" || a.From == "" || a.To == "" || a.From == a.To {
		return refuse("unknown-action", "it is no migration from one host to another")
	}
	if v := seen(q, cluster.VMRunning); !v.Pass {
		return v
	}
	p := cluster.NewPlacement(q.Snapshot)
	if at := p.HostOf(a.VM); at != a.From {
		return refuse("moved", fmt.Sprintf("Prometheus has the VM on %s, the advice on %s; a newer recommendation will follow", orNowhere(at), a.From))
	}
	limits := q.Policy.Limits
	if q.Rec.Priority == 1 || q.Rec.Asked() { // who asks for it knows what they want of the CPU
		limits = limits.Mandatory()
	}
	if why := p.Illegal(a.VM, a.To, limits); why != "" {
		return refuse("no-fit", why)
	}
	if now, after := p.Assess().Score, p.ScoreAfter(a.VM, a.To); forGain(q.Rec.Policy) && after < now {
		return refuse("no-gain", fmt.Sprintf("it would no longer help: the score is %.1f now and would be %.1f", now, after))
	}
	return pass(fmt.Sprintf("%s runs on %s and fits on %s", a.Name, a.From, a.To))
}

// forGain tells whether a planner moves VMs to raise the score. The others, and a person who asks for a move, have reasons
// of their own.
func forGain(policy string) bool {
	return policy != "rules" && policy != "evacuate" && policy != "quarantine" && policy != cluster.Migrate.Policy()
}

// startable wants every host of the cluster to say that it does not run the VM, for two copies of one VM ruin its disks, and
// the one that is to start it to know it and have room.
func startable(q Question) cluster.Verdict {
	a := q.Rec.Action
	if a.VM == "" || a.To == "" {
		return refuse("unknown-action", "it names no VM or no host to start it on")
	}
	if v := knows(q, a.To); !v.Pass {
		return v
	}
	if v := heard(q); !v.Pass {
		return v
	}
	for _, h := range q.Sighting.Hosts {
		if h.State.Active() {
			return refuse("runs", fmt.Sprintf("%s has the VM already (%s)", h.Host, h.State))
		}
		if h.Host != a.To && h.State == cluster.VMCrashed {
			return refuse("runs", fmt.Sprintf("the VM's guest panicked on %s, and what is left of it there still has its disks open", h.Host))
		}
	}
	p := cluster.NewPlacement(q.Snapshot)
	v, known := p.VMIndex(a.VM)
	to, hostKnown := p.HostIndex(a.To)
	if !known || !hostKnown {
		return refuse("not-seen", fmt.Sprintf("Prometheus does not know the VM, or does not know %s", a.To))
	}
	if at := p.HostOf(a.VM); at != "" {
		return refuse("runs", fmt.Sprintf("Prometheus has the VM on %s", at))
	}
	if _, why := p.Unfit(v, to, q.Policy.Limits.Mandatory()); why != "" {
		return refuse("no-fit", why)
	}
	return pass(fmt.Sprintf("%s runs nowhere and fits on %s", a.Name, a.To))
}

// heard wants every host of the cluster to have answered, but for those that are proven off and those that cannot have the VM.
func heard(q Question) cluster.Verdict {
	for _, h := range q.Snapshot.Hosts {
		if _, _, answered := q.Sighting.On(h.ID); !answered && h.State != cluster.HostStandby && !q.off(h.ID) && !(q.Rec.Recovers() && q.elsewhere(h.ID)) {
			return refuse("host-silent", fmt.Sprintf("%s does not answer%s, and could run the VM", h.ID, silence(q.Sighting, h.ID)))
		}
	}
	return pass("")
}

// running wants the VM to run where it is thought to, and nowhere else.
func running(q Question) cluster.Verdict {
	if v := seen(q, cluster.VMRunning); !v.Pass {
		return v
	}
	if q.Rec.OfHungGuest() {
		if v := hangs(q); !v.Pass {
			return v
		}
	}
	return pass(fmt.Sprintf("%s runs on %s", q.Rec.Action.Name, q.Rec.Action.From))
}

// hangs wants the agent of a guest that is thought to hang to be silent now, and the guest not to have been reset since it was thought so: one
// that boots is silent as well.
func hangs(q Question) cluster.Verdict {
	for _, b := range q.Begun {
		if b.Action.Alike(q.Rec.Action) && b.At.After(q.Rec.Made) {
			return refuse("reset-already", fmt.Sprintf("it was reset at %s, after this was advised", stamp(b.At)))
		}
	}
	for _, h := range q.Sighting.Hosts {
		switch {
		case h.Host != q.Rec.Action.From:
		case h.Agent == cluster.AgentAnswers:
			return refuse("alive", "its guest was thought to hang, and its agent answers")
		case h.Agent != cluster.AgentSilent:
			return refuse("cannot-tell", "its guest is thought to hang, and whether its agent answers could not be found out")
		}
	}
	return pass("")
}

// resumable wants the VM to be paused where it is thought to be, and every host of the cluster to say that it is nowhere else: what a
// migration that went wrong has left paused may run on its target.
func resumable(q Question) cluster.Verdict {
	if v := seen(q, cluster.VMPaused); !v.Pass {
		return v
	}
	if v := heard(q); !v.Pass {
		return v
	}
	return pass(fmt.Sprintf("%s is paused on %s", q.Rec.Action.Name, q.Rec.Action.From))
}

// storable wants the VM to run where it is thought to, some of its disks not to be in the pool yet, and the host to have the pool.
func storable(q Question) cluster.Verdict {
	a := q.Rec.Action
	if v := running(q); !v.Pass {
		return v
	}
	for _, h := range q.Sighting.Hosts {
		if h.Host == a.From && len(h.Elsewhere) == 0 {
			return refuse("there-already", fmt.Sprintf("every disk of %s is in %s", a.Name, a.Pool))
		}
		if h.Host == a.From && h.Obstacle != "" {
			return refuse("no-fit", h.Obstacle)
		}
	}
	return pass(fmt.Sprintf("%s runs on %s", a.Name, a.From))
}

// maintainable wants the host to be one that is known.
func maintainable(q Question) cluster.Verdict {
	a := q.Rec.Action
	h, known := q.Snapshot.Host(a.From)
	if o := q.Orders.Maintenance(a.From, q.Now); o != nil {
		return refuse("there-already", fmt.Sprintf("%s put %s into maintenance at %s", o.Word.Who, a.From, stamp(o.Word.At)))
	}
	switch {
	case a.VM != "" || a.From == "":
		return refuse("unknown-action", "maintenance is of a host")
	case !known:
		return refuse("not-seen", "Prometheus knows no host "+a.From)
	case h.State == cluster.HostMaintenance:
		return refuse("there-already", a.From+" is in maintenance")
	}
	return pass(fmt.Sprintf("%s is %s", a.From, h.State))
}

// seen looks at the hypervisors' own words: the VM must be in that state where it is thought to be.
func seen(q Question, want cluster.VMState) cluster.Verdict {
	a := q.Rec.Action
	if a.VM == "" || a.From == "" {
		return refuse("unknown-action", "it names no VM or no host")
	}
	if a.To != "" {
		if _, _, answered := q.Sighting.On(a.To); q.Sighting.VM == a.VM && !answered {
			return refuse("target-silent", fmt.Sprintf("%s does not answer%s", a.To, silence(q.Sighting, a.To)))
		}
	}
	if v := knows(q, a.From); !v.Pass {
		return v
	}
	for _, h := range q.Sighting.Hosts {
		if h.Host != a.From && h.State.Active() {
			return refuse("moved", fmt.Sprintf("%s has the VM (%s); somebody moved it", h.Host, h.State))
		}
	}
	if state, _, _ := q.Sighting.On(a.From); state != want {
		return refuse("not-"+want.String(), fmt.Sprintf("the VM is %s on %s", state, a.From))
	}
	return pass("")
}

// knows wants the host to know the VM by its UUID and its name: whoever thought of the action knew both, and where one of them
// is another's now the wrong VM would be touched.
func knows(q Question, host string) cluster.Verdict {
	a := q.Rec.Action
	if q.Sighting.VM != a.VM {
		return refuse("not-seen", "the hypervisors were not asked about this VM")
	}
	for _, h := range q.Sighting.Hosts {
		if h.Host != host {
			continue
		}
		// What a person starts is to be where they think it is; what a failure stopped must be defined anew.
		if a.Kind == cluster.Start && !h.Defined && !(q.Kept && q.Rec.Recovers()) {
			return refuse("not-defined", fmt.Sprintf("%s does not know the VM", host))
		}
		if (h.State.Active() || h.Defined) && a.Name != "" && h.Name != a.Name {
			return refuse("renamed", fmt.Sprintf("%s calls the VM %q, and it was %q", host, h.Name, a.Name))
		}
		return pass("")
	}
	return refuse("source-silent", fmt.Sprintf("%s does not answer%s", host, silence(q.Sighting, host)))
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

package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Ask makes a recommendation of what a person or a runbook asks for, with all that can be said of it before: where the VM is,
// what the move would do to both hosts, how long it should take. VM may be a name. The error says what is not there or what the
// hypervisor cannot do; whether it may happen is for the gates to say. At is the present time.
func Ask(s cluster.Snapshot, want cluster.Action, why string, p Policy, at time.Time) (cluster.Recommendation, error) {
	r := cluster.Recommendation{Cluster: s.Cluster, Policy: want.Kind.Policy(), Priority: 2, Reason: why, Because: []cluster.Finding{}, Effects: []cluster.Effect{}}
	w := newWork(s, nil, p)
	a, err := w.complete(want)
	if err != nil {
		return r, err
	}
	for _, id := range a.Hosts() {
		h, known := s.Host(id)
		if !known {
			return r, fmt.Errorf("there is no host %q; the hosts are %s", id, strings.Join(hostIDs(s), ", "))
		}
		if why := a.Kind.Unable(h.Hypervisor); why != "" {
			return r, fmt.Errorf("%s: %s", id, why)
		}
	}
	if a.Kind == cluster.MoveStorage {
		if h, _ := s.Host(a.From); !slices.ContainsFunc(h.Storage, func(pool string) bool { return pool == a.Pool || strings.HasPrefix(pool, a.Pool+"@") }) {
			r.Reason += fmt.Sprintf(" (%s shares no pool %s with others: the VM cannot be moved to another host afterwards)", a.From, a.Pool)
		}
	}
	r.Action, r.Before, r.After = a, w.now, w.now
	if a.Kind == cluster.Migrate {
		v, _ := w.place.VMIndex(a.VM)
		to, _ := w.place.HostIndex(a.To)
		if w.place.At(v) < 0 || a.From == a.To {
			return r, fmt.Errorf("%s is on %s: there is nothing to move", a.Name, orNowhere(a.From))
		}
		w.take(v, to, r.Policy, r.Priority, r.Reason)
		step := w.steps[0]
		r.Before, r.After, r.Effects, r.StealRatio, r.Gain = step.before, step.after, step.effects, step.steal, step.Gain
		r.PredictedSeconds, r.PredictedDowntimeSeconds = step.PredictedSeconds, step.PredictedDowntimeSeconds
	}
	r.Made, r.Expires = at, at.Add(p.Lifetime)
	return r.Identified(), nil
}

// complete fills in what an action leaves out: the VM's UUID, its name and its host.
func (w *work) complete(a cluster.Action) (cluster.Action, error) {
	if a.Kind == cluster.Maintenance || a.Kind == cluster.Standby || a.Kind == cluster.Wake {
		return a, nil
	}
	found := w.snap.FindVMs(a.VM)
	switch len(found) {
	case 0:
		return a, fmt.Errorf("no VM has the name or UUID %q", a.VM)
	case 1:
	default:
		return a, fmt.Errorf("%d VMs are called %q; name the UUID", len(found), a.VM)
	}
	vm := found[0]
	a.VM, a.Name = vm.ID, vm.Name
	switch {
	case a.Kind == cluster.Start && a.To == "":
		a.To = vm.Host // where its definition is
	case a.Kind == cluster.Start:
	default:
		a.From = vm.Host
	}
	return a, nil
}

func hostIDs(s cluster.Snapshot) []string {
	var ids []string
	for _, h := range s.Hosts {
		ids = append(ids, h.ID)
	}
	return ids
}

func orNowhere(host string) string {
	if host == "" {
		return "no host"
	}
	return host
}

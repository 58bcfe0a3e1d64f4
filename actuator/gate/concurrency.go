package gate

import (
	"fmt"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// concurrency lets only so much happen at once.
func concurrency(q Question) cluster.Verdict {
	if why := Crowded(q.Policy, q.InFlight, q.Rec.Action); why != "" {
		return refuse("busy", why)
	}
	return pass(fmt.Sprintf("%d other actions are under way", len(q.InFlight)))
}

// Crowded says why the action must wait for those in flight, or "". It is what the gate asks, for those who want
// to know whose turn it is before they ask all gates.
func Crowded(policy Policy, inFlight []cluster.Action, a cluster.Action) string {
	p := policy.Parallel
	switch {
	case urgent(a):
		p = policy.Recovery
	case rests(a):
		p = Parallel{Cluster: 1} // a host that is emptied changes what the next would meet
	case a.Kind == cluster.Wake:
		p = Parallel{}
	}
	all, link := 0, 0
	host := map[string]int{}
	for _, b := range inFlight {
		if b.Subject() == a.Subject() {
			return "another action for the same VM or host is under way"
		}
		if urgent(a) != urgent(b) || rests(a) != rests(b) || b.Kind == cluster.Wake {
			continue // moving VMs about does not hold up what starts them, nor a host that waits until it is empty those that leave it
		}
		if a.Kind == cluster.Fence && b.Kind == cluster.Fence && policy.Domains[a.From] != "" && policy.Domains[a.From] == policy.Domains[b.From] {
			return fmt.Sprintf("%s is being turned off, which stands in the same failure domain", b.From)
		}
		all++
		for _, h := range b.Hosts() {
			host[h]++
		}
		if a.Kind == cluster.Migrate && b.Kind == cluster.Migrate && b.From == a.From && b.To == a.To {
			link++
		}
	}
	switch {
	case p.Cluster > 0 && all >= p.Cluster:
		return fmt.Sprintf("%d actions are under way, and %d may be at once", all, p.Cluster)
	case p.Link > 0 && link >= p.Link:
		return fmt.Sprintf("%d actions from %s to %s are under way, and %d may be at once", link, a.From, a.To, p.Link)
	}
	for _, h := range a.Hosts() {
		if p.Host > 0 && host[h] >= p.Host {
			return fmt.Sprintf("%d actions of %s are under way, and %d may be at once", host[h], h, p.Host)
		}
	}
	return ""
}

// rests tells whether the action puts a host into standby, which takes as long as it takes to empty it.
func rests(a cluster.Action) bool { return a.Kind == cluster.Standby }

// urgent tells whether the action starts a VM or turns a host off, which takes seconds and no network.
func urgent(a cluster.Action) bool {
	return a.Kind == cluster.Start || a.Kind == cluster.Fence || a.Kind == cluster.Forget
}

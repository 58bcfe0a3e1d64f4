package admission

import (
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// guarded is how much more work than one check a guard may do in all.
const guarded = 4

// Guard answers for one VM after the other, or one host after the other, whether starting it there would break what
// the policy asks for. It looks again only at the failures that the VM can make a difference to.
type Guard struct {
	state  *state
	policy Policy
	trials []*trial
	broken string
	known  map[[2]int]string
}

// NewGuard returns a guard of the placement.
func NewGuard(p *cluster.Placement, pol Policy, l cluster.Limits) *Guard {
	e := usual()
	e.all, e.sets = e.all*guarded, e.sets*guarded
	g := &Guard{policy: pol, known: map[[2]int]string{}}
	if !pol.Asks() {
		return g
	}
	g.state = newState(p, l.Mandatory(), &e)
	g.trials = g.state.trials(pol)
	for _, t := range g.trials {
		g.state.run(t)
		if c := g.state.verdict(t); c.short && g.broken == "" {
			g.broken = c.Reason
		}
	}
	if g.broken == "" {
		g.broken = g.rest()
	}
	return g
}

// rest says what else is too little now, beside the trials.
func (g *Guard) rest() string {
	for _, c := range g.state.percent(g.policy) {
		if c.short {
			return c.Reason
		}
	}
	if !g.state.several(g.policy) {
		return ""
	}
	return g.state.sets(g.policy.HostFailures).short()
}

// Refuses says why the VM, which runs nowhere, must not be started on the host, or "". Where there is too little
// room already, no host may take any more. VMs that no room would help, such as those with a disk that only their
// host has, are no reason to refuse others.
func (g *Guard) Refuses(v, h int) string {
	if g.state == nil {
		return ""
	}
	s, host := g.state, g.state.snap.Hosts[h].ID
	if g.broken != "" {
		return "there is too little room for failures already: " + g.broken
	}
	if slices.Contains(s.spareHosts(g.policy), h) {
		return host + " is a spare host and is kept empty"
	}
	key := [2]int{v, h}
	why, known := g.known[key]
	if !known {
		if why = g.breaks(v, h); why != "" {
			why = fmt.Sprintf("with it on %s %s", host, why)
		}
		g.known[key] = why
	}
	return why
}

// breaks says what would not be survived any more with the VM on the host, or "".
func (g *Guard) breaks(v, h int) string {
	s := g.state
	undo := s.put(v, h)
	defer undo()
	for _, t := range g.trials {
		if !g.matters(t, v, h) {
			continue
		}
		again := *t
		s.run(&again)
		if c := s.verdict(&again); c.short || slices.Contains(c.NoPlace, s.snap.VMs[v].ID) {
			return c.Reason
		}
	}
	return g.rest()
}

// matters tells whether the trial can end otherwise with the VM on the host: it is among the failed ones, or
// the witness needs the room, or a must rule ties the VM to one that is to be started.
func (g *Guard) matters(t *trial, v, h int) bool {
	s := g.state
	if slices.Contains(t.down, h) {
		return true
	}
	for _, d := range t.down {
		for _, u := range s.on[d] {
			if slices.ContainsFunc(s.ruled[u], func(r int) bool { return slices.Contains(s.ruled[v], r) }) {
				return true
			}
		}
	}
	return (t.only == nil || slices.Contains(t.only, h)) && t.out.uses(h, s) > max(0, s.free[h])
}

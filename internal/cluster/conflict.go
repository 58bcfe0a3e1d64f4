package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// Conflict is a rule or a set of rules that cannot be kept whatever moves.
type Conflict struct {
	// Rules are their names, sorted.
	Rules  []string
	Reason string
	// blocked are the VMs that are left alone because nobody can say which rule should give way.
	blocked []int
}

// Conflicts returns the rules that contradict each other, that cannot be kept on the hosts that there
// are, or that tie nothing. VMs under contradictory rules are blocked: obeying one rule rather than the
// other would be chance.
func (p *Placement) Conflicts() []Conflict { return p.rules.conflicts }

// conflicts finds them, and gives of each VM that must be together with others the hosts that the must rules
// about hosts leave to all of them.
func conflicts(list []bound, s Snapshot) (found []Conflict, common [][]bool) {
	c := &contradiction{list: list, snap: s, group: make([]int, len(s.VMs))}
	for i := range c.group {
		c.group[i] = i
	}
	found = c.empty()
	c.join()
	found = append(found, c.together()...)
	found = append(found, c.nowhere()...)
	return append(found, c.crowded()...), c.common()
}

func (c *contradiction) common() [][]bool {
	common := make([][]bool, len(c.snap.VMs))
	for _, root := range c.roots() {
		if len(c.joining(root)) == 0 || len(c.hostRules(root)) == 0 {
			continue
		}
		allowed := c.allowed(root)
		for _, v := range c.members(root) {
			common[v] = allowed
		}
	}
	return common
}

// contradiction looks at must rules alone: a should rule gives way.
type contradiction struct {
	list  []bound
	snap  Snapshot
	group []int // of each VM, one VM of those that must be together with it
}

func (c *contradiction) find(v int) int {
	for c.group[v] != v {
		c.group[v] = c.group[c.group[v]]
		v = c.group[v]
	}
	return v
}

// empty finds rules that tie nothing.
func (c *contradiction) empty() []Conflict {
	var found []Conflict
	for _, b := range c.list {
		least := 2
		if b.kind.aboutHosts() {
			least = 1
		}
		switch {
		case len(b.members) < least:
			found = append(found, Conflict{Rules: []string{b.name}, Reason: fmt.Sprintf("rule %s (%s) names %d VMs that are known now and ties nothing", b.name, b.kind, len(b.members))})
		case b.kind == VMHostAffinity && !slices.Contains(b.hosts, true):
			found = append(found, Conflict{Rules: []string{b.name}, Reason: fmt.Sprintf("rule %s (%s) names no host that is known now", b.name, b.kind), blocked: b.members})
		}
	}
	return found
}

// join puts VMs that must be together into one group.
func (c *contradiction) join() {
	for _, b := range c.list {
		if b.kind != VMVMAffinity || b.strength != Must {
			continue
		}
		for _, v := range b.members[min(1, len(b.members)):] {
			c.group[c.find(v)] = c.find(b.members[0])
		}
	}
}

// together finds VMs that must be together and must be apart.
func (c *contradiction) together() []Conflict {
	var found []Conflict
	for _, b := range c.list {
		if b.kind != VMVMAntiAffinity || b.strength != Must {
			continue
		}
		first := map[int]int{}
		for _, v := range b.members {
			w, met := first[c.find(v)]
			if !met {
				first[c.find(v)] = v
				continue
			}
			names := append(c.joining(c.find(v)), b.name)
			found = append(found, c.conflict(names, c.members(c.find(v)), fmt.Sprintf("%s and %s must be together and must be apart", c.snap.VMs[w].Label(), c.snap.VMs[v].Label())))
			break
		}
	}
	return found
}

// nowhere finds groups for which the rules about hosts leave no host.
func (c *contradiction) nowhere() []Conflict {
	var found []Conflict
	for _, v := range c.roots() {
		names := c.hostRules(v)
		if len(names) < 2 && len(c.joining(v)) == 0 || slices.Contains(c.allowed(v), true) {
			continue
		}
		if len(names) > 0 {
			found = append(found, c.conflict(append(names, c.joining(v)...), c.members(v), fmt.Sprintf("they leave no host for %s", c.snap.VMs[v].Label())))
		}
	}
	return found
}

// crowded finds VMs that must be apart on fewer hosts than there are of them. The rule is still kept as
// far as it can be.
func (c *contradiction) crowded() []Conflict {
	var found []Conflict
	for _, b := range c.list {
		if b.kind != VMVMAntiAffinity || b.strength != Must {
			continue
		}
		room := make([]bool, len(c.snap.Hosts))
		for _, v := range b.members {
			for h, ok := range c.allowed(c.find(v)) {
				room[h] = room[h] || ok
			}
		}
		hosts := 0
		for _, ok := range room {
			if ok {
				hosts++
			}
		}
		if hosts < len(b.members) {
			found = append(found, Conflict{Rules: []string{b.name}, Reason: fmt.Sprintf("rule %s wants %d VMs apart and there are %d hosts for them", b.name, len(b.members), hosts)})
		}
	}
	return found
}

func (c *contradiction) conflict(names []string, vms []int, reason string) Conflict {
	slices.Sort(names)
	names = slices.Compact(names)
	return Conflict{Rules: names, Reason: fmt.Sprintf("rules %s: %s", strings.Join(names, ", "), reason), blocked: vms}
}

// roots are one VM of each group that a must rule names, in their order.
func (c *contradiction) roots() []int {
	var roots []int
	for _, b := range c.list {
		for _, v := range b.members {
			if b.strength == Must {
				roots = append(roots, c.find(v))
			}
		}
	}
	slices.Sort(roots)
	return slices.Compact(roots)
}

func (c *contradiction) members(root int) []int {
	var vms []int
	for v := range c.group {
		if c.find(v) == root {
			vms = append(vms, v)
		}
	}
	return vms
}

// joining names the rules that hold the group together.
func (c *contradiction) joining(root int) []string {
	return c.names(root, func(b bound) bool { return b.kind == VMVMAffinity })
}

// hostRules names the must rules that tie the group to hosts.
func (c *contradiction) hostRules(root int) []string {
	return c.names(root, func(b bound) bool { return b.kind.aboutHosts() })
}

func (c *contradiction) names(root int, want func(bound) bool) []string {
	var names []string
	for _, b := range c.list {
		if b.strength == Must && want(b) && len(b.members) > 0 && slices.ContainsFunc(b.members, func(v int) bool { return c.find(v) == root }) {
			names = append(names, b.name)
		}
	}
	return names
}

// allowed tells which hosts the must rules about hosts leave to the group.
func (c *contradiction) allowed(root int) []bool {
	ok := make([]bool, len(c.snap.Hosts))
	for h := range ok {
		ok[h] = true
	}
	for _, b := range c.list {
		if b.strength != Must || !b.kind.aboutHosts() || !slices.ContainsFunc(b.members, func(v int) bool { return c.find(v) == root }) {
			continue
		}
		for h := range ok {
			ok[h] = ok[h] && b.hosts[h] == (b.kind == VMHostAffinity)
		}
	}
	return ok
}

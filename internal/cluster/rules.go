package cluster

import "fmt"

// violations counts how far a rule is from holding: the VMs that would have to move.
// VMs that run nowhere break nothing.
func (p *Placement) violations(r Rule) int {
	switch r.Kind {
	case VMVMAffinity:
		return max(0, len(p.spread(r))-1)
	case VMVMAntiAffinity:
		extra := 0
		for _, n := range p.spread(r) {
			extra += n - 1
		}
		return extra
	case VMHostAffinity, VMHostAntiAffinity:
		wrong := 0
		for _, id := range r.VMs {
			host := p.HostOf(id)
			if host != "" && contains(r.Hosts, host) != (r.Kind == VMHostAffinity) {
				wrong++
			}
		}
		return wrong
	case RuleNone:
	}
	return 0
}

// spread counts the rule's VMs for each host that has any.
func (p *Placement) spread(r Rule) map[int]int {
	on := make(map[int]int, len(r.VMs))
	for _, id := range r.VMs {
		if v, ok := p.vmAt[id]; ok && p.place[v] >= 0 {
			on[p.place[v]]++
		}
	}
	return on
}

// violationsOf counts the violations of every rule that names the VM.
func (p *Placement) violationsOf(v int) int {
	sum := 0
	for _, r := range p.rulesOf[v] {
		sum += p.violations(p.snap.Rules[r])
	}
	return sum
}

// against names a rule that forbids the VM on the host: a must rule that would be further from
// holding, or should rules that together would be.
func (p *Placement) against(v, host int) string {
	was, should, name := p.place[v], 0, ""
	for _, i := range p.rulesOf[v] {
		r := p.snap.Rules[i]
		now := p.violations(r)
		p.place[v] = host
		more := p.violations(r) - now
		p.place[v] = was
		if more > 0 && r.Strength == Must {
			return fmt.Sprintf("rule %s (%s, must) would be broken", r.Name, r.Kind)
		}
		if more > 0 {
			name = r.Name
		}
		should += more
	}
	if should > 0 {
		return fmt.Sprintf("rule %s (should) would be broken", name)
	}
	return ""
}

// violationsAt counts them as they would be with the VM on another host.
func (p *Placement) violationsAt(v, host int) int {
	if len(p.rulesOf[v]) == 0 {
		return 0
	}
	was := p.place[v]
	p.place[v] = host
	sum := p.violationsOf(v)
	p.place[v] = was
	return sum
}

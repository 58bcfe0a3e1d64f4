package cluster

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

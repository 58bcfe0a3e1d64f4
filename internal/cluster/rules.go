package cluster

import (
	"fmt"
	"path"
	"slices"
)

// rules are a snapshot's rules with the VMs and hosts that they name found, and how far each is from
// holding in the placement.
type rules struct {
	list []bound
	of   [][]int // of each VM, the rules that name it
	// contradicted says of each VM why the rules that name it cannot all be kept, "" mostly.
	contradicted []string
	conflicts    []Conflict
	// common are, of each VM that must be together with others, the hosts where all of them may be; nil for any.
	common [][]bool
	broken int
}

// bound is one rule in a placement.
type bound struct {
	name     string
	kind     RuleKind
	strength RuleStrength
	members  []int
	hosts    []bool // of each host, whether the rule names it
	// bucket is where each host's VMs are counted: by host or, for a spread, by failure domain.
	bucket   []int
	count    []int // VMs of the rule in each bucket
	placed   int   // VMs of the rule that are somewhere
	distinct int   // buckets that have any
	wrong    int   // VMs of the rule on hosts where they should not be
	domains  int   // failure domains with a usable host, of a spread
	place    []int // the placement's own
}

func newRules(p *Placement) rules {
	s := p.snap
	r := rules{of: make([][]int, len(s.VMs)), contradicted: make([]string, len(s.VMs))}
	if len(s.Rules) == 0 {
		return r
	}
	for i, rule := range s.Rules {
		b := bind(rule, p)
		for _, v := range b.members {
			r.of[v] = append(r.of[v], i)
			if at := p.place[v]; at >= 0 {
				b.add(at, 1)
			}
		}
		r.list = append(r.list, b)
	}
	for i := range r.list {
		r.broken += r.list[i].violations()
	}
	r.conflicts, r.common = conflicts(r.list, s)
	for _, c := range r.conflicts {
		for _, v := range c.blocked {
			r.contradicted[v] = "the rules that name it contradict each other: " + c.Reason
		}
	}
	return r
}

// bind finds the VMs and hosts that the rule names.
func bind(rule Rule, p *Placement) bound {
	s := p.snap
	b := bound{name: rule.Name, kind: rule.Kind, strength: rule.Strength, hosts: make([]bool, len(s.Hosts)), bucket: make([]int, len(s.Hosts)), place: p.place}
	for i := range s.VMs {
		if rule.namesVM(&s.VMs[i]) {
			b.members = append(b.members, i)
		}
	}
	domains, usable := map[string]int{}, map[string]bool{}
	for i, h := range s.Hosts {
		b.hosts[i] = slices.Contains(rule.Hosts, h.ID) || slices.Contains(rule.FailureDomains, h.FailureDomain) || slices.ContainsFunc(h.Tags, func(t string) bool { return slices.Contains(rule.HostTags, t) })
		b.bucket[i] = i
		if rule.Kind == VMVMSpread {
			if _, ok := domains[h.FailureDomain]; !ok {
				domains[h.FailureDomain] = len(domains)
			}
			b.bucket[i] = domains[h.FailureDomain]
			usable[h.FailureDomain] = usable[h.FailureDomain] || p.usable[i]
		}
	}
	for _, ok := range usable {
		if ok {
			b.domains++
		}
	}
	b.count = make([]int, len(s.Hosts))
	return b
}

func (r Rule) namesVM(v *VM) bool {
	if slices.Contains(r.VMs, v.ID) || v.Name != "" && slices.Contains(r.VMs, v.Name) {
		return true
	}
	if slices.ContainsFunc(v.Tags, func(t string) bool { return slices.Contains(r.VMTags, t) }) {
		return true
	}
	return slices.ContainsFunc(r.VMNames, func(pattern string) bool {
		ok, err := path.Match(pattern, v.Name)
		return ok && err == nil // Problem refuses patterns that cannot be read
	})
}

// add counts (1) or uncounts (-1) one VM on the host.
func (b *bound) add(host, sign int) {
	at := b.bucket[host]
	if b.count[at] == 0 {
		b.distinct++
	}
	b.count[at] += sign
	if b.count[at] == 0 {
		b.distinct--
	}
	b.placed += sign
	if b.hosts[host] != (b.kind == VMHostAffinity) {
		b.wrong += sign
	}
}

// violations counts how far the rule is from holding: the VMs that would have to move. VMs that are
// nowhere break nothing.
func (b *bound) violations() int {
	switch b.kind {
	case VMVMAffinity:
		return b.placed - b.largest()
	case VMVMAntiAffinity:
		return b.placed - b.distinct
	case VMHostAffinity, VMHostAntiAffinity:
		return b.wrong
	case VMVMSpread:
		return b.beyond()
	case RuleNone:
	}
	return 0
}

// distance is violations, made stricter for an affinity: VMs on fewer hosts are nearer to being together. The
// first of them to be started anywhere takes nothing from that.
func (b *bound) distance() int {
	if b.kind == VMVMAffinity {
		return b.violations() + max(0, b.distinct-1)
	}
	return b.violations()
}

// largest is the number of the rule's VMs on the host that has the most of them.
func (b *bound) largest() int {
	most := 0
	for _, v := range b.members {
		if at := b.place[v]; at >= 0 {
			most = max(most, b.count[b.bucket[at]])
		}
	}
	return most
}

// beyond counts the VMs in domains that have more than an even spread gives them.
func (b *bound) beyond() int {
	if b.domains == 0 {
		return 0
	}
	share := (b.placed + b.domains - 1) / b.domains
	sum := 0
	for _, n := range b.count {
		sum += max(0, n-share)
	}
	return sum
}

// move carries the VM's move into the counts, before the placement itself knows of it.
func (r *rules) move(v, from, to int) {
	for _, i := range r.of[v] {
		b := &r.list[i]
		r.broken -= b.violations()
		b.shift(v, from, to)
		r.broken += b.violations()
		b.place[v] = from
	}
}

// shift counts the VM at its new place; the caller sets its place back.
func (b *bound) shift(v, from, to int) {
	if from >= 0 {
		b.add(from, -1)
	}
	if to >= 0 {
		b.add(to, 1)
	}
	b.place[v] = to
}

// after returns how many more VMs would break the rule, and how much further it would be from holding,
// with the VM on another host.
func (b *bound) after(v, from, to int) (violations, distance int) {
	violations, distance = -b.violations(), -b.distance()
	b.shift(v, from, to)
	violations, distance = violations+b.violations(), distance+b.distance()
	b.shift(v, to, from)
	return violations, distance
}

// against names a rule that forbids the VM on the host: a must rule that would be further from
// holding, or should rules that together would be.
func (r *rules) against(v, from, to int, l Limits) string {
	should, name := 0, ""
	for _, i := range r.of[v] {
		b := &r.list[i]
		_, more := b.after(v, from, to)
		if more > 0 && b.strength == Must {
			return fmt.Sprintf("rule %s (%s, must) would be broken", b.name, b.kind)
		}
		if more > 0 {
			name = b.name
		}
		if b.strength == Should {
			should += more
		}
	}
	if should > 0 && !l.BreakShould {
		return fmt.Sprintf("rule %s (should) would be broken", name)
	}
	return ""
}

// more is how many more VMs would break rules with the VM on another host.
func (r *rules) more(v, from, to int) int {
	sum := 0
	for _, i := range r.of[v] {
		n, _ := r.list[i].after(v, from, to)
		sum += n
	}
	return sum
}

// Common tells whether the must rules about hosts let the VM be on the host, and all those that must be together
// with it.
func (p *Placement) Common(v, h int) bool {
	return p.rules.common == nil || p.rules.common[v] == nil || p.rules.common[v][h]
}

// RuleChange is how many more VMs would break rules with the VM on the host; below 0, how many fewer.
func (p *Placement) RuleChange(v, h int) int { return p.rules.more(v, p.place[v], h) }

// RuleState is how a rule stands in a placement.
type RuleState struct {
	Rule Rule
	// Violations is the number of VMs that would have to move for it to hold.
	Violations int
	// VMs and Hosts are the places in the snapshot of what it names.
	VMs, Hosts []int
}

// RuleStates tells how the rules stand, in the snapshot's order.
func (p *Placement) RuleStates() []RuleState {
	var states []RuleState
	for i := range p.rules.list {
		b := &p.rules.list[i]
		st := RuleState{Rule: p.snap.Rules[i], Violations: b.violations(), VMs: b.members}
		for h, named := range b.hosts {
			if named {
				st.Hosts = append(st.Hosts, h)
			}
		}
		states = append(states, st)
	}
	return states
}

// RuleGain is how much nearer to holding the must and the should rules that name the VM come when it
// moves to the host; below 0 they go further away.
func (p *Placement) RuleGain(v, h int) (must, should int) {
	for _, i := range p.rules.of[v] {
		b := &p.rules.list[i]
		_, more := b.after(v, p.place[v], h)
		if b.strength == Must {
			must -= more
		} else {
			should -= more
		}
	}
	return must, should
}

// SharesRule tells whether a rule names both VMs.
func (p *Placement) SharesRule(v, w int) bool {
	return slices.ContainsFunc(p.rules.of[v], func(r int) bool { return slices.Contains(p.rules.of[w], r) })
}

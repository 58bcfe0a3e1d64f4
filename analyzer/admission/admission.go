// Package admission says whether a cluster would survive the failures that its operator wants it to survive:
// for every host, or set of hosts, or failure domain that may fail, whether the VMs of the failed hosts can be
// started on the others, and with which placement. The answer is exact and not by slots: memory, what a VM must
// reach and must rules count as a restart would find them, VMs that run elsewhere stay where they are, and CPU
// may run short. The package is pure. It moves nothing, and where it cannot prove that there is a placement
// within its bound on work, it says so and the case counts as not survived.
package admission

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Policy is what the operator wants the cluster to survive. The zero Policy asks for nothing.
type Policy struct {
	// HostFailures is how many hosts may fail at once, any of them, 0 to 3; 0 for no such wish.
	HostFailures int
	// FailureDomain asks that any failure domain may fail as a whole.
	FailureDomain bool
	// Percent of the cluster's CPU and memory is to be free, 0 to 100; 0 for no such wish.
	Percent float64
	// SpareHosts are kept empty, and together take the VMs of any one other host.
	SpareHosts []string
}

// Asks tells whether the policy asks for anything.
func (p Policy) Asks() bool {
	return p.HostFailures > 0 || p.FailureDomain || p.Percent > 0 || len(p.SpareHosts) > 0
}

// The kinds of case: the values of the metrics' label case_kind.
const (
	KindHost    = "host"
	KindDomain  = "domain"
	KindPercent = "percent"
	KindSpare   = "spare"
)

// Start is one line of a witness: where a VM of a failed host could be started.
type Start struct {
	VM   string
	Host string
}

// Case is one thing that the policy asks for, and how it stands.
type Case struct {
	Kind string
	// Subject is the host, the failure domain or, of kind percent, "cpu" or "memory".
	Subject string
	OK      bool
	// Unproven tells that no placement was found and that there is none was not proven either.
	Unproven bool
	// Reason says why it is not OK, with numbers.
	Reason string
	// Failed are the hosts that fail at once in it, sorted. Of several sets with the subject it is the worst.
	Failed []string
	// NoPlace are the VMs that would find no place, by ID.
	NoPlace []string
	// Witness is a placement that works, sorted by VM; empty where it is not OK or nothing fails.
	Witness []Start
	// HeadroomBytes is how much more memory could be started beside the witness, in VMs of the cluster's median
	// size on whatever host has room for one: a lower bound. 0 where it is not OK; not known for CPU.
	HeadroomBytes cluster.Number
	// NeededBytes is what would have to be started, FreeBytes what may still be promised on the hosts left.
	NeededBytes, FreeBytes int64

	// short tells that there is too little room: it is not OK, and not only because of VMs that no room would help.
	short bool
}

// Report says of everything that the policy asks for how it stands, host by host, then domains, percent, spares.
type Report struct {
	Cases []Case
	// Sets is how many sets of several hosts may fail at once. All but the Unchecked ones were proven, some of
	// them together by one bound.
	Sets, Unchecked int
}

// OK tells whether everything that was asked for is there.
func (r Report) OK() bool { return len(r.Broken()) == 0 }

// Broken lists the cases that are not OK.
func (r Report) Broken() []Case {
	var broken []Case
	for _, c := range r.Cases {
		if !c.OK {
			broken = append(broken, c)
		}
	}
	return broken
}

// Check holds the placement against the policy. VMs count where they stand in the placement.
func Check(p *cluster.Placement, pol Policy, l cluster.Limits) Report {
	return check(p, pol, l, usual())
}

func check(p *cluster.Placement, pol Policy, l cluster.Limits, e effort) Report {
	if !pol.Asks() {
		return Report{}
	}
	s := newState(p, l.Mandatory(), &e)
	var r Report
	for _, t := range s.trials(pol) {
		s.run(t)
		r.Cases = append(r.Cases, s.verdict(t))
	}
	if s.several(pol) {
		s.sets(pol.HostFailures).into(&r)
	}
	r.Cases = append(r.Cases, s.percent(pol)...)
	r.Cases = append(r.Cases, s.spares(pol)...)
	slices.SortStableFunc(r.Cases, func(a, b Case) int { return rank(a.Kind) - rank(b.Kind) })
	return r
}

// rank is the order in which kinds of case are told.
func rank(kind string) int {
	return slices.Index([]string{KindHost, KindDomain, KindPercent, KindSpare}, kind)
}

// MayBeOff tells whether the hosts may be powered off: they are empty, and without them everything that the
// policy asks for is there. The sentence says why not.
func MayBeOff(s cluster.Snapshot, hosts []string, pol Policy, l cluster.Limits) (ok bool, why string) {
	s.Hosts = slices.Clone(s.Hosts)
	for _, id := range hosts {
		at := slices.IndexFunc(s.Hosts, func(h cluster.Host) bool { return h.ID == id })
		if at < 0 {
			return false, fmt.Sprintf("there is no host %s in the snapshot", id)
		}
		for _, v := range s.VMs {
			if (v.Host == id || v.MigratingTo == id) && v.State.Active() {
				return false, fmt.Sprintf("%s is not empty: %s is on it", id, v.Label())
			}
		}
		s.Hosts[at].State = cluster.HostStandby
	}
	if broken := Check(cluster.NewPlacement(s), pol, l).Broken(); len(broken) > 0 {
		return false, "without " + strings.Join(hosts, ", ") + ": " + broken[0].Reason
	}
	return true, ""
}

// trial is one failure that is tried by itself.
type trial struct {
	kind, subject string
	down          []int
	// only are the hosts on which alone VMs may be started; nil for all that are left.
	only []int
	out  outcome
}

// trials lists what is tried host by host and domain by domain.
func (s *state) trials(pol Policy) []*trial {
	var list []*trial
	if s.counts(pol) {
		for h := range s.snap.Hosts {
			if s.seen[h] {
				list = append(list, &trial{kind: KindHost, subject: s.snap.Hosts[h].ID, down: []int{h}})
			}
		}
	}
	if pol.FailureDomain {
		var names []string
		members := map[string][]int{}
		for h, host := range s.snap.Hosts {
			if d := host.FailureDomain; d != "" && s.seen[h] {
				if members[d] == nil {
					names = append(names, d)
				}
				members[d] = append(members[d], h)
			}
		}
		slices.Sort(names)
		for _, d := range names {
			list = append(list, &trial{kind: KindDomain, subject: d, down: members[d]})
		}
	}
	spares := s.spareHosts(pol)
	for h := range s.snap.Hosts {
		if len(spares) > 0 && s.seen[h] && !slices.Contains(spares, h) {
			list = append(list, &trial{kind: KindSpare, subject: s.snap.Hosts[h].ID, down: []int{h}, only: spares})
		}
	}
	return list
}

// counts tells whether failures of hosts can be asked for: a cluster of as many hosts as may fail has nothing to
// fail over to, whatever is done.
func (s *state) counts(pol Policy) bool {
	return pol.HostFailures > 0 && len(s.snap.Hosts) > pol.HostFailures
}

func (s *state) several(pol Policy) bool { return s.counts(pol) && pol.HostFailures > 1 }

// spareHosts are the places in the snapshot of the spares that are there.
func (s *state) spareHosts(pol Policy) []int {
	var list []int
	for _, id := range pol.SpareHosts {
		if h, ok := s.place.HostIndex(id); ok {
			list = append(list, h)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// verdict turns what came of a trial into a case.
func (s *state) verdict(t *trial) Case {
	o := t.out
	c := Case{Kind: t.kind, Subject: t.subject, Failed: s.names(t.down), NeededBytes: o.needed, FreeBytes: o.free, HeadroomBytes: cluster.Known(0),
		OK: o.packed && len(o.stranded) == 0, Unproven: o.unproven, short: !o.packed}
	for _, v := range slices.Concat(o.stranded, o.missing) {
		c.NoPlace = append(c.NoPlace, s.snap.VMs[v].ID)
	}
	if !c.OK {
		c.Reason = s.reason(t)
		return c
	}
	c.HeadroomBytes = cluster.Known(float64(o.headroom))
	for _, st := range o.starts {
		c.Witness = append(c.Witness, Start{VM: s.snap.VMs[st.vm].ID, Host: s.snap.Hosts[st.host].ID})
	}
	slices.SortFunc(c.Witness, func(a, b Start) int { return strings.Compare(a.VM, b.VM) })
	return c
}

func (s *state) names(hosts []int) []string {
	var list []string
	for _, h := range hosts {
		list = append(list, s.snap.Hosts[h].ID)
	}
	return list
}

// reason says which failure is not survived, which VM has no place, and by which numbers.
func (s *state) reason(t *trial) string {
	o, what := t.out, "the failure of "+some(s.names(t.down))
	if t.kind == KindDomain {
		what = fmt.Sprintf("the failure of domain %s (%s)", t.subject, some(s.names(t.down)))
	}
	start := "the cluster would not survive " + what
	if t.only != nil {
		start = fmt.Sprintf("the spare hosts (%s) could not take over after %s", some(s.names(t.only)), what)
	}
	if o.packed {
		v := o.stranded[0]
		return fmt.Sprintf("%s: %s%s could be started nowhere else: %s. Mend that, or set its restart-priority to disabled", start, s.label(v), more(len(o.stranded)-1), s.stranded(v, t))
	}
	numbers := fmt.Sprintf("%.1f GiB would have to be started, %.1f GiB may still be promised on the %d hosts left, at most %.1f GiB on one", gib(o.needed), gib(o.free), o.left, gib(o.largest))
	if o.unproven {
		return fmt.Sprintf("it is not proven that the cluster would survive %s, and that counts as no: no place was found for %s within %d steps of search; %s", what, s.label(o.missing[0]), s.effort.each, numbers)
	}
	return fmt.Sprintf("%s: %s%s would have no room; %s", start, s.label(o.missing[0]), more(len(o.missing)-1), numbers)
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more VMs", n)
}

func (s *state) label(v int) string {
	vm := &s.snap.VMs[v]
	return fmt.Sprintf("%s (%.1f GiB, %.2f cores)", vm.Label(), gib(vm.MemoryBytes), vm.CPUDemandCores)
}

// stranded says what keeps the VM from every host that is left.
func (s *state) stranded(v int, t *trial) string {
	vm := &s.snap.VMs[v]
	if vm.LocalDisk != "" {
		return vm.LocalDisk
	}
	if vm.MemoryBytes <= 0 {
		return "its size is not known"
	}
	best := -1
	for h := range s.snap.Hosts {
		if s.takes[h] && !slices.Contains(t.down, h) && (t.only == nil || slices.Contains(t.only, h)) && (best < 0 || s.free[h] > s.free[best]) {
			best = h
		}
	}
	if best < 0 {
		return "no host is left"
	}
	if !s.reaches[s.place.VMClass(v)][best] || s.rooms[best] < vm.MemoryBytes {
		if _, why := s.place.Obstacle(v, best, s.limits); why != "" {
			return why
		}
	}
	return "must rules leave no host for it"
}

// percent checks that enough of the cluster is free. Hosts that cannot be used count for nothing.
func (s *state) percent(pol Policy) []Case {
	if pol.Percent <= 0 {
		return nil
	}
	var cores, cpu, bytes, promised float64
	for h, host := range s.snap.Hosts {
		if s.takes[h] {
			cores, bytes = cores+host.CPUCores, bytes+float64(host.MemoryBytes)
			cpu, promised = cpu+s.cpu[h], promised+float64(s.promised[h])
		}
	}
	part := func(subject string, whole, used, unit float64, name string) Case {
		want, free := whole*pol.Percent/100, whole-used
		c := Case{Kind: KindPercent, Subject: subject, OK: free >= want && whole > 0}
		c.short = !c.OK
		if !c.OK {
			c.Reason = fmt.Sprintf("%.1f of %.1f %s are free, and %g %% (%.1f) are to be: %s is short by %.1f", free/unit, whole/unit, name, pol.Percent, want/unit, subject, (want-free)/unit)
		}
		return c
	}
	memory := part("memory", bytes, promised, 1<<30, "GiB of the cluster's memory")
	memory.HeadroomBytes = cluster.Known(max(0, bytes-promised-bytes*pol.Percent/100))
	return []Case{part("cpu", cores, cpu, 1, "of the cluster's cores"), memory}
}

// spares checks that each spare is there and empty.
func (s *state) spares(pol Policy) []Case {
	var cases []Case
	for _, id := range pol.SpareHosts {
		c := Case{Kind: KindSpare, Subject: id}
		h, known := s.place.HostIndex(id)
		switch {
		case !known:
			c.Reason = fmt.Sprintf("spare host %s is not in the snapshot", id)
		case !s.takes[h]:
			c.Reason = fmt.Sprintf("spare host %s is %s or could not be seen", id, s.snap.Hosts[h].State)
		default:
			if v := slices.Index(s.at, h); v >= 0 {
				c.Reason = fmt.Sprintf("spare host %s is not empty: %s is on it. Move it away", id, s.label(v))
			}
		}
		c.OK = c.Reason == ""
		cases = append(cases, c)
	}
	return cases
}

// some lists a few and says how many more there are.
func some(list []string) string {
	const most = 6
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

func gib(b int64) float64 { return float64(b) / (1 << 30) }

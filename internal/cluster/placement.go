package cluster

import (
	"fmt"
	"math"
)

// Limits say how full a host may be after a VM was placed on it.
type Limits struct {
	// MaxCPUUtilisation is the highest CPU utilisation of a target, 0 to 1, reserve included.
	MaxCPUUtilisation float64
	// MaxMemoryUtilisation is the highest share of a target's memory that may be promised to VMs
	// (their configured sizes) and to the host's reserve, 0 to 1.
	MaxMemoryUtilisation float64
}

// Assessment is a cluster in a few numbers. Utilisations are ratios; 1 is a full host and a CPU
// utilisation above 1 means that VMs want more than there is.
type Assessment struct {
	// Score is 0 (bad) to 100: see Score.
	Score                   float64 `json:"score"`
	CPUUtilisationStddev    float64 `json:"cpu_utilisation_stddev"`
	MemoryUtilisationStddev float64 `json:"memory_utilisation_stddev"`
	MaxCPUUtilisation       float64 `json:"max_cpu_utilisation"`
	MaxMemoryUtilisation    float64 `json:"max_memory_utilisation"`
	MeanCPUUtilisation      float64 `json:"mean_cpu_utilisation"`
	MeanMemoryUtilisation   float64 `json:"mean_memory_utilisation"`
	// ContendedCPUCores is what VMs want beyond what their hosts have, summed over hosts.
	ContendedCPUCores float64 `json:"contended_cpu_cores"`
	// StealCPUCores is the measured waiting of vCPUs. It is known of the present, never of a plan.
	StealCPUCores  Number `json:"steal_cpu_cores,omitzero"`
	RuleViolations int    `json:"rule_violations"`
}

// Load is what one host carries in a placement.
type Load struct {
	Host              string    `json:"host"`
	State             HostState `json:"state"`
	VMs               int       `json:"vms"`
	CPUUtilisation    float64   `json:"cpu_utilisation"`
	MemoryUtilisation float64   `json:"memory_utilisation"`
}

// Placement is a snapshot in which VMs can be moved on paper. It answers what a move would do
// and whether it is legal in the state as planned so far. It is not safe for concurrent use.
type Placement struct {
	snap     Snapshot
	hostAt   map[string]int
	vmAt     map[string]int
	place    []int // of each VM, the index of its host or -1
	usable   []bool
	blocked  []string // of each VM, why it cannot be moved at all
	rulesOf  [][]int  // of each VM, the rules that name it
	cpu      []float64
	memory   []float64
	promised []int64
	vms      []int
	totals   totals
	broken   int
}

// NewPlacement returns the placement that the snapshot shows.
func NewPlacement(s Snapshot) *Placement {
	p := &Placement{
		snap:   s,
		hostAt: make(map[string]int, len(s.Hosts)), vmAt: make(map[string]int, len(s.VMs)),
		place: make([]int, len(s.VMs)), usable: make([]bool, len(s.Hosts)),
		blocked: make([]string, len(s.VMs)), rulesOf: make([][]int, len(s.VMs)),
		cpu: make([]float64, len(s.Hosts)), memory: make([]float64, len(s.Hosts)),
		promised: make([]int64, len(s.Hosts)), vms: make([]int, len(s.Hosts)),
	}
	gaps := make(map[string]string, len(s.Gaps))
	for _, g := range s.Gaps {
		gaps[g.Subject] = g.Reason
	}
	for i, h := range s.Hosts {
		p.hostAt[h.ID] = i
		p.usable[i] = h.State == HostUp && gaps[HostSubject(h.ID)] == ""
		p.cpu[i], p.memory[i], p.promised[i] = h.ReservedCPUCores, float64(h.ReservedMemoryBytes), h.ReservedMemoryBytes
	}
	for i, v := range s.VMs {
		p.vmAt[v.ID] = i
		p.place[i] = -1
		host := v.Host
		if v.MigratingTo != "" {
			host = v.MigratingTo
		}
		if at, ok := p.hostAt[host]; ok && v.State.Active() {
			p.put(i, at, 1)
		}
		p.blocked[i] = blocked(v, gaps[VMSubject(v.ID)])
	}
	for r, rule := range s.Rules {
		for _, id := range rule.VMs {
			if v, ok := p.vmAt[id]; ok {
				p.rulesOf[v] = append(p.rulesOf[v], r)
			}
		}
		p.broken += p.violations(rule)
	}
	p.total()
	return p
}

func blocked(v VM, gap string) string {
	switch {
	case gap != "":
		return gap
	case v.MigratingTo != "":
		return "it is being migrated to " + v.MigratingTo
	case v.State != VMRunning:
		return "it is " + v.State.String()
	case !v.Movable && v.ImmovableReason != "":
		return v.ImmovableReason
	case !v.Movable:
		return "it is not known to be movable"
	}
	return ""
}

// put adds (sign 1) or removes (sign -1) a VM's weight.
func (p *Placement) put(v, host int, sign float64) {
	vm := p.snap.VMs[v]
	p.cpu[host] += sign * vm.CPUDemandCores
	p.memory[host] += sign * float64(vm.MemoryDemandBytes)
	p.promised[host] += int64(sign) * vm.MemoryBytes
	p.vms[host] += int(sign)
	if sign > 0 {
		p.place[v] = host
	}
}

// HostOf returns where the VM stands in this placement, "" for nowhere.
func (p *Placement) HostOf(vm string) string {
	v, ok := p.vmAt[vm]
	if !ok || p.place[v] < 0 {
		return ""
	}
	return p.snap.Hosts[p.place[v]].ID
}

// Usable tells whether the host can take part in a plan: it is up and was seen without a gap.
func (p *Placement) Usable(host string) bool {
	h, ok := p.hostAt[host]
	return ok && p.usable[h]
}

// Blocked returns why the VM cannot be moved anywhere, or "" when it can.
func (p *Placement) Blocked(vm string) string {
	v, ok := p.vmAt[vm]
	if !ok {
		return "it is not in the snapshot"
	}
	return p.blocked[v]
}

// Move puts the VM on the host, legal or not. Both must be in the snapshot.
func (p *Placement) Move(vm, to string) {
	v, h := p.vmAt[vm], p.hostAt[to]
	before := p.violationsOf(v)
	if p.place[v] >= 0 {
		p.put(v, p.place[v], -1)
	}
	p.put(v, h, 1)
	p.broken += p.violationsOf(v) - before
	p.total()
}

// Illegal returns why the VM may not be moved to the host in the state as planned so far, or "".
// It looks at what can be reached, at capacity and at rules; whether the move is any good is not
// its business.
func (p *Placement) Illegal(vm, to string, l Limits) string {
	v, ok := p.vmAt[vm]
	if !ok {
		return "VM " + vm + " is not in the snapshot"
	}
	h, ok := p.hostAt[to]
	if !ok {
		return "host " + to + " is not in the snapshot"
	}
	if p.blocked[v] != "" {
		return p.blocked[v]
	}
	if p.place[v] == h {
		return "it is there already"
	}
	if !p.usable[h] {
		return to + " is " + p.snap.Hosts[h].State.String() + " or could not be seen"
	}
	if why := unreachable(p.snap.VMs[v], p.snap.Hosts[h]); why != "" {
		return why
	}
	if why := p.overfull(v, h, l); why != "" {
		return why
	}
	return p.against(v, h)
}

func unreachable(v VM, h Host) string {
	if v.CPUCompat != "" && v.CPUCompat != h.CPUCompat {
		return fmt.Sprintf("%s has CPUs of group %q and the VM needs %q", h.ID, h.CPUCompat, v.CPUCompat)
	}
	for _, s := range v.Storage {
		if !contains(h.Storage, s) {
			return h.ID + " does not reach storage " + s
		}
	}
	for _, n := range v.Networks {
		if !contains(h.Networks, n) {
			return h.ID + " does not reach network " + n
		}
	}
	return ""
}

func (p *Placement) overfull(v, h int, l Limits) string {
	vm, host := p.snap.VMs[v], p.snap.Hosts[h]
	if want, have := p.cpu[h]+vm.CPUDemandCores, host.CPUCores*l.MaxCPUUtilisation; want > have {
		return fmt.Sprintf("%s would need %.2f cores of CPU and may use %.2f of %g", host.ID, want, have, host.CPUCores)
	}
	if want, have := p.promised[h]+vm.MemoryBytes, float64(host.MemoryBytes)*l.MaxMemoryUtilisation; float64(want) > have {
		return fmt.Sprintf("%s would have promised %.1f GiB of memory and may promise %.1f", host.ID, gib(float64(want)), gib(have))
	}
	return ""
}

func gib(b float64) float64 { return b / (1 << 30) }

// ScoreAfter is the score that the cluster would have with the VM on the host. Its cost does not
// grow with the cluster, so that a planner can try many.
func (p *Placement) ScoreAfter(vm, to string) float64 {
	v, h := p.vmAt[vm], p.hostAt[to]
	from := p.place[v]
	broken := p.broken + p.violationsAt(v, h) - p.violationsOf(v)
	if from == h {
		return p.totals.score(p.broken)
	}
	t := p.totals
	if from >= 0 {
		t.add(p.share(from, 0, 0), -1)
		t.add(p.share(from, -p.snap.VMs[v].CPUDemandCores, -float64(p.snap.VMs[v].MemoryDemandBytes)), 1)
	}
	t.add(p.share(h, 0, 0), -1)
	t.add(p.share(h, p.snap.VMs[v].CPUDemandCores, float64(p.snap.VMs[v].MemoryDemandBytes)), 1)
	return t.score(broken)
}

// share is what one host adds to the totals.
type share struct {
	usable                         bool
	cpu, memory, contended, demand float64
}

// share returns the host's share with so much more CPU (cores) and memory (bytes) in demand.
func (p *Placement) share(h int, moreCPU, moreMemory float64) share {
	host := p.snap.Hosts[h]
	s := share{usable: p.usable[h], demand: p.cpu[h] + moreCPU, contended: max(0, p.cpu[h]+moreCPU-host.CPUCores)}
	if host.CPUCores > 0 {
		s.cpu = s.demand / host.CPUCores
	}
	if host.MemoryBytes > 0 {
		s.memory = (p.memory[h] + moreMemory) / float64(host.MemoryBytes)
	}
	return s
}

// totals are the sums over usable hosts that a score is made from.
type totals struct {
	hosts, cpu, cpuSquares, memory, memorySquares, contended, demand float64
}

func (t *totals) add(s share, sign float64) {
	if !s.usable {
		return
	}
	t.hosts += sign
	t.cpu += sign * s.cpu
	t.cpuSquares += sign * s.cpu * s.cpu
	t.memory += sign * s.memory
	t.memorySquares += sign * s.memory * s.memory
	t.contended += sign * s.contended
	t.demand += sign * s.demand
}

func (t totals) score(broken int) float64 {
	return Score(deviation(t.hosts, t.cpu, t.cpuSquares), deviation(t.hosts, t.memory, t.memorySquares), t.contended, t.demand, broken)
}

// deviation is the population standard deviation of n numbers with that sum and sum of squares.
func deviation(n, sum, squares float64) float64 {
	if n == 0 {
		return 0
	}
	return math.Sqrt(max(0, squares/n-sum/n*sum/n))
}

// total sums all hosts anew, in their order, so that moves leave no rounding errors behind.
func (p *Placement) total() {
	p.totals = totals{}
	for i := range p.snap.Hosts {
		p.totals.add(p.share(i, 0, 0), 1)
	}
}

// Assess returns the placement in a few numbers, over the hosts that can be seen and are up.
func (p *Placement) Assess() Assessment {
	t := p.totals
	a := Assessment{
		Score: t.score(p.broken), ContendedCPUCores: t.contended, RuleViolations: p.broken,
		CPUUtilisationStddev:    deviation(t.hosts, t.cpu, t.cpuSquares),
		MemoryUtilisationStddev: deviation(t.hosts, t.memory, t.memorySquares),
	}
	for i := range p.snap.Hosts {
		if s := p.share(i, 0, 0); s.usable {
			a.MaxCPUUtilisation, a.MaxMemoryUtilisation = max(a.MaxCPUUtilisation, s.cpu), max(a.MaxMemoryUtilisation, s.memory)
		}
	}
	if t.hosts > 0 {
		a.MeanCPUUtilisation, a.MeanMemoryUtilisation = t.cpu/t.hosts, t.memory/t.hosts
	}
	return a
}

// Score is 100 x (1 - contended share of the demand) x (1 - spread), less 5 for each rule violation
// and never below 0. The spread is the length of the vector of the two standard deviations, capped
// at 1. The idea, one number from contention and balance, is that of the DRS score of vSphere 7; the
// formula is ours. Deviations are of utilisation (ratio), contended and demand are cores.
func Score(cpuStddev, memoryStddev, contended, demand float64, violations int) float64 {
	share := 0.0
	if demand > 0 {
		share = min(1, contended/demand)
	}
	spread := min(1, math.Hypot(cpuStddev, memoryStddev))
	return max(0, 100*(1-share)*(1-spread)-5*float64(violations))
}

// Loads returns what each host carries, in the snapshot's order.
func (p *Placement) Loads() []Load {
	loads := make([]Load, len(p.snap.Hosts))
	for i, h := range p.snap.Hosts {
		now := p.share(i, 0, 0)
		loads[i] = Load{Host: h.ID, State: h.State, VMs: p.vms[i], CPUUtilisation: now.cpu, MemoryUtilisation: now.memory}
	}
	return loads
}

// Load returns what the host carries; the zero Load when the snapshot has no such host.
func (p *Placement) Load(host string) Load {
	h, ok := p.hostAt[host]
	if !ok {
		return Load{}
	}
	return p.Loads()[h]
}

// MeasuredSteal is the waiting of all running VMs' vCPUs, in cores; not known when no VM tells.
func (s Snapshot) MeasuredSteal() Number {
	var n Number
	for _, v := range s.VMs {
		if v.State == VMRunning && v.CPUStealRatio.Known {
			n.Known = true
			n.Value += v.CPUStealRatio.Value * float64(v.VCPUs)
		}
	}
	return n
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}

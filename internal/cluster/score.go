package cluster

import "math"

// headroomWeight is what a host that is just full costs the demand on it, as a share: see Points.Score.
const headroomWeight = 0.2

// violationPoints is what each broken rule costs.
const violationPoints = 5.0

// Assessment is a cluster in a few numbers. Utilisations are ratios; 1 is a full host and a CPU
// utilisation above 1 means that VMs want more than there is.
type Assessment struct {
	// Score is 0 (bad) to 100: see Points.Score.
	Score float64 `json:"score"`
	// Lost is what is missing to 100.
	Lost                    Points  `json:"points_lost"`
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

// Points are the parts of 100 that are lost, by what costs them.
type Points struct {
	CPUContention    float64 `json:"cpu_contention"`
	CPUHeadroom      float64 `json:"cpu_headroom"`
	MemoryContention float64 `json:"memory_contention"`
	MemoryHeadroom   float64 `json:"memory_headroom"`
	Rules            float64 `json:"rules"`
}

// Sum is all that is lost; more than 100 where several things are very bad.
func (p Points) Sum() float64 {
	return p.CPUContention + p.CPUHeadroom + p.MemoryContention + p.MemoryHeadroom + p.Rules
}

// Score is what the points lost leave of 100. A VM's score is the share of the CPU and of the memory that
// it wants which it gets, less what it lacks of room for bursts on its host; the cluster's is the mean
// over all VMs, each weighted with what it wants, less 5 for every VM that breaks a rule. Hosts' own
// needs count like a VM. With the utilisation u of a host, demand over capacity, a VM there loses
//
//	contention  max(0, 1 - 1/u)
//	headroom    0.2 x min(1, u)^3
//
// and the same for memory. The sums are what the score of a plan is made from. Of the present, contention
// is measured: see Scores. The idea, a score of 0 to 100 for what VMs get of what they want with room for
// bursts in it, is that of the DRS score of vSphere 7; the formula is ours, and docs/score.md explains it.
func (p Points) Score() float64 { return max(0, 100-p.Sum()) }

// share is what one host adds to the totals.
type share struct {
	usable              bool
	cpu, memory         float64 // utilisations
	cpuDemand           float64
	memoryDemand        float64
	contended, headroom float64 // cores
	swapped, squeezed   float64 // bytes: beyond the host's memory, and the want of headroom
}

// Strain splits what is lost of a demand on a capacity into contention and want of headroom, both in the
// demand's unit: see Points.Score.
func Strain(demand, capacity float64) (contended, headroom float64) {
	if capacity <= 0 {
		return demand, 0
	}
	u := demand / capacity
	if u >= 1 {
		return demand - capacity, headroomWeight * demand
	}
	return 0, headroomWeight * demand * u * u * u
}

// share returns the host's share with so much more on it.
func (p *Placement) share(h int, cpu, memory float64) share {
	host := &p.snap.Hosts[h]
	cpu, memory = p.cpu[h]+cpu, p.memory[h]+memory
	s := share{usable: p.usable[h], cpuDemand: cpu, memoryDemand: memory, cpu: ratio(cpu, host.CPUCores), memory: ratio(memory, float64(host.MemoryBytes))}
	s.contended, s.headroom = Strain(cpu, host.CPUCores)
	s.swapped, s.squeezed = Strain(memory, float64(host.MemoryBytes))
	return s
}

// totals are the sums over usable hosts that a score is made from.
type totals struct {
	hosts, cpu, cpuSquares, memory, memorySquares float64
	cpuDemand, contended, headroom                float64
	memoryDemand, swapped, squeezed               float64
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
	t.cpuDemand += sign * s.cpuDemand
	t.contended += sign * s.contended
	t.headroom += sign * s.headroom
	t.memoryDemand += sign * s.memoryDemand
	t.swapped += sign * s.swapped
	t.squeezed += sign * s.squeezed
}

func (t totals) lost(broken int) Points {
	return Points{
		CPUContention: 100 * ratio(t.contended, t.cpuDemand), CPUHeadroom: 100 * ratio(t.headroom, t.cpuDemand),
		MemoryContention: 100 * ratio(t.swapped, t.memoryDemand), MemoryHeadroom: 100 * ratio(t.squeezed, t.memoryDemand),
		Rules: violationPoints * float64(broken),
	}
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

// Demand is what is wanted on all usable hosts together: cores of CPU and bytes of memory.
func (p *Placement) Demand() (cores, bytes float64) { return p.totals.cpuDemand, p.totals.memoryDemand }

// UsableHosts is how many hosts take part in plans.
func (p *Placement) UsableHosts() int { return int(p.totals.hosts + 0.5) }

// Assess returns the placement in a few numbers, over the hosts that can be seen and are up.
func (p *Placement) Assess() Assessment {
	p.total()
	t := p.totals
	a := Assessment{
		Lost: t.lost(p.rules.broken), ContendedCPUCores: t.contended, RuleViolations: p.rules.broken,
		CPUUtilisationStddev:    deviation(t.hosts, t.cpu, t.cpuSquares),
		MemoryUtilisationStddev: deviation(t.hosts, t.memory, t.memorySquares),
	}
	a.Score = a.Lost.Score()
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

// ScoreAfter is the score that the cluster would have with the VM on the host. Its cost does not
// grow with the cluster, so that a planner can try many.
func (p *Placement) ScoreAfter(vm, to string) float64 {
	v, h := p.vmAt[vm], p.hostAt[to]
	from := p.place[v]
	if from == h {
		return p.totals.lost(p.rules.broken).Score()
	}
	t, broken := p.totals, p.rules.broken+p.rules.more(v, from, h)
	moving := &p.snap.VMs[v]
	if from >= 0 {
		t.add(p.share(from, 0, 0), -1)
		t.add(p.share(from, -moving.Cores(), -float64(moving.MemoryDemandBytes)), 1)
	}
	t.add(p.share(h, 0, 0), -1)
	t.add(p.share(h, moving.Cores(), float64(moving.MemoryDemandBytes)), 1)
	return t.lost(broken).Score()
}

// VMScore is how one VM does at present.
type VMScore struct {
	VM    string  `json:"vm"`
	Name  string  `json:"name,omitempty"`
	Host  string  `json:"host"`
	Score float64 `json:"score"`
	Lost  Points  `json:"points_lost"`
}

// swapSeconds is what a guest waits for a byte that it swaps: a page of 4096 bytes at 0.2 ms, which is a
// fast disk's latency.
const swapSeconds = 0.0002 / 4096

// Scores tells how each running VM does, in the snapshot's order, and the cluster as a whole, from what
// was measured: the waiting of its vCPUs (steal), the memory that its balloon takes of what it uses, its
// swapping, and its host's memory pressure. Headroom is as in Score.
func (p *Placement) Scores() (vms []VMScore, all Points) {
	var cpu, memory float64
	for i := range p.snap.VMs {
		v := &p.snap.VMs[i]
		at := p.place[i]
		if v.State != VMRunning || at < 0 || !p.usable[at] {
			continue
		}
		lost := p.lostBy(v, at)
		vms = append(vms, VMScore{VM: v.ID, Name: v.Name, Host: p.snap.Hosts[at].ID, Score: lost.Score(), Lost: lost})
		wantCPU, wantMemory := v.CPUDemandCores, float64(v.MemoryDemandBytes)
		cpu, memory = cpu+wantCPU, memory+wantMemory
		all.CPUContention += wantCPU * lost.CPUContention
		all.CPUHeadroom += wantCPU * lost.CPUHeadroom
		all.MemoryContention += wantMemory * lost.MemoryContention
		all.MemoryHeadroom += wantMemory * lost.MemoryHeadroom
	}
	all.CPUContention, all.CPUHeadroom = ratio(all.CPUContention, cpu), ratio(all.CPUHeadroom, cpu)
	all.MemoryContention, all.MemoryHeadroom = ratio(all.MemoryContention, memory), ratio(all.MemoryHeadroom, memory)
	all.Rules = violationPoints * float64(p.rules.broken)
	return vms, all
}

// ballooned is the share of its memory that the balloon holds back from a guest that could use it: as
// far as the guest is in need, from nine tenths of what it has in use on.
func (v *VM) ballooned() float64 {
	if !v.MemoryBalloonBytes.Known || v.MemoryBalloonBytes.Value <= 0 || v.MemoryBytes <= 0 {
		return 0
	}
	need := min(1, max(0, 10*float64(v.MemoryDemandBytes)/v.MemoryBalloonBytes.Value-9))
	return need * max(0, 1-v.MemoryBalloonBytes.Value/float64(v.MemoryBytes))
}

// lostBy is what one VM loses at present on its host.
func (p *Placement) lostBy(v *VM, host int) Points {
	h := &p.snap.Hosts[host]
	var lost Points
	if v.CPUDemandCores > 0 && v.CPUStealRatio.Known {
		lost.CPUContention = 100 * min(1, v.CPUStealRatio.Value*float64(v.VCPUs)/v.CPUDemandCores)
	} else if over, _ := Strain(p.cpu[host], h.CPUCores); v.CPUDemandCores > 0 {
		lost.CPUContention = 100 * ratio(over, p.cpu[host])
	}
	lost.MemoryContention = 100 * min(1, max(v.ballooned(), v.SwapBytesPerSecond.Value*swapSeconds, h.MemoryPressureRatio.Value))
	u, m := min(1, ratio(p.cpu[host], h.CPUCores)), min(1, ratio(p.memory[host], float64(h.MemoryBytes)))
	lost.CPUHeadroom, lost.MemoryHeadroom = 100*headroomWeight*u*u*u, 100*headroomWeight*m*m*m
	return lost
}

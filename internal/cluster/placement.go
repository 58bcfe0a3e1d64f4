package cluster

import (
	"fmt"
)

// Limits say how full a host may be after a VM was placed on it.
type Limits struct {
	// MaxCPUUtilisation is the highest CPU utilisation of a target, 0 to 1, reserve included.
	MaxCPUUtilisation float64
	// MaxMemoryUtilisation is the highest share of a target's memory that may be promised to VMs
	// (their configured sizes) and to the host's reserve, 0 to 1.
	MaxMemoryUtilisation float64
	// BreakShould lets a VM go where a should rule does not want it.
	BreakShould bool
}

// noLimit is a utilisation that no host reaches.
const noLimit = 1e9

// Mandatory are the limits for what has to happen: where a host is to be emptied, CPU may be short for
// a while and should rules may give way. Memory may never be short.
func (l Limits) Mandatory() Limits {
	l.MaxCPUUtilisation, l.BreakShould = noLimit, true
	return l
}

// rounding is how much more than allowed a host may carry, in cores: the same demands added in another order, as they are after a move on paper, give
// another sum, and what is legal must not hang on that.
const rounding = 1e-10

// CPU is how much may be wanted on the host, in cores.
func (l Limits) CPU(h *Host) float64 { return h.CPUCores*l.MaxCPUUtilisation + rounding }

// Load is what one host carries in a placement.
type Load struct {
	Host string `json:"host"`
	// Kind is KindPhysical or KindHypervisor.
	Kind              string    `json:"kind"`
	State             HostState `json:"state"`
	VMs               int       `json:"vms"`
	CPUUtilisation    float64   `json:"cpu_utilisation"`
	MemoryUtilisation float64   `json:"memory_utilisation"`
}

// Placement is a snapshot in which VMs can be moved on paper. It answers what a move would do
// and whether it is legal in the state as planned so far. Hosts and VMs are named by their IDs or,
// where many questions are asked, by their places in the snapshot. It is not safe for concurrent use.
type Placement struct {
	snap    Snapshot
	hostAt  map[string]int
	vmAt    map[string]int
	place   []int // of each VM, the index of its host or -1
	usable  []bool
	blocked []string // of each VM, why it cannot be moved at all
	gone    []string // of each host, why no VM can be moved away from it, "" when one can
	reach   reach
	rules   rules

	cpu      []float64 // demand of each host in cores, its reserve included
	memory   []float64 // demand of each host in bytes, its reserve included
	promised []int64   // configured memory on each host in bytes, its reserve included
	vms      []int
	totals   totals
}

// NewPlacement returns the placement that the snapshot shows.
func NewPlacement(s Snapshot) *Placement {
	hosts, vms := len(s.Hosts), len(s.VMs)
	p := &Placement{
		snap:   s,
		hostAt: make(map[string]int, hosts), vmAt: make(map[string]int, vms),
		place: make([]int, vms), usable: make([]bool, hosts), blocked: make([]string, vms), gone: make([]string, hosts),
		cpu: make([]float64, hosts), memory: make([]float64, hosts), promised: make([]int64, hosts), vms: make([]int, hosts),
	}
	gaps := make(map[string]string, len(s.Gaps))
	for _, g := range s.Gaps {
		gaps[g.Subject] = g.Reason
	}
	for i, h := range s.Hosts {
		p.hostAt[h.ID] = i
		gap := gaps[HostSubject(h.ID)]
		p.usable[i] = h.State == HostUp && gap == ""
		if gap != "" || h.State != HostUp && h.State != HostMaintenance {
			p.gone[i] = fmt.Sprintf("its host %s is %s or could not be seen", h.ID, h.State)
		}
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
		gap := ""
		if len(gaps) > 0 {
			gap = gaps[VMSubject(v.ID)]
		}
		p.blocked[i] = blocked(&v, gap)
	}
	p.reach = newReach(s)
	p.rules = newRules(p)
	p.total()
	return p
}

func blocked(v *VM, gap string) string {
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
	vm := &p.snap.VMs[v]
	p.cpu[host] += sign * vm.Cores()
	p.memory[host] += sign * float64(vm.MemoryDemandBytes)
	p.promised[host] += int64(sign) * vm.MemoryBytes
	p.vms[host] += int(sign)
	if sign > 0 {
		p.place[v] = host
	}
}

// Snapshot returns the snapshot that the placement was made from; VMs moved on paper stand in it
// where they really are.
func (p *Placement) Snapshot() Snapshot { return p.snap }

// VMIndex returns the VM's place in the snapshot.
func (p *Placement) VMIndex(id string) (v int, ok bool) { v, ok = p.vmAt[id]; return v, ok }

// HostIndex returns the host's place in the snapshot.
func (p *Placement) HostIndex(id string) (h int, ok bool) { h, ok = p.hostAt[id]; return h, ok }

// At returns the place of the VM's host in the snapshot, -1 for nowhere.
func (p *Placement) At(v int) int { return p.place[v] }

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

// UsableAt is Usable for a place in the snapshot.
func (p *Placement) UsableAt(h int) bool { return p.usable[h] }

// Blocked returns why the VM cannot be moved anywhere, or "" when it can.
func (p *Placement) Blocked(vm string) string {
	v, ok := p.vmAt[vm]
	if !ok {
		return "it is not in the snapshot"
	}
	return p.BlockedAt(v)
}

// BlockedAt is Blocked for a place in the snapshot.
func (p *Placement) BlockedAt(v int) string {
	switch {
	case p.blocked[v] != "":
		return p.blocked[v]
	case p.place[v] >= 0 && p.gone[p.place[v]] != "":
		return p.gone[p.place[v]]
	}
	return p.rules.contradicted[v]
}

// Move puts the VM on the host, legal or not. Both must be in the snapshot.
func (p *Placement) Move(vm, to string) { p.MoveAt(p.vmAt[vm], p.hostAt[to]) }

// MoveAt is Move for places in the snapshot.
func (p *Placement) MoveAt(v, h int) {
	p.rules.move(v, p.place[v], h)
	if p.place[v] >= 0 {
		p.totals.add(p.share(p.place[v], 0, 0), -1)
		p.put(v, p.place[v], -1)
		p.totals.add(p.share(p.place[v], 0, 0), 1)
	}
	p.totals.add(p.share(h, 0, 0), -1)
	p.put(v, h, 1)
	p.totals.add(p.share(h, 0, 0), 1)
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
	if why := p.BlockedAt(v); why != "" {
		return why
	}
	_, why := p.Obstacle(v, h, l)
	return why
}

// Obstacle says what forbids the VM, which is not blocked, to be on the host: the constraint in a word
// and the sentence for people. Both are empty when nothing does.
func (p *Placement) Obstacle(v, h int, l Limits) (constraint, why string) {
	if p.place[v] == h {
		return "there already", "it is there already"
	}
	if c, why := p.reach.obstacle(v, h, p.snap); why != "" && p.usable[h] {
		return c, why
	}
	return p.Unfit(v, h, l)
}

// Unfit is Obstacle but for what the VM must reach there: for a host that has the VM's definition, and so
// knows better than we whether that is there.
func (p *Placement) Unfit(v, h int, l Limits) (constraint, why string) {
	if !p.usable[h] {
		return "host state", p.snap.Hosts[h].ID + " is " + p.snap.Hosts[h].State.String() + " or could not be seen"
	}
	if c, why := p.overfull(v, h, l); why != "" {
		return c, why
	}
	if why := p.rules.against(v, p.place[v], h, l); why != "" {
		return "rule", why
	}
	return "", ""
}

// Fits tells whether nothing forbids the VM, which is not blocked, to move to the host, as Obstacle
// says in words.
func (p *Placement) Fits(v, h int, l Limits) bool {
	return p.place[v] != h && p.usable[h] && p.reach.ok(v, h) && p.Room(v, h, l) && p.rules.against(v, p.place[v], h, l) == ""
}

// Room tells whether the host has room for the VM's demand and configured size.
func (p *Placement) Room(v, h int, l Limits) bool {
	vm, host := &p.snap.VMs[v], &p.snap.Hosts[h]
	return p.cpu[h]+vm.Cores() <= l.CPU(host) &&
		float64(p.promised[h]+vm.MemoryBytes) <= float64(host.MemoryBytes)*l.MaxMemoryUtilisation
}

// Reaches tells whether the VM could run on the host with the storage, networks and CPU that it needs.
func (p *Placement) Reaches(v, h int) bool { return p.reach.ok(v, h) }

// Ruled tells whether any rule names the VM.
func (p *Placement) Ruled(v int) bool { return len(p.rules.of[v]) > 0 }

// VMClass numbers the VMs in the order of the snapshot: VMs of one class reach the same hosts.
func (p *Placement) VMClass(v int) int { return p.reach.vmClass[v] }

// HostClass numbers the hosts: hosts of one class have the same size and can run the same VMs.
func (p *Placement) HostClass(h int) int { return p.reach.hostClass[h] }

func (p *Placement) overfull(v, h int, l Limits) (constraint, why string) {
	vm, host := &p.snap.VMs[v], &p.snap.Hosts[h]
	if want, have := p.cpu[h]+vm.Cores(), l.CPU(host); want > have {
		return "CPU", fmt.Sprintf("%s would need %.2f cores of CPU and may use %.2f of %g", host.ID, want, have, host.CPUCores)
	}
	if want, have := float64(p.promised[h]+vm.MemoryBytes), float64(host.MemoryBytes)*l.MaxMemoryUtilisation; want > have {
		return "memory", fmt.Sprintf("%s would have promised %.1f GiB of memory and may promise %.1f", host.ID, gib(want), gib(have))
	}
	return "", ""
}

func gib(b float64) float64 { return b / (1 << 30) }

// Loads returns what each host carries, in the snapshot's order.
func (p *Placement) Loads() []Load {
	loads := make([]Load, len(p.snap.Hosts))
	for i := range p.snap.Hosts {
		loads[i] = p.LoadAt(i)
	}
	return loads
}

// Load returns what the host carries; the zero Load when the snapshot has no such host.
func (p *Placement) Load(host string) Load {
	h, ok := p.hostAt[host]
	if !ok {
		return Load{}
	}
	return p.LoadAt(h)
}

// LoadAt is Load for a place in the snapshot.
func (p *Placement) LoadAt(h int) Load {
	host := p.snap.Hosts[h]
	cpu, memory := max(0, p.cpu[h]), max(0, p.memory[h]) // adding and taking away leave a little less than nothing
	return Load{Host: host.ID, Kind: KindHypervisor, State: host.State, VMs: p.vms[h],
		CPUUtilisation: ratio(cpu, host.CPUCores), MemoryUtilisation: ratio(memory, float64(host.MemoryBytes))}
}

// CPU is what is wanted on the host, in cores.
func (p *Placement) CPU(h int) float64 { return p.cpu[h] }

// Memory is what is in use on the host, in bytes.
func (p *Placement) Memory(h int) float64 { return p.memory[h] }

// Promised is the configured memory on the host, its reserve included, in bytes.
func (p *Placement) Promised(h int) int64 { return p.promised[h] }

func ratio(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return part / whole
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

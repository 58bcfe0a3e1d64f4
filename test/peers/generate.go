package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

const gib = 1 << 30

// The hosts are all alike.
const (
	hostCores    = 16
	hostMemory   = 128 * gib
	hostReserved = 4 * gib
)

// flavour is a size that VMs come in, and how many of a thousand have it.
type flavour struct {
	vcpus     int
	memoryGiB int64
	perMille  int
}

// flavours have three vCPUs and a little over 8 GiB on average, so that ten VMs fill a host to about
// 69 % of its memory.
func flavours() []flavour {
	return []flavour{{1, 2, 160}, {2, 4, 210}, {2, 8, 200}, {4, 8, 200}, {4, 16, 170}, {8, 32, 60}}
}

const (
	// hotPerMille VMs want hotLoad to all of their vCPUs, the others a share drawn from Beta(2,5).
	hotPerMille = 80
	hotLoad     = 0.85
	// A VM uses leastMemoryShare to all of its configured memory.
	leastMemoryShare = 0.9
	// In a skewed cluster one host in five is nearly new and one in five is crowded, which is to say
	// filled with VMs up to crowdedMemory of what it has. No host starts above fullMemory.
	oddHosts      = 5
	crowdedMemory = 0.93
	fullMemory    = 0.945
)

// size says which cluster to make.
type size struct {
	hosts, vms int
	skew       bool
	seed       uint64
}

func (s size) String() string {
	kind := "flat"
	if s.skew {
		kind = "skew"
	}
	return fmt.Sprintf("%d hosts, %d VMs, %s, seed %d", s.hosts, s.vms, kind, s.seed)
}

// generate makes the cluster of that size and seed, always the same one. Every VM can move to every
// host, and there are no rules.
func generate(s size) cluster.Snapshot {
	g := &generator{size: s, random: rand.New(rand.NewPCG(s.seed, 0)), promised: make([]int64, s.hosts)}
	snap := emptyCluster()
	for i := range s.hosts {
		g.promised[i] = hostReserved
		snap.Hosts = append(snap.Hosts, cluster.Host{ID: fmt.Sprintf("h%05d", i), State: cluster.HostUp, CPUCores: hostCores, MemoryBytes: hostMemory,
			ReservedMemoryBytes: hostReserved, CPUCompat: "g1", Storage: []string{"nfs1"}, Networks: []string{"br0"}})
	}
	for i := range s.vms {
		snap.VMs = append(snap.VMs, g.vm(fmt.Sprintf("v%06d", i)))
	}
	g.place(snap.VMs)
	return snap
}

func emptyCluster() cluster.Snapshot {
	return cluster.Snapshot{Cluster: "generated", At: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
}

type generator struct {
	size     size
	random   *rand.Rand
	promised []int64
}

func (g *generator) vm(id string) cluster.VM {
	f := g.flavour()
	memory := f.memoryGiB * gib
	used := leastMemoryShare + (1-leastMemoryShare)*g.random.Float64()
	return cluster.VM{ID: id, Name: id, State: cluster.VMRunning, VCPUs: f.vcpus, MemoryBytes: memory,
		CPUDemandCores: g.load() * float64(f.vcpus), MemoryDemandBytes: int64(used * float64(memory)),
		CPUCompat: "g1", Storage: []string{"nfs1"}, Networks: []string{"br0"}, Movable: true}
}

func (g *generator) flavour() flavour {
	n := g.random.IntN(1000)
	all := flavours()
	for _, f := range all[:len(all)-1] {
		if n -= f.perMille; n < 0 {
			return f
		}
	}
	return all[len(all)-1]
}

// load draws the share of its vCPUs that a VM wants. The second smallest of six uniform numbers has
// the distribution Beta(2,5).
func (g *generator) load() float64 {
	if g.random.IntN(1000) < hotPerMille {
		return hotLoad + (1-hotLoad)*g.random.Float64()
	}
	var six [6]float64
	for i := range six {
		six[i] = g.random.Float64()
	}
	slices.Sort(six[:])
	return six[1]
}

// place gives each VM its host: in a skewed cluster the crowded hosts first, then two VMs for each that
// is nearly new, and what is left to the others at random.
func (g *generator) place(vms []cluster.VM) {
	hosts := g.random.Perm(g.size.hosts)
	if g.size.skew {
		odd := g.size.hosts / oddHosts
		crowded, fresh := hosts[:odd], hosts[odd:2*odd]
		hosts = hosts[2*odd:]
		for _, h := range crowded {
			vms = g.crowd(vms, h)
		}
		for _, h := range slices.Concat(fresh, fresh) {
			g.put(&vms[0], h)
			vms = vms[1:]
		}
	}
	for i := range vms {
		g.put(&vms[i], g.roomy(vms[i], hosts))
	}
}

// crowd puts VMs on the host up to the first that would not fit, and returns those that are left.
func (g *generator) crowd(vms []cluster.VM, host int) []cluster.VM {
	for len(vms) > 0 && g.fits(vms[0], host, crowdedMemory) {
		g.put(&vms[0], host)
		vms = vms[1:]
	}
	return vms
}

// roomy picks one of the hosts at random that the VM fits on, or the emptiest of all hosts.
func (g *generator) roomy(vm cluster.VM, hosts []int) int {
	for range 20 {
		if h := hosts[g.random.IntN(len(hosts))]; g.fits(vm, h, fullMemory) {
			return h
		}
	}
	return slices.Index(g.promised, slices.Min(g.promised))
}

func (g *generator) fits(vm cluster.VM, host int, limit float64) bool {
	return float64(g.promised[host]+vm.MemoryBytes) <= limit*hostMemory
}

func (g *generator) put(vm *cluster.VM, host int) {
	vm.Host = fmt.Sprintf("h%05d", host)
	g.promised[host] += vm.MemoryBytes
}

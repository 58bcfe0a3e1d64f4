package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// generateSmall makes a small cluster that is out of balance, with three to six hosts and six to
// fourteen VMs. In half of them the hosts are unequal, in half there are rules, some of which may be
// broken, and one VM in ten cannot move.
func generateSmall(seed uint64) cluster.Snapshot {
	r := rand.New(rand.NewPCG(seed, 1))
	s := emptyCluster()
	unequal := r.IntN(2) == 0
	for i := range 3 + r.IntN(4) {
		h := cluster.Host{ID: fmt.Sprintf("h%d", i), State: cluster.HostUp, CPUCores: 8, MemoryBytes: 32 * gib, ReservedMemoryBytes: 2 * gib, CPUCompat: "g1"}
		if unequal {
			factor := 1 + r.IntN(3)
			h.CPUCores, h.MemoryBytes = float64(4*factor), int64(24*factor)*gib
		}
		s.Hosts = append(s.Hosts, h)
	}
	free := make([]int64, len(s.Hosts))
	for i, h := range s.Hosts {
		free[i] = int64(maxMemory*float64(h.MemoryBytes)) - h.ReservedMemoryBytes
	}
	for i := range 6 + r.IntN(9) {
		v := smallVM(r, fmt.Sprintf("v%02d", i))
		for range 50 { // the first hosts get the most
			at := min(r.IntN(len(s.Hosts)), r.IntN(len(s.Hosts)))
			if free[at] >= v.MemoryBytes {
				free[at] -= v.MemoryBytes
				v.Host = s.Hosts[at].ID
				s.VMs = append(s.VMs, v)
				break
			}
		}
	}
	if r.IntN(2) == 0 {
		s.Rules = smallRules(r, s)
	}
	return s
}

func smallVM(r *rand.Rand, id string) cluster.VM {
	vcpus := 1 + r.IntN(4)
	memory := int64(1+r.IntN(8)) * gib
	return cluster.VM{ID: id, Name: id, State: cluster.VMRunning, VCPUs: vcpus, MemoryBytes: memory, CPUCompat: "g1",
		CPUDemandCores: r.Float64() * float64(vcpus), MemoryDemandBytes: int64((0.5 + 0.5*r.Float64()) * float64(memory)), Movable: r.IntN(10) > 0}
}

// smallRules ties two or three VMs each.
func smallRules(r *rand.Rand, s cluster.Snapshot) []cluster.Rule {
	kinds := []cluster.RuleKind{cluster.VMVMAffinity, cluster.VMVMAntiAffinity, cluster.VMHostAffinity, cluster.VMHostAntiAffinity}
	strengths := []cluster.RuleStrength{cluster.Must, cluster.Should}
	var rules []cluster.Rule
	for i := range 1 + r.IntN(3) {
		rule := cluster.Rule{Name: fmt.Sprintf("r%d", i), Kind: kinds[r.IntN(len(kinds))], Strength: strengths[r.IntN(len(strengths))]}
		for _, v := range r.Perm(len(s.VMs))[:2+r.IntN(2)] {
			rule.VMs = append(rule.VMs, s.VMs[v].ID)
		}
		if rule.Kind == cluster.VMHostAffinity || rule.Kind == cluster.VMHostAntiAffinity {
			for _, h := range r.Perm(len(s.Hosts))[:1+r.IntN(2)] {
				rule.Hosts = append(rule.Hosts, s.Hosts[h].ID)
			}
		}
		rules = append(rules, rule)
	}
	return rules
}

package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// cluster is a snapshot in which VMs have been moved so far.
type cluster struct {
	hosts  []host
	vms    []vm
	rules  []rule
	gaps   map[string]bool
	hostAt map[string]int
	vmAt   map[string]int
	// rulesOf lists for each VM the rules that name it.
	rulesOf map[string][]int
	// at has the index of each VM's host, -1 for a VM that takes nothing of any.
	at []int
	// promised and used are memory by configured size and by use; each starts with the reserve.
	promised []int64
	used     []int64
	cpu      []float64
}

func newCluster(s snapshot) (*cluster, error) {
	c := &cluster{hosts: s.Hosts, vms: s.VMs, rules: s.Rules, gaps: map[string]bool{},
		hostAt: map[string]int{}, vmAt: map[string]int{}, rulesOf: map[string][]int{}}
	for _, g := range s.Gaps {
		c.gaps[g.Subject] = true
	}
	for i, h := range s.Hosts {
		c.hostAt[h.ID] = i
		c.promised = append(c.promised, h.ReservedMemory)
		c.used = append(c.used, h.ReservedMemory)
		c.cpu = append(c.cpu, h.ReservedCores)
	}
	for i, r := range s.Rules {
		for _, v := range s.VMs {
			if r.ties(v) {
				c.rulesOf[v.ID] = append(c.rulesOf[v.ID], i)
			}
		}
	}
	for i, v := range s.VMs {
		c.vmAt[v.ID] = i
		c.at = append(c.at, -1)
		if v.place() == "" || !v.occupies() {
			continue
		}
		h, ok := c.hostAt[v.place()]
		if !ok {
			return nil, fmt.Errorf("VM %s is on %s, which is no host", v.ID, v.place())
		}
		c.put(i, h)
	}
	return c, nil
}

// clone returns the same cluster with places of its own.
func (c *cluster) clone() *cluster {
	own := *c
	own.at, own.promised, own.used, own.cpu = slices.Clone(c.at), slices.Clone(c.promised), slices.Clone(c.used), slices.Clone(c.cpu)
	return &own
}

func (c *cluster) put(v, h int) {
	c.at[v] = h
	c.promised[h] += c.vms[v].Memory
	c.used[h] += c.vms[v].MemoryDemand
	c.cpu[h] += c.vms[v].cores()
}

// move takes the VM to the step's target from wherever it is, right or wrong.
func (c *cluster) move(st step) {
	v, known := c.vmAt[st.VM]
	to, there := c.hostAt[st.To]
	if !known || !there || c.at[v] < 0 {
		return
	}
	from := c.at[v]
	c.promised[from] -= c.vms[v].Memory
	c.used[from] -= c.vms[v].MemoryDemand
	c.cpu[from] -= c.vms[v].cores()
	c.put(v, to)
}

func (c *cluster) placeOf(v int) string {
	if c.at[v] < 0 {
		return ""
	}
	return c.hosts[c.at[v]].ID
}

// compare returns where the numbers are not those of the state as it is.
func (c *cluster) compare(when string, n numbers) []string {
	var faults []string
	own := c.numbers()
	for _, x := range []struct {
		name string
		says *float64
		is   float64
	}{
		{"cpu_utilisation_stddev", n.CPUStddev, own.cpuStddev},
		{"memory_utilisation_stddev", n.MemoryStddev, own.memoryStddev},
		{"max_cpu_utilisation", n.MaxCPU, own.maxCPU},
		{"max_memory_utilisation", n.MaxMemory, own.maxMemory},
		{"contended_cpu_cores", n.Contended, own.contended},
		{"rule_violations", n.RuleViolations, float64(own.violations)},
	} {
		const tolerance = 1e-6
		if x.says == nil {
			faults = append(faults, fmt.Sprintf("%s.%s is missing", when, x.name))
		} else if !(math.Abs(*x.says-x.is) <= tolerance) {
			faults = append(faults, fmt.Sprintf("%s.%s is %g by the plan and %g by count", when, x.name, *x.says, x.is))
		}
	}
	return faults
}

type counted struct {
	cpuStddev, memoryStddev, maxCPU, maxMemory, contended float64
	violations                                            int
}

// numbers counts over the hosts that are up and were seen. Memory is what VMs use, not what they were
// promised, and the reserve is part of both utilisations.
func (c *cluster) numbers() counted {
	var cpu, memory []float64
	var n counted
	for i, h := range c.hosts {
		if h.State != "up" || c.gaps["host/"+h.ID] {
			continue
		}
		cpu = append(cpu, share(c.cpu[i], h.Cores))
		memory = append(memory, share(float64(c.used[i]), float64(h.Memory)))
		n.contended += max(0, c.cpu[i]-h.Cores)
	}
	n.cpuStddev, n.maxCPU = spread(cpu)
	n.memoryStddev, n.maxMemory = spread(memory)
	places := maps.Clone(c.vmAt)
	for id, v := range places {
		places[id] = c.at[v]
	}
	for _, r := range c.rules {
		n.violations += c.distance(r, places)
	}
	return n
}

func share(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}

// spread returns the population standard deviation and the largest.
func spread(x []float64) (stddev, largest float64) {
	if len(x) == 0 {
		return 0, 0
	}
	sum, squares := 0.0, 0.0
	for _, v := range x {
		sum += v
	}
	mean := sum / float64(len(x))
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(x))), slices.Max(x)
}

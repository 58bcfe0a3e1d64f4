package main

import (
	"math"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// balance is a placement in the numbers that subjects are compared by. Utilisations include what the
// host reserves; memory is what VMs use.
type balance struct {
	moves        int
	movedGiB     float64
	cpuStddev    float64
	maxCPU       float64
	memoryStddev float64
	maxMemory    float64
}

// together is the length of the vector of both standard deviations.
func (b balance) together() float64 { return math.Hypot(b.cpuStddev, b.memoryStddev) }

// balances returns the balance before the first move and after each.
func balances(s cluster.Snapshot, moves []move) []balance {
	hosts := map[string]int{}
	cpu, memory := make([]float64, len(s.Hosts)), make([]float64, len(s.Hosts))
	for i, h := range s.Hosts {
		hosts[h.ID] = i
		cpu[i], memory[i] = h.ReservedCPUCores/h.CPUCores, float64(h.ReservedMemoryBytes)/float64(h.MemoryBytes)
	}
	vms := map[string]cluster.VM{}
	put := func(v cluster.VM, host string, sign float64) {
		i := hosts[host]
		cpu[i] += sign * v.CPUDemandCores / s.Hosts[i].CPUCores
		memory[i] += sign * float64(v.MemoryDemandBytes) / float64(s.Hosts[i].MemoryBytes)
	}
	for _, v := range s.VMs {
		vms[v.ID] = v
		put(v, v.Host, 1)
	}
	at := weigh(cpu, memory)
	all := []balance{at}
	for _, m := range moves {
		v := vms[m.vm]
		put(v, m.from, -1)
		put(v, m.to, 1)
		moved, count := at.movedGiB+float64(v.MemoryDemandBytes)/gib, at.moves+1
		at = weigh(cpu, memory)
		at.moves, at.movedGiB = count, moved
		all = append(all, at)
	}
	return all
}

func weigh(cpu, memory []float64) balance {
	var b balance
	b.cpuStddev, b.maxCPU = spread(cpu)
	b.memoryStddev, b.maxMemory = spread(memory)
	return b
}

// spread returns the population standard deviation and the largest.
func spread(x []float64) (stddev, largest float64) {
	sum, squares := 0.0, 0.0
	for _, v := range x {
		sum += v
		largest = max(largest, v)
	}
	mean := sum / float64(len(x))
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(x))), largest
}

// last is the balance at the end.
func last(all []balance) balance { return all[len(all)-1] }

// cut is the balance after as many moves, or after all if there are not so many.
func cut(all []balance, moves int) balance { return all[min(moves, len(all)-1)] }

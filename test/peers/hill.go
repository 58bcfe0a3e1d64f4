package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// move is one migration of a plan.
type move struct{ vm, from, to string }

// hill is a cluster of like hosts as plain arrays: what hosts carry and what VMs weigh, all but the
// promised bytes as shares of a host.
type hill struct {
	snap     cluster.Snapshot
	cpu, mem []float64 // of hosts
	promised []int64   // of hosts
	vcpu     []float64 // of VMs
	vmem     []float64
	size     []int64
	at       []int32
}

// leastDrop is how much a step must lower the sum of squares by: more than rounding can.
const leastDrop = 1e-12

// climb is the peer that anybody would write first: at each step it tries every VM on every host that
// has room for it, takes the move that lowers the sum over hosts of the squared CPU and memory
// utilisations most, and ends when none lowers it, when it made as many moves as it may, or when the
// time is over. A host has room up to its memory less the reserve, and up to its cores.
func climb(s cluster.Snapshot, most int, limit time.Duration, clock func() time.Duration) ([]move, error) {
	h, err := newHill(s)
	if err != nil {
		return nil, err
	}
	var moves []move
	for len(moves) < most && clock() < limit {
		v, to, ok := h.steepest()
		if !ok {
			break
		}
		moves = append(moves, move{s.VMs[v].ID, s.Hosts[h.at[v]].ID, s.Hosts[to].ID})
		h.step(v, to)
	}
	return moves, nil
}

func newHill(s cluster.Snapshot) (*hill, error) {
	if len(s.Hosts) == 0 {
		return nil, errors.New("climb: there are no hosts")
	}
	like := s.Hosts[0]
	h := &hill{snap: s}
	index := map[string]int32{}
	for i, x := range s.Hosts {
		if x.CPUCores != like.CPUCores || x.MemoryBytes != like.MemoryBytes || x.State != cluster.HostUp {
			return nil, fmt.Errorf("climb: host %s is not like the others, or not up", x.ID)
		}
		index[x.ID] = int32(i)
		h.cpu = append(h.cpu, x.ReservedCPUCores/x.CPUCores)
		h.mem = append(h.mem, float64(x.ReservedMemoryBytes)/float64(x.MemoryBytes))
		h.promised = append(h.promised, x.ReservedMemoryBytes)
	}
	for i, v := range s.VMs {
		h.vcpu = append(h.vcpu, v.CPUDemandCores/like.CPUCores)
		h.vmem = append(h.vmem, float64(v.MemoryDemandBytes)/float64(like.MemoryBytes))
		h.size = append(h.size, v.MemoryBytes)
		h.at = append(h.at, index[v.Host])
		h.put(i, int(index[v.Host]))
	}
	return h, nil
}

func (h *hill) put(v, host int) {
	h.at[v] = int32(host)
	h.cpu[host] += h.vcpu[v]
	h.mem[host] += h.vmem[v]
	h.promised[host] += h.size[v]
}

func (h *hill) step(v, to int) {
	from := h.at[v]
	h.cpu[from] -= h.vcpu[v]
	h.mem[from] -= h.vmem[v]
	h.promised[from] -= h.size[v]
	h.put(v, to)
}

// steepest finds the move that lowers the sum of squares most. Moving weight w from utilisation x to
// utilisation y changes the sum by 2w(y - x + w), so all that depends on the target is w times y: for
// a VM the sum below must come under its bound, which falls as better moves are found.
func (h *hill) steepest() (vm, to int, ok bool) {
	capacity := h.snap.Hosts[0].MemoryBytes
	drop := leastDrop / 2
	cpu := h.cpu
	mem, promised := h.mem[:len(cpu)], h.promised[:len(cpu)]
	for v := range h.at {
		c, m := h.vcpu[v], h.vmem[v]
		from := h.at[v]
		stay := c*(cpu[from]-c) + m*(mem[from]-m)
		bound := stay - drop
		most, room := 1-c, capacity-h.size[v]
		for t := range cpu {
			if there := c*cpu[t] + m*mem[t]; there < bound && promised[t] <= room && cpu[t] <= most {
				bound, vm, to, ok = there, v, t, true
			}
		}
		drop = stay - bound
	}
	return vm, to, ok
}

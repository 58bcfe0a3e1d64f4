package planetlab_test

import (
	"math"
	"slices"

	"github.com/evenkeel/evenkeel/internal/planetlab"
)

// heuristic is a policy of Beloglazov and Buyya: of hosts that are over-utilised the VMs with least memory move
// (MMT) until they are not, to where they draw the least more; then the least utilised hosts are emptied.
type heuristic struct {
	// over tells whether VMs that want so much and have such histories are too many for the host.
	over func(b *board, host int) bool
	// histories of each VM as CloudSim keeps them, the newest first.
	histories map[int][]float64
	// twice is how many moves were taken back, since the VM moved again at once.
	twice int
}

func thr(threshold float64) *heuristic {
	return &heuristic{over: func(b *board, i int) bool { return b.wanted(i)/b.Hosts[i].Capacity() > threshold }}
}

// board is the state with moves on paper.
type board struct {
	planetlab.State
	on        [][]int
	histories map[int][]float64
}

func (b *board) wanted(i int) float64 {
	sum := 0.0
	for _, v := range b.on[i] {
		sum += b.VMs[v].Wanted
	}
	return sum
}

func (b *board) memory(i int) int {
	sum := 0
	for _, v := range b.on[i] {
		sum += b.VMs[v].MemoryMB
	}
	return sum
}

func (h *heuristic) Decide(s planetlab.State) []planetlab.Move {
	h.remember(s)
	b := &board{State: s, on: make([][]int, len(s.Hosts)), histories: h.histories}
	shut := make([]bool, len(s.Hosts)) // no targets
	var over []int
	for i := range s.Hosts {
		b.on[i] = slices.Clone(s.Hosts[i].VMs)
		if h.over(b, i) {
			over, shut[i] = append(over, i), true
		}
	}
	moves, _ := h.place(b, h.excess(b, over), shut)
	return h.once(append(moves, h.empty(b, shut)...))
}

// once leaves the last move of each VM. CloudSim empties hosts to which it has just decided to move VMs, and so
// moves and counts these twice.
func (h *heuristic) once(moves []planetlab.Move) []planetlab.Move {
	last := map[int]int{}
	for i, m := range moves {
		last[m.VM] = i
	}
	var kept []planetlab.Move
	for i, m := range moves {
		if last[m.VM] == i {
			kept = append(kept, m)
		}
	}
	h.twice += len(moves) - len(kept)
	return kept
}

// remember keeps the histories.
func (h *heuristic) remember(s planetlab.State) {
	if h.histories == nil {
		h.histories = map[int][]float64{}
	}
	for i, v := range s.VMs {
		if v.Host >= 0 {
			h.histories[i] = append([]float64{v.Wanted}, h.histories[i]...)
			h.histories[i] = h.histories[i][:min(30, len(h.histories[i]))]
		}
	}
}

// excess takes VMs off the hosts until these are not over-utilised.
func (h *heuristic) excess(b *board, over []int) []int {
	var off []int
	for _, i := range over {
		for len(b.on[i]) > 0 {
			least := slices.MinFunc(b.on[i], func(x, y int) int { return b.VMs[x].MemoryMB - b.VMs[y].MemoryMB })
			off = append(off, least)
			b.on[i] = slices.DeleteFunc(b.on[i], func(v int) bool { return v == least })
			if !h.over(b, i) {
				break
			}
		}
	}
	return off
}

// place finds hosts for the VMs, those that want most first, and tells whether it found one for all.
func (h *heuristic) place(b *board, vms []int, shut []bool) (moves []planetlab.Move, all bool) {
	slices.SortStableFunc(vms, func(x, y int) int { return -compare(b.VMs[x].Wanted, b.VMs[y].Wanted) })
	all = true
	for _, v := range vms {
		to := h.host(b, v, shut)
		if to < 0 {
			all = false
			continue
		}
		b.on[to] = append(b.on[to], v)
		moves = append(moves, planetlab.Move{VM: v, To: to})
	}
	return moves, all
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (h *heuristic) host(b *board, v int, shut []bool) int {
	to, least := -1, math.Inf(1)
	want := b.VMs[v].Wanted
	for i := range b.Hosts {
		host := &b.Hosts[i]
		wanted := b.wanted(i)
		if shut[i] || want > host.MIPS || wanted+want > host.Capacity() || b.State.Memory && b.memory(i)+b.VMs[v].MemoryMB > host.MemoryMB {
			continue
		}
		if wanted != 0 {
			b.on[i] = append(b.on[i], v)
			over := h.over(b, i)
			b.on[i] = b.on[i][:len(b.on[i])-1]
			if over {
				continue
			}
		}
		// What it draws now is without the VMs that are there on paper only.
		more := host.Power((wanted+want)/host.Capacity()) - host.Power(host.Load/host.Capacity())
		if more < least {
			to, least = i, more
		}
	}
	return to
}

// empty frees hosts, the least utilised first, each wholly or not at all.
func (h *heuristic) empty(b *board, shut []bool) []planetlab.Move {
	var moves []planetlab.Move
	tried := slices.Clone(shut)
	for i := range b.Hosts {
		if b.Hosts[i].Load == 0 {
			shut[i], tried[i] = true, true
		}
	}
	for {
		under, least := -1, 1.0
		for i := range b.Hosts {
			if u := b.Hosts[i].Load / b.Hosts[i].Capacity(); !tried[i] && u < least {
				under, least = i, u
			}
		}
		if under < 0 {
			return moves
		}
		tried[under], shut[under] = true, true
		before := make([]int, len(b.on))
		for i := range b.on {
			before[i] = len(b.on[i])
		}
		found, all := h.place(b, slices.Clone(b.on[under]), shut)
		if !all {
			for i := range b.on {
				b.on[i] = b.on[i][:before[i]]
			}
			continue
		}
		for _, m := range found {
			tried[m.To] = true
		}
		moves = append(moves, found...)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// optimumMoves is the most that a plan may move when it is held against the optimum: more cannot be
// searched through.
const optimumMoves = 4

// The limits on the target of a move are the planner's defaults.
const (
	maxCPU    = 0.9
	maxMemory = 0.95
)

// scored is one cluster whose placements have a score, 0 to 100. It is what the search knows of the
// planner's idea of a good cluster.
type scored interface {
	move(vm, host int)
	score() float64
}

// placement scores as the planner does.
type placement struct {
	snap  cluster.Snapshot
	place *cluster.Placement
}

func newPlacement(s cluster.Snapshot) placement { return placement{s, cluster.NewPlacement(s)} }

func (p placement) move(vm, host int) { p.place.Move(p.snap.VMs[vm].ID, p.snap.Hosts[host].ID) }
func (p placement) score() float64    { return p.place.Assess().Score }

// search tries every placement that can be had by moving at most so many VMs.
type search struct {
	snap     cluster.Snapshot
	scored   scored
	reach    [][]int // of each VM, the hosts that it can move to
	rules    []musts
	at       []int
	cpu      []float64
	promised []int64
	gained   []int // of each host, the VMs that it did not have at the start
	// maxCPU is how full a host may be that gained a VM.
	maxCPU float64
	// broken is how far the must rules together may be from holding.
	broken int
	best   float64
}

// musts is a must rule by indices, and how far it was from holding at the start.
type musts struct {
	kind  cluster.RuleKind
	vms   []int
	hosts []bool
	was   int
}

// optimum is the highest score of any placement that differs from the snapshot in at most as many VMs as the
// plan moves and is legal at its end: hosts that gained a VM keep to the limits, and no must rule is further from
// holding. Must rules come before any score, so together they hold as far as after the plan; where one is broken
// at the start, CPU may run short, as it may for what is mandatory. Whether there is an order in which to get
// there is not asked, so it may be out of reach.
func optimum(s cluster.Snapshot, sc scored, plan []actionFile) float64 {
	after := newSearch(s, nil)
	for _, a := range plan {
		after.put(slices.IndexFunc(s.VMs, func(v cluster.VM) bool { return v.ID == a.VM }), slices.IndexFunc(s.Hosts, func(h cluster.Host) bool { return h.ID == a.To }))
	}
	x := newSearch(s, sc)
	x.broken = after.distances()
	x.from(0, len(plan))
	return x.best
}

func newSearch(s cluster.Snapshot, sc scored) *search {
	x := &search{snap: s, scored: sc, gained: make([]int, len(s.Hosts)), maxCPU: maxCPU, best: math.Inf(-1)}
	hosts, vms := map[string]int{}, map[string]int{}
	for i, h := range s.Hosts {
		hosts[h.ID] = i
		x.cpu = append(x.cpu, h.ReservedCPUCores)
		x.promised = append(x.promised, h.ReservedMemoryBytes)
	}
	for i, v := range s.VMs {
		vms[v.ID] = i
		h := hosts[v.Host]
		x.at = append(x.at, h)
		x.cpu[h] += v.CPUDemandCores
		x.promised[h] += v.MemoryBytes
		x.reach = append(x.reach, reachable(s, v))
	}
	for _, r := range s.Rules {
		if r.Strength != cluster.Must {
			continue
		}
		m := musts{kind: r.Kind, hosts: make([]bool, len(s.Hosts))}
		for _, id := range r.VMs {
			m.vms = append(m.vms, vms[id])
		}
		for _, id := range r.Hosts {
			m.hosts[hosts[id]] = true
		}
		if m.was = x.distance(m); m.was > 0 {
			x.maxCPU = math.Inf(1)
		}
		x.rules = append(x.rules, m)
	}
	x.broken = x.distances()
	return x
}

func reachable(s cluster.Snapshot, v cluster.VM) []int {
	var reach []int
	for i, h := range s.Hosts {
		if v.Movable && h.ID != v.Host && (v.CPUCompat == "" || v.CPUCompat == h.CPUCompat) {
			reach = append(reach, i)
		}
	}
	return reach
}

// from tries all that can be done with this VM and those after it.
func (x *search) from(v, moves int) {
	if moves == 0 || v == len(x.at) {
		if x.legal() {
			x.best = max(x.best, x.scored.score())
		}
		return
	}
	x.from(v+1, moves)
	if len(x.reach[v]) == 0 {
		return
	}
	home := x.at[v]
	for _, to := range x.reach[v] {
		x.put(v, to)
		x.gained[to]++
		x.scored.move(v, to)
		x.from(v+1, moves-1)
		x.gained[to]--
	}
	x.put(v, home)
	x.scored.move(v, home)
}

func (x *search) put(v, to int) {
	vm, from := x.snap.VMs[v], x.at[v]
	x.cpu[from] -= vm.CPUDemandCores
	x.promised[from] -= vm.MemoryBytes
	x.cpu[to] += vm.CPUDemandCores
	x.promised[to] += vm.MemoryBytes
	x.at[v] = to
}

func (x *search) legal() bool {
	const rounding = 1e-6 // of all the moves there and back
	for i, n := range x.gained {
		h := &x.snap.Hosts[i]
		if n > 0 && (x.cpu[i] > h.CPUCores*x.maxCPU+rounding || float64(x.promised[i]) > float64(h.MemoryBytes)*maxMemory) {
			return false
		}
	}
	for _, r := range x.rules {
		if x.distance(r) > r.was {
			return false
		}
	}
	return x.distances() <= x.broken
}

// distances is how far the must rules together are from holding.
func (x *search) distances() (sum int) {
	for _, r := range x.rules {
		sum += x.distance(r)
	}
	return sum
}

// distance is how many VMs would have to move for the rule to hold.
func (x *search) distance(r musts) int {
	wrong, doubled := 0, 0
	for i, v := range r.vms {
		if r.hosts[x.at[v]] != (r.kind == cluster.VMHostAffinity) {
			wrong++
		}
		for _, earlier := range r.vms[:i] {
			if x.at[earlier] == x.at[v] {
				doubled++
				break
			}
		}
	}
	switch r.kind {
	case cluster.VMVMAffinity:
		return len(r.vms) - doubled - 1
	case cluster.VMVMAntiAffinity:
		return doubled
	}
	return wrong
}

// gap is what a plan left of the score that as many moves could have brought.
type gap struct {
	moves         int
	ours, optimum float64
	rules         bool
}

func (g gap) points() float64 { return g.optimum - g.ours }

// near tells whether the plan is within 2 % of the optimum.
func (g gap) near() bool { return g.points() <= 0.02*g.optimum }

// optimumScene plans small random clusters and searches all plans of as many moves.
func optimumScene(ctx context.Context, s *session, w io.Writer) ([]goal, error) {
	gaps, err := s.gaps(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "%d clusters of 3 to 6 hosts and 6 to 14 VMs, plans of at most %d moves. A gap is the optimum's score less the plan's, in points of 100.\n\n", len(gaps), optimumMoves)
	header(w, "clusters", "number", "within 2 % of the optimum", "gap p50", "gap p95", "gap max")
	for _, group := range []struct {
		name string
		in   func(gap) bool
	}{
		{"all", func(gap) bool { return true }},
		{"with a plan", func(g gap) bool { return g.moves > 0 }},
		{"with a plan, without rules", func(g gap) bool { return g.moves > 0 && !g.rules }},
		{"with a plan and rules", func(g gap) bool { return g.moves > 0 && g.rules }},
		{"with a plan of as many moves as allowed", func(g gap) bool { return g.moves == optimumMoves }},
	} {
		in := slices.DeleteFunc(slices.Clone(gaps), func(g gap) bool { return !group.in(g) })
		line(w, append([]string{group.name, fmt.Sprint(len(in))}, gapCells(in)...)...)
	}
	return nil, nil
}

// gaps takes the clusters side by side, for most of the time goes into the start of processes.
func (s *session) gaps(ctx context.Context) ([]gap, error) {
	gaps, errs := make([]gap, s.options.clusters), make([]error, s.options.clusters)
	var wg sync.WaitGroup
	workers := runtime.NumCPU()
	for first := range workers {
		wg.Go(func() {
			for i := first; i < len(gaps); i += workers {
				if gaps[i], errs[i] = s.gap(ctx, i); errs[i] != nil {
					errs[i] = fmt.Errorf("cluster %d: %w", i, errs[i])
				}
			}
		})
	}
	wg.Wait()
	return gaps, errors.Join(errs...)
}

func gapCells(gaps []gap) []string {
	if len(gaps) == 0 {
		return []string{"", "", "", ""}
	}
	near := 0
	var points []float64
	for _, g := range gaps {
		points = append(points, g.points())
		if g.near() {
			near++
		}
	}
	slices.Sort(points)
	at := func(q float64) string { return fmt.Sprintf("%.2f", points[int(q*float64(len(points)-1)+0.5)]) }
	return []string{fmt.Sprintf("%.1f %%", 100*float64(near)/float64(len(gaps))), at(0.5), at(0.95), at(1)}
}

func (s *session) gap(ctx context.Context, number int) (gap, error) {
	snap := generateSmall(s.options.seed<<32 + uint64(number))
	file := filepath.Join(s.options.work, fmt.Sprintf("small-%d.json", number))
	planned := filepath.Join(s.options.work, fmt.Sprintf("small-%d-plan.json", number))
	text, err := cluster.EncodeSnapshot(snap)
	if err != nil {
		return gap{}, err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return gap{}, fmt.Errorf("write snapshot: %w", err)
	}
	if _, err := measured(ctx, s.options.limit, planned, planCommand(s.options, file, optimumMoves)...); err != nil {
		return gap{}, err
	}
	p, err := readPlan(planned)
	if err != nil {
		return gap{}, err
	}
	if err := s.options.check(ctx, file, planned); err != nil {
		return gap{}, err
	}
	g := gap{moves: len(p.Actions), ours: p.After.Score, optimum: optimum(snap, newPlacement(snap), p.Actions), rules: len(snap.Rules) > 0}
	const rounding = 1e-6
	if g.points() < -rounding {
		return g, errors.New("the plan scores more than the best plan that the search finds: they do not count alike")
	}
	return g, nil
}

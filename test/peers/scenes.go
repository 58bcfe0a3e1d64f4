package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
)

// sideBySide compares whole plans on the two clusters that hbal can be waited for on.
func sideBySide(ctx context.Context, s *session, w io.Writer) ([]goal, error) {
	var goals []goal
	for _, sz := range []size{s.size(50, 500, true), s.size(100, 1000, true)} {
		reached, err := s.sideBySide(ctx, sz, w)
		if err != nil {
			return goals, fmt.Errorf("%v: %w", sz, err)
		}
		goals = append(goals, reached...)
	}
	return goals, nil
}

func (s *session) sideBySide(ctx context.Context, sz size, w io.Writer) ([]goal, error) {
	a, err := s.arena(sz)
	if err != nil {
		return nil, err
	}
	bare, err := s.bareStart(ctx, sz)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "%v. `evenkeel --version` takes %.3f CPU seconds.\n\n", sz, bare.CPUSeconds)
	header(w, "subject", "moves", "memory moved, GiB", "CPU sd", "CPU max", "memory sd", "memory max", "CPU s", "less the bare start", "peak RSS, MiB")
	line(w, slices.Concat([]string{"start"}, balanceCells(balances(a.snap, nil)[0]), []string{"", "", ""})...)
	row := func(name string, r run, less string) {
		u := usageCells(r.usage)
		line(w, slices.Concat([]string{name}, balanceCells(r.end()), []string{u[0], less, u[1]})...)
	}
	own := func(name string, most int) (run, error) {
		r, err := s.timed(ctx, sz, most)
		if err == nil {
			row(name, r, fmt.Sprintf("%.3f", r.usage.CPUSeconds-bare.CPUSeconds))
		}
		return r, err
	}
	if _, err := own("evenkeel, as many as it wants", sz.vms); err != nil {
		return nil, err
	}
	hill, err := s.climb(ctx, sz)
	if err != nil {
		return nil, err
	}
	row("hill climbing", hill, "")
	if !s.withHbal(sz) {
		fmt.Fprintln(w)
		return nil, nil
	}
	peer, err := s.hbal(ctx, sz)
	if err != nil {
		return nil, err
	}
	row("hbal", peer, "")
	same, err := own("evenkeel, at most as many as hbal", peer.end().moves)
	if err != nil {
		return nil, err
	}
	short, found, err := s.reach(ctx, sz, peer.end())
	if err != nil {
		return nil, err
	}
	if found {
		if _, err := own("evenkeel, the first that is as good as hbal", short.most); err != nil {
			return nil, err
		}
	}
	fmt.Fprintln(w)
	return hbalGoals(sz, bare, peer, same, short, found), nil
}

func hbalGoals(sz size, bare usage, peer, same run, short reached, found bool) []goal {
	at := fmt.Sprintf("%d/%d: ", sz.hosts, sz.vms)
	moves, memory := math.Inf(1), math.Inf(1)
	if found {
		moves, memory = ratio(float64(short.end.moves), float64(peer.end().moves)), ratio(short.end.movedGiB, peer.end().movedGiB)
	}
	goals := []goal{
		atMost(at+"moves to hbal's CPU sd and max and memory max, times hbal's", moves, 0.5),
		atMost(at+"memory moved for that, times hbal's", memory, 0.75),
		atMost(at+"CPU time of the whole process, times hbal's", ratio(same.usage.CPUSeconds, peer.usage.CPUSeconds), 0.001),
		atMost(at+"CPU time less the bare start, times hbal's", ratio(same.usage.CPUSeconds-bare.CPUSeconds, peer.usage.CPUSeconds), 0.001),
	}
	if sz.hosts == 100 {
		goals = append(goals, atMost(at+"CPU sd with as many moves as hbal", same.end().cpuStddev, 0.018))
	}
	return goals
}

// reached is the smallest plan found that is as good as another.
type reached struct {
	most int
	end  balance
}

// reach looks for the smallest number of moves with which the planner is as good as the peer at its
// end, by tens first and then one by one.
func (s *session) reach(ctx context.Context, sz size, peer balance) (reached, bool, error) {
	good := func(most int) (balance, bool, error) {
		r, err := s.plan(ctx, sz, most)
		if err != nil {
			return balance{}, false, err
		}
		b := r.end()
		return b, b.cpuStddev <= peer.cpuStddev && b.maxCPU <= peer.maxCPU && b.maxMemory <= peer.maxMemory, nil
	}
	const stride = 10
	for top := stride; top < peer.moves+stride; top += stride {
		_, ok, err := good(top)
		if err != nil {
			return reached{}, false, err
		}
		for most := top - stride + 1; ok && most <= top; most++ {
			b, ok, err := good(most)
			if err != nil || ok {
				return reached{most, b}, ok, err
			}
		}
	}
	return reached{}, false, nil
}

// frontScene shows what each subject makes of a number of moves. The planner is told the number, the
// others are cut off.
func frontScene(ctx context.Context, s *session, w io.Writer) ([]goal, error) {
	sz := s.size(100, 1000, true)
	hill, err := s.climb(ctx, sz)
	if err != nil {
		return nil, err
	}
	others := []run{hill}
	if s.withHbal(sz) {
		peer, err := s.hbal(ctx, sz)
		if err != nil {
			return nil, err
		}
		others = append(others, peer)
	}
	fmt.Fprintf(w, "%v. A subject that makes fewer moves by itself keeps its last row.\n\n", sz)
	cells := []string{"moves"}
	for _, name := range append([]string{"evenkeel"}, names(others)...) {
		cells = append(cells, name+": moves", "CPU sd", "CPU max", "memory sd", "memory max", "GiB moved")
	}
	header(w, cells...)
	var own []balance
	for most := 0; most <= 200; most += 10 {
		b := hill.states[0]
		if most > 0 {
			r, err := s.plan(ctx, sz, most)
			if err != nil {
				return nil, err
			}
			b = r.end()
		}
		own = append(own, b)
		row := append([]string{fmt.Sprint(most)}, frontCells(b)...)
		for _, o := range others {
			row = append(row, frontCells(cut(o.states, most))...)
		}
		line(w, row...)
	}
	return frontGoals(own, hill.states), nil
}

func names(runs []run) []string {
	var all []string
	for _, r := range runs {
		all = append(all, r.subject)
	}
	return all
}

func frontCells(b balance) []string {
	c := balanceCells(b)
	return append(append([]string{c[0]}, c[2:]...), c[1])
}

// frontGoals hold the memory that the planner moves against what hill climbing moves to come as far.
func frontGoals(own, hill []balance) []goal {
	return []goal{
		atMost("front: memory moved, times hill climbing's at equal CPU sd, the worst point", worst(own, hill, func(b balance) float64 { return b.cpuStddev }), 1),
		atMost("front: memory moved, times hill climbing's at equal CPU and memory sd together, the worst point", worst(own, hill, balance.together), 1),
	}
}

// worst is the largest ratio of memory moved over the points that hill climbing reaches as well.
func worst(own, hill []balance, measure func(balance) float64) float64 {
	most := math.Inf(-1)
	for _, b := range own {
		if there, ok := interpolated(hill, measure, measure(b)); ok && b.moves > 0 {
			most = max(most, ratio(b.movedGiB, there))
		}
	}
	if math.IsInf(most, -1) {
		return math.Inf(1) // no point can be compared
	}
	return most
}

// interpolated is the memory that is moved when the measure first falls to the value, on a straight
// line between two moves.
func interpolated(states []balance, measure func(balance) float64, value float64) (float64, bool) {
	for i := 1; i < len(states); i++ {
		before, after := measure(states[i-1]), measure(states[i])
		if after <= value && before > value {
			part := (before - value) / (before - after)
			return states[i-1].movedGiB + part*(states[i].movedGiB-states[i-1].movedGiB), true
		}
	}
	return 0, false
}

// scaleScene runs the planner on large clusters, and the hill climbing on the smallest of them.
func scaleScene(ctx context.Context, s *session, w io.Writer) ([]goal, error) {
	header(w, "cluster", "subject", "moves", "memory moved, GiB", "CPU sd", "CPU max", "memory sd", "memory max", "CPU s", "peak RSS, MiB", "")
	row := func(sz size, r run, note string) {
		line(w, slices.Concat([]string{sz.String(), r.subject}, balanceCells(r.end()), usageCells(r.usage), []string{note})...)
	}
	var goals []goal
	for _, c := range []struct {
		size  size
		climb bool
		limit float64
	}{
		{s.size(1000, 10000, true), true, 1},
		{s.size(1000, 10000, false), false, 1},
		{s.size(5000, 30000, true), false, 10},
		{s.size(10000, 100000, true), false, 0},
	} {
		r, err := s.plan(ctx, c.size, c.size.vms)
		if err != nil {
			return goals, fmt.Errorf("%v: %w", c.size, err)
		}
		row(c.size, r, "from "+ratioOf(r.states[0].cpuStddev))
		if c.limit > 0 {
			goals = append(goals, atMost(fmt.Sprintf("%v: CPU seconds", c.size), r.usage.CPUSeconds, c.limit))
		}
		if c.climb {
			hill, err := s.climb(ctx, c.size)
			if err != nil {
				return goals, fmt.Errorf("%v: %w", c.size, err)
			}
			row(c.size, hill, hill.note)
			goals = append(goals, atMost(fmt.Sprintf("%v: CPU time, times hill climbing's", c.size), ratio(r.usage.CPUSeconds, hill.usage.CPUSeconds), 0.01))
		}
		if err := s.forget(c.size); err != nil {
			return goals, err
		}
	}
	return goals, nil
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// session keeps what was made and measured already, so that scenes need not do it again.
type session struct {
	options options
	arenas  map[size]*arena
	peers   map[peerKey]run
	plans   map[planKey]run
}

type peerKey struct {
	subject string
	size    size
}

type planKey struct {
	most int
	size size
}

func newSession(o options) *session {
	return &session{options: o, arenas: map[size]*arena{}, peers: map[peerKey]run{}, plans: map[planKey]run{}}
}

func (s *session) size(hosts, vms int, skew bool) size {
	return size{hosts: hosts, vms: vms, skew: skew, seed: s.options.seed}
}

func (s *session) arena(sz size) (*arena, error) {
	if a, ok := s.arenas[sz]; ok {
		return a, nil
	}
	a, err := newArena(s.options, sz)
	if err != nil {
		return nil, err
	}
	s.arenas[sz] = a
	return a, nil
}

// forget drops a large cluster and its files.
func (s *session) forget(sz size) error {
	a := s.arenas[sz]
	delete(s.arenas, sz)
	if err := os.RemoveAll(a.dir); err != nil {
		return fmt.Errorf("remove cluster: %w", err)
	}
	return nil
}

// withHbal tells whether hbal is to run on clusters of that size.
func (s *session) withHbal(sz size) bool {
	return s.options.hbal == "all" || s.options.hbal == "small" && sz.hosts <= 50
}

func (s *session) hbal(ctx context.Context, sz size) (run, error) {
	return s.peer("hbal", sz, func(a *arena) (run, error) { return a.hbal(ctx) })
}

func (s *session) climb(ctx context.Context, sz size) (run, error) {
	return s.peer("hill climbing", sz, func(a *arena) (run, error) { return a.climb(ctx) })
}

func (s *session) peer(subject string, sz size, do func(*arena) (run, error)) (run, error) {
	key := peerKey{subject, sz}
	if r, ok := s.peers[key]; ok {
		return r, nil
	}
	a, err := s.arena(sz)
	if err != nil {
		return run{}, err
	}
	r, err := do(a)
	if err != nil {
		return run{}, err
	}
	s.peers[key] = r
	return r, nil
}

// plan has the planner make a plan of at most so many moves.
func (s *session) plan(ctx context.Context, sz size, most int) (run, error) {
	key := planKey{most, sz}
	if r, ok := s.plans[key]; ok {
		return r, nil
	}
	a, err := s.arena(sz)
	if err != nil {
		return run{}, err
	}
	r, err := a.ours(ctx, most)
	if err != nil {
		return run{}, err
	}
	s.plans[key] = r
	return r, nil
}

// timed makes the plan several times. Of its CPU time and memory the median counts.
func (s *session) timed(ctx context.Context, sz size, most int) (run, error) {
	r, err := s.plan(ctx, sz, most)
	if err != nil {
		return run{}, err
	}
	r.usage, err = s.median(ctx, sz, planCommand(s.options, s.arenas[sz].snapshot, most)...)
	return r, err
}

// bareStart is what the program takes to start and do nothing.
func (s *session) bareStart(ctx context.Context, sz size) (usage, error) {
	if _, err := s.arena(sz); err != nil {
		return usage{}, err
	}
	return s.median(ctx, sz, s.options.evenkeel, "--version")
}

func (s *session) median(ctx context.Context, sz size, command ...string) (usage, error) {
	out := filepath.Join(s.arenas[sz].dir, "again.txt")
	var all []usage
	for range s.options.rounds {
		u, err := measured(ctx, s.options.limit, out, command...)
		if err != nil {
			return usage{}, err
		}
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b usage) int { return cmp.Compare(a.CPUSeconds, b.CPUSeconds) })
	return all[len(all)/2], nil
}

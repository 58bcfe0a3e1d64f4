package promql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Moves is Source.Moves.
func (r *Replicas) Moves(ctx context.Context, from, to time.Time, key string) (cluster.Movements, error) {
	return ask(ctx, r, to, func(ctx context.Context, s *Source) (cluster.Movements, error) { return s.Moves(ctx, from, to, key) })
}

// Signs is Source.Signs.
func (r *Replicas) Signs(ctx context.Context, at time.Time) ([]cluster.HostSigns, error) {
	return ask(ctx, r, at, func(ctx context.Context, s *Source) ([]cluster.HostSigns, error) { return s.Signs(ctx, at) })
}

// Guests is Source.Guests.
func (r *Replicas) Guests(ctx context.Context, at time.Time, window time.Duration, vms []string) ([]cluster.GuestSigns, error) {
	return ask(ctx, r, at, func(ctx context.Context, s *Source) ([]cluster.GuestSigns, error) {
		return s.Guests(ctx, at, window, vms)
	})
}

// Usage is Source.Usage.
func (r *Replicas) Usage(ctx context.Context, at time.Time, window time.Duration) ([]cluster.VMUsage, error) {
	return ask(ctx, r, at, func(ctx context.Context, s *Source) ([]cluster.VMUsage, error) { return s.Usage(ctx, at, window) })
}

// Holds is Source.Holds.
func (r *Replicas) Holds(ctx context.Context, query string, at time.Time) (bool, error) {
	return ask(ctx, r, at, func(ctx context.Context, s *Source) (bool, error) { return s.Holds(ctx, query, at) })
}

// Trends is Source.Trends.
func (r *Replicas) Trends(ctx context.Context, subject string, from, to time.Time) (cluster.Trends, error) {
	if _, err := r.all[0].trendsOf(subject, time.Second); err != nil {
		return cluster.Trends{}, err // whoever is asked
	}
	return ask(ctx, r, to, func(ctx context.Context, s *Source) (cluster.Trends, error) { return s.Trends(ctx, subject, from, to) })
}

// answer is what a replica gave.
type answer[T any] struct {
	from  *Source
	value T
	err   error
}

// ask has a question answered by the replica whose turn it is. Where that fails the next is asked at once, and where it says nothing for so long that it
// may hang the next is asked beside it; the first answer counts. Each question has its own deadline.
func ask[T any](ctx context.Context, r *Replicas, at time.Time, question func(context.Context, *Source) (T, error)) (T, error) {
	if len(r.all) == 1 {
		return question(ctx, r.all[0])
	}
	turn := r.whom(ctx, at)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer[T], len(turn))
	begun, ended := 0, 0
	next := func() {
		if begun == len(turn) {
			return
		}
		s := turn[begun]
		begun++
		go func() {
			value, err := question(ctx, s)
			answers <- answer[T]{s, value, err}
		}()
	}
	waited := time.NewTicker(r.patience())
	defer waited.Stop()
	var errs []error
	for next(); ended < begun; {
		select {
		case a := <-answers:
			if a.err == nil {
				r.prefer(a.from)
				return a.value, nil
			}
			ended++
			errs = append(errs, a.err)
			next()
		case <-waited.C:
			next()
		}
	}
	r.doubt()
	var none T
	return none, fmt.Errorf("no replica answered: %w", errors.Join(errs...))
}

// whom says whom to ask, the best first.
func (r *Replicas) whom(ctx context.Context, at time.Time) []*Source {
	if turn := r.inTurn(); len(turn) > 0 {
		return turn
	}
	c := r.choose(r.hear(ctx, at), at)
	turn := make([]*Source, len(c.turn))
	for i, one := range c.turn {
		turn[i] = r.all[one]
	}
	if ctx.Err() != nil {
		return turn // of which nothing is known: who asks went away
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn = slices.Clone(turn)
	return turn
}

func (r *Replicas) inTurn() []*Source {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.turn)
}

// prefer has the one that answered be asked first, until the next snapshot is made.
func (r *Replicas) prefer(s *Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.turn, s); i > 0 {
		r.turn = slices.Insert(slices.Delete(r.turn, i, i+1), 0, s)
	}
}

// doubt has the next question begin with a look at who can answer.
func (r *Replicas) doubt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn = nil
}

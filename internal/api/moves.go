package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Past says what was, and what moved.
type Past interface {
	// Snapshot is the cluster as it was at the time.
	Snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error)
	// Moves says which VMs changed their host between two times; key is the UUID or name of one, or empty for all.
	Moves(ctx context.Context, from, to time.Time, key string) (cluster.Movements, error)
}

const (
	// usualMoves is how far back moves are looked for when nothing is said, longestMoves how long a time may be.
	usualMoves, longestMoves = 24 * time.Hour, 31 * 24 * time.Hour
	// moveSlack is how far the times of what was done and of what was seen may lie apart, besides the time between two looks.
	moveSlack = 30 * time.Second
)

// SetPast says who is asked for moves and, where nothing is to be judged, for the cluster as it was.
func (s *Server) SetPast(p Past) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past = p
}

func (s *Server) moves(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	past := s.past
	s.mu.Unlock()
	if past == nil {
		fail(w, http.StatusNotFound, errors.New("this server does not look into the past"), nil)
		return
	}
	from, to, err := span(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err, nil)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), rehearsalTimeout)
	defer cancel()
	m, err := past.Moves(ctx, from, to, r.URL.Query().Get("vm"))
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	s.attribute(&m)
	answer(w, m)
}

// span reads from when to when; the last day where nothing is said.
func span(q url.Values) (from, to time.Time, err error) {
	to = time.Now().Truncate(time.Second)
	for _, end := range []struct {
		name string
		into *time.Time
	}{{"to", &to}, {"from", &from}} {
		if text := q.Get(end.name); text != "" {
			if *end.into, err = time.Parse(time.RFC3339, text); err != nil {
				return from, to, fmt.Errorf("%s: %q is no time; write it like 2006-01-02T15:04:05Z", end.name, text)
			}
		}
	}
	if q.Get("from") == "" {
		from = to.Add(-usualMoves)
	}
	switch {
	case !from.Before(to):
		return from, to, errors.New("from: is not before to; swap the two")
	case to.Sub(from) > longestMoves:
		return from, to, errors.New("from: is more than 31 days before to; ask for a shorter time")
	}
	return from, to, nil
}

// attribute says of each move which recommendation made it.
func (s *Server) attribute(m *cluster.Movements) {
	acted := map[string][]cluster.Case{}
	for _, c := range s.desk.List(func(c cluster.Case) bool { return c.Recommendation.Action.To != "" && acts(c) }) {
		acted[c.Recommendation.Action.VM] = append(acted[c.Recommendation.Action.VM], c)
	}
	slack := time.Duration(m.StepSeconds*float64(time.Second)) + moveSlack
	for i := range m.Moves {
		one := &m.Moves[i]
		nearest := time.Duration(math.MaxInt64)
		for _, c := range acted[one.VM] {
			off, ok := made(c, *one, slack)
			if !ok || off >= nearest {
				continue
			}
			nearest = off
			r := c.Recommendation
			one.By = c.Word()
			one.Recommendation, one.Policy, one.Reason = r.ID, r.Policy, r.Reason
		}
	}
}

// acts tells whether the world was touched.
func acts(c cluster.Case) bool {
	return c.State == cluster.CaseRunning || c.Outcome != nil && !c.Outcome.Started.IsZero()
}

// made tells whether the case can be what moved the VM, which brought it to that host at that time, and how far off its end was.
func made(c cluster.Case, m cluster.Move, slack time.Duration) (off time.Duration, ok bool) {
	to, began, ended := c.Recommendation.Action.To, c.Updated, m.At
	if o := c.Outcome; o != nil {
		began, ended = o.Started, o.Finished
		if o.RunsOn != "" {
			to = o.RunsOn
		}
	}
	return ended.Sub(m.At).Abs(), to == m.To && !began.Add(-slack).After(m.At) && !ended.Add(slack).Before(m.Last)
}

// Moves asks which VMs changed their host; the zero times mean the last 24 hours, and an empty key all VMs.
func (c *Client) Moves(ctx context.Context, from, to time.Time, key string) (cluster.Movements, error) {
	q := url.Values{"vm": {key}}
	for name, t := range map[string]time.Time{"from": from, "to": to} {
		if !t.IsZero() {
			q.Set(name, t.Format(time.RFC3339))
		}
	}
	return get[cluster.Movements](ctx, c, "/api/v1/moves", q)
}

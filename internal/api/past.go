package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func (s *Server) where(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("vm")
	seen, ok := s.seenAt(w, r, time.Now())
	if !ok {
		return
	}
	places := []Place{}
	for _, v := range seen.VMs {
		if key == "" || v.ID == key || v.Name == key {
			places = append(places, Place{VM: v.ID, Name: v.Name, Host: v.Host, State: v.State, At: seen.At, Gap: seen.GapOf(cluster.VMSubject(v.ID))})
		}
	}
	if key != "" && len(places) == 0 {
		fail(w, http.StatusNotFound, fmt.Errorf("no VM has the name or UUID %q at %s", key, seen.At.Format(time.RFC3339)), nil)
		return
	}
	answer(w, places)
}

func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	seen, ok := s.seenAt(w, r, time.Now().Add(-s.board.Policy().Delay))
	if !ok {
		return
	}
	b, err := cluster.EncodeSnapshot(seen)
	if err != nil {
		fail(w, http.StatusInternalServerError, err, nil)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b) // the client may be gone; there is nobody to tell
}

func (s *Server) plan(w http.ResponseWriter, r *http.Request) {
	if j, ok := s.judgement(w, r); ok {
		answer(w, j.Plan)
	}
}

// judgement rehearses at the time that the request names or, as a pass does, so long ago that all scrapes from before have come in: who asks
// for that instant again gets the same.
func (s *Server) judgement(w http.ResponseWriter, r *http.Request) (analyzer.Judgement, bool) {
	return s.judgementAt(w, r, time.Now().Add(-s.board.Policy().Delay))
}

// judgementAt rehearses at the time that the request names, or at that second.
func (s *Server) judgementAt(w http.ResponseWriter, r *http.Request, otherwise time.Time) (analyzer.Judgement, bool) {
	return lookedAt(w, r, otherwise, s.board.Rehearse)
}

// seenAt is the snapshot of that time. It is asked for alone where that can be: a judgement takes several, and makes a plan.
func (s *Server) seenAt(w http.ResponseWriter, r *http.Request, otherwise time.Time) (cluster.Snapshot, bool) {
	s.mu.Lock()
	past := s.past
	s.mu.Unlock()
	if past == nil {
		j, ok := s.judgementAt(w, r, otherwise)
		return j.Snapshot, ok
	}
	return lookedAt(w, r, otherwise, past.Snapshot)
}

// lookedAt has a look taken at the time that the request names, or at that second.
func lookedAt[T any](w http.ResponseWriter, r *http.Request, otherwise time.Time, look func(context.Context, time.Time) (T, error)) (seen T, ok bool) {
	at := otherwise.Truncate(time.Second)
	if text := r.URL.Query().Get("at"); text != "" {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			fail(w, http.StatusBadRequest, fmt.Errorf("at: %q is no time; write it like 2006-01-02T15:04:05Z", text), nil)
			return seen, false
		}
		at = t
	}
	ctx, cancel := context.WithTimeout(r.Context(), rehearsalTimeout)
	defer cancel()
	seen, err := look(ctx, at)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return seen, false
	}
	return seen, true
}

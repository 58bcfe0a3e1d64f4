package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Ledger is what was journalled, and can be held against its hashes.
type Ledger interface {
	// Verify walks along the whole chain. With want, that entry must be there with that hash.
	Verify(ctx context.Context, want cluster.Head) (cluster.Verification, error)
	// Back calls f for the entries before a number, the newest first, until f says that it has enough.
	Back(ctx context.Context, before uint64, f func(cluster.Head, cluster.Entry) bool) error
}

// SetLedger tells the server which journal GET /api/v1/journal/verify is about.
func (s *Server) SetLedger(l Ledger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger = l
}

func (s *Server) whoKeepsTheJournal(w http.ResponseWriter) (Ledger, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ledger == nil {
		fail(w, http.StatusNotFound, errors.New("this server keeps no journal"), nil)
	}
	return s.ledger, s.ledger != nil
}

func (s *Server) verifyJournal(w http.ResponseWriter, r *http.Request) {
	ledger, ok := s.whoKeepsTheJournal(w)
	if !ok {
		return
	}
	var want cluster.Head
	if text := r.URL.Query().Get("head"); text != "" {
		h, err := cluster.ParseHead(text)
		if err != nil {
			fail(w, http.StatusBadRequest, err, nil)
			return
		}
		want = h
	}
	v, err := ledger.Verify(r.Context(), want)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	answer(w, v)
}

// VerifyJournal has the server walk along its journal. The zero Head asks for no certain entry.
func (c *Client) VerifyJournal(ctx context.Context, want cluster.Head) (cluster.Verification, error) {
	q := url.Values{}
	if want.Seq != 0 {
		q.Set("head", want.String())
	}
	return get[cluster.Verification](ctx, c, "/api/v1/journal/verify", q)
}

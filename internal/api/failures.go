package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Watch says what has become of the hosts.
type Watch interface {
	Hosts() []cluster.HostWatch
}

// Failures says what is not done about failures now, and why.
type Failures interface {
	Waiting() []recovery.Waiting
	Impact(s cluster.Snapshot, kind, name string) (recovery.Impact, error)
}

// SetWatch says who looks after the hosts.
func (s *Server) SetWatch(watch Watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = watch
}

func (s *Server) hosts(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	watch := s.watch
	s.mu.Unlock()
	if watch == nil {
		fail(w, http.StatusNotFound, errors.New("nobody looks after the hosts here"), nil)
		return
	}
	answer(w, watch.Hosts())
}

// SetFailures says who looks after failures.
func (s *Server) SetFailures(f Failures) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = f
}

// failures are what waits; what is done about the rest stands among the recommendations.
func (s *Server) failures(w http.ResponseWriter, _ *http.Request) {
	failed, ok := s.whoLooksAfterFailures(w)
	if !ok {
		return
	}
	answer(w, orEmpty(failed.Waiting()))
}

func (s *Server) whoLooksAfterFailures(w http.ResponseWriter) (Failures, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		fail(w, http.StatusNotFound, errors.New("nobody looks after failures here"), nil)
	}
	return s.failed, s.failed != nil
}

// impact says what depends on something now or, on a snapshot of the past, did.
func (s *Server) impact(w http.ResponseWriter, r *http.Request) {
	failed, ok := s.whoLooksAfterFailures(w)
	if !ok {
		return
	}
	kind, name, named := strings.Cut(r.URL.Query().Get("of"), "/")
	if !named || !slices.Contains([]string{"host", "pool", "network"}, kind) || name == "" {
		fail(w, http.StatusBadRequest, errors.New("of: write host/NAME, pool/NAME or network/NAME"), nil)
		return
	}
	j, ok := s.judgementAt(w, r, time.Now())
	if !ok {
		return
	}
	out, err := failed.Impact(j.Snapshot, kind, name)
	if err != nil {
		fail(w, http.StatusNotFound, err, nil)
		return
	}
	answer(w, out)
}

// Captures has what VMs showed before they were reset, by the ID of the case.
type Captures interface {
	Get(id string) ([]cluster.Captured, error)
}

// SetCaptures says who has them.
func (s *Server) SetCaptures(c Captures) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.captured = c
}

// captures are not for everybody who may look: a screen can show what its owner types.
func (s *Server) captures(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	captured := s.captured
	s.mu.Unlock()
	c, err := s.desk.Case(r.PathValue("id"))
	if err != nil {
		fail(w, http.StatusNotFound, err, nil)
		return
	}
	if captured == nil {
		fail(w, http.StatusNotFound, errors.New("nothing is kept here of what VMs show"), nil)
		return
	}
	list, err := captured.Get(c.Recommendation.ID)
	if err != nil {
		fail(w, http.StatusInternalServerError, err, nil)
		return
	}
	answer(w, orEmpty(list))
}

// Captures asks for what a VM showed before it was reset.
func (c *Client) Captures(ctx context.Context, id string) ([]cluster.Captured, error) {
	return get[[]cluster.Captured](ctx, c, "/api/v1/recommendations/"+url.PathEscape(id)+"/captures", nil)
}

// Hosts asks what has become of each host.
func (c *Client) Hosts(ctx context.Context) ([]cluster.HostWatch, error) {
	return get[[]cluster.HostWatch](ctx, c, "/api/v1/hosts", nil)
}

// Failures asks what is not done about failures, and why.
func (c *Client) Failures(ctx context.Context) ([]recovery.Waiting, error) {
	return get[[]recovery.Waiting](ctx, c, "/api/v1/failures", nil)
}

// Impact asks what depends on a host, a pool or a network ("host/NAME" and so on), at a time; the zero time is now.
func (c *Client) Impact(ctx context.Context, subject string, at time.Time) (recovery.Impact, error) {
	q := timed(at)
	q.Set("of", subject)
	return get[recovery.Impact](ctx, c, "/api/v1/impact", q)
}

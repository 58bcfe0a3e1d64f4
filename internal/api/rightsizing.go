package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/evenkeel/evenkeel/analyzer/rightsize"
)

// Sizer finds VMs that do nothing or have too much.
type Sizer interface {
	Rightsizing(ctx context.Context) (rightsize.Report, error)
}

// SetSizer says who does.
func (s *Server) SetSizer(z Sizer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizer = z
}

func (s *Server) rightsizing(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	sizer := s.sizer
	s.mu.Unlock()
	if sizer == nil {
		fail(w, http.StatusNotFound, errors.New("nobody looks at the sizes of VMs here"), nil)
		return
	}
	report, err := sizer.Rightsizing(r.Context())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	answer(w, report)
}

// Rightsizing asks which VMs do nothing or have too much, and what would be gained without.
func (c *Client) Rightsizing(ctx context.Context) (rightsize.Report, error) {
	return get[rightsize.Report](ctx, c, "/api/v1/rightsizing", nil)
}

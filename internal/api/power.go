package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Power says what hosts draw, and what those that sleep saved.
type Power interface {
	Status() cluster.PowerStatus
}

// SetPower says who looks after that.
func (s *Server) SetPower(p Power) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.powered = p
}

func (s *Server) power(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	powered := s.powered
	s.mu.Unlock()
	if powered == nil {
		fail(w, http.StatusNotFound, errors.New("nobody looks after what hosts draw here"), nil)
		return
	}
	answer(w, powered.Status())
}

// Power asks what hosts draw, and what was saved.
func (c *Client) Power(ctx context.Context) (cluster.PowerStatus, error) {
	return get[cluster.PowerStatus](ctx, c, "/api/v1/power", nil)
}

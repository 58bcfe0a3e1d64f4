package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Effects are promises against what came of them, and the trust that follows.
type Effects struct {
	// Kept of Of promises were kept, of all that are known.
	Kept int `json:"kept"`
	Of   int `json:"of"`
	// Standings are the kinds of action whose level is to be earned.
	Standings []trust.Standing `json:"standings"`
	// Promises are the newest, the newest first.
	Promises []cluster.Promise `json:"promises"`
}

func (s *Server) effects(w http.ResponseWriter, r *http.Request) {
	limit, ok := limitOf(w, r, usualHistory)
	if !ok {
		return
	}
	promises := s.desk.Promises()
	e := Effects{Of: len(promises), Standings: append([]trust.Standing{}, s.desk.Standings()...), Promises: []cluster.Promise{}}
	for _, p := range promises {
		if p.Kept {
			e.Kept++
		}
	}
	slices.Reverse(promises)
	e.Promises = append(e.Promises, promises[:min(limit, len(promises))]...)
	answer(w, e)
}

// Effects asks what was promised against what came of it.
func (c *Client) Effects(ctx context.Context, limit int) (Effects, error) {
	return get[Effects](ctx, c, "/api/v1/effects", url.Values{"limit": {strconv.Itoa(limit)}})
}

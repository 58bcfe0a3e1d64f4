package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Definitions has the versions of the definitions of VMs that are kept.
type Definitions interface {
	// Versions lists those of a VM, the newest first; none where nothing is kept of it.
	Versions(vm string) ([]cluster.Definition, error)
}

// SetDefinitions says who has them.
func (s *Server) SetDefinitions(d Definitions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.defined = d
}

// definitions tells when a VM's definition changed. What is in it holds secrets, and is not told.
func (s *Server) definitions(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defined := s.defined
	s.mu.Unlock()
	if defined == nil {
		fail(w, http.StatusNotFound, errors.New("no definitions are kept here"), nil)
		return
	}
	id, err := s.knownVM(r.PathValue("vm"))
	if err != nil {
		fail(w, http.StatusConflict, err, nil)
		return
	}
	list, err := defined.Versions(id)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	answer(w, orEmpty(list))
}

// knownVM is the UUID of the VM that is called so now. What is on no host any more goes by its UUID.
func (s *Server) knownVM(key string) (string, error) {
	board, _ := s.board.Board() // one that is not fresh knows the names as well
	found := board.Snapshot.FindVMs(key)
	if len(found) > 1 && !slices.ContainsFunc(found, func(v cluster.VM) bool { return v.ID == key }) {
		return "", fmt.Errorf("%d VMs are called %q; name one by its UUID", len(found), key)
	}
	if len(found) == 1 {
		return found[0].ID, nil
	}
	return key, nil
}

// Definitions asks which versions of a VM's definition are kept.
func (c *Client) Definitions(ctx context.Context, vm string) ([]cluster.Definition, error) {
	return get[[]cluster.Definition](ctx, c, "/api/v1/vms/"+url.PathEscape(vm)+"/definitions", nil)
}

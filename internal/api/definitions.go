package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

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

// knownVM is the UUID of the VM that is called so now. What is on no host any more, or was not seen yet, goes by its UUID.
func (s *Server) knownVM(key string) (string, error) {
	board, _ := s.board.Board()              // one that is not fresh knows the names as well
	if _, is := board.Snapshot.VM(key); is { // another VM may be named like its UUID
		return key, nil
	}
	found := board.Snapshot.FindVMs(key)
	switch len(found) {
	case 0:
		return key, nil
	case 1:
		return found[0].ID, nil
	}
	var ids []string
	for _, v := range found {
		ids = append(ids, v.ID)
	}
	return "", fmt.Errorf("%d VMs have the name %q; say which by its UUID: %s", len(ids), key, strings.Join(ids, ", "))
}

// Definitions asks which versions of a VM's definition are kept.
func (c *Client) Definitions(ctx context.Context, vm string) ([]cluster.Definition, error) {
	return get[[]cluster.Definition](ctx, c, "/api/v1/vms/"+url.PathEscape(vm)+"/definitions", nil)
}

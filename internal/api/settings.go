package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// SetSettings says what is in force. The list holds no secrets; what is restricted in it is told from role operator on.
func (s *Server) SetSettings(list []cluster.Setting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inForce = list
}

// config shows what is in force. Whoever may read may know what evenkeel goes by. Where things are, how they are reached and who may do
// what helps an attacker more than a reader, and takes a role that can stop everything anyway.
func (s *Server) config(w http.ResponseWriter, _ *http.Request, by caller) {
	s.mu.Lock()
	list := slices.Clone(s.inForce)
	s.mu.Unlock()
	if list == nil {
		fail(w, http.StatusNotFound, errors.New("this server shows no configuration"), nil)
		return
	}
	for i := range list {
		if one := &list[i]; one.Restricted && by.role < Operator {
			one.Value, one.Default, one.Withheld = "", "", true
		}
	}
	answer(w, list)
}

// Config asks for the configuration in force, without secrets.
func (c *Client) Config(ctx context.Context) ([]cluster.Setting, error) {
	return get[[]cluster.Setting](ctx, c, "/api/v1/config", nil)
}

package api

import (
	"context"
	"net/http"
)

// Me is whom the server takes a caller for.
type Me struct {
	// Name is empty for who shows neither a token nor a certificate, and for a token that the server does not know.
	Name string `json:"name,omitempty"`
	Role string `json:"role"`
}

func whoami(w http.ResponseWriter, _ *http.Request, by caller) {
	answer(w, Me{Name: by.name, Role: by.role.String()})
}

// WhoAmI asks whom the server takes the client for.
func (c *Client) WhoAmI(ctx context.Context) (Me, error) {
	return get[Me](ctx, c, "/api/v1/whoami", nil)
}

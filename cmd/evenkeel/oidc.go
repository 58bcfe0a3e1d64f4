package main

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/evenkeel/evenkeel/internal/oidc"
)

// newProvider returns the OpenID provider of the configuration, which is the one there was if nothing about it changed, so that logins
// under way go on; nil where none is configured.
func newProvider(c *config.OIDC, was *oidc.Provider) (*oidc.Provider, error) {
	if c == nil {
		return nil, nil
	}
	secret, err := c.ReadSecret()
	if err != nil {
		return nil, fmt.Errorf("api.oidc.client_secret_file: %w", err)
	}
	o := oidc.Options{Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: secret, RedirectURL: c.RedirectURL, Scopes: c.Scopes, NameClaim: c.NameClaim, RolesClaim: c.RolesClaim, CAFile: c.CAFile}
	if was != nil && reflect.DeepEqual(was.Options(), o) {
		return was, nil
	}
	p, err := oidc.New(o)
	if err != nil {
		return nil, fmt.Errorf("api.oidc.ca_file: %w", err)
	}
	return p, nil
}

// groupRoles are the roles by group: the highest, where a group stands under several.
func groupRoles(groups map[string][]string) (map[string]api.Role, error) {
	roles := map[string]api.Role{}
	var errs []error
	for name, list := range groups {
		role, err := api.ParseRole(name)
		errs = append(errs, err)
		for _, group := range list {
			roles[group] = max(roles[group], role)
		}
	}
	return roles, errors.Join(errs...)
}

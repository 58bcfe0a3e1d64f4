package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/config"
)

// allowed reads who may do what. Where the configuration names nobody, a token for one admin is made once and kept
// beside the journal.
func (s basis) allowed(c config.Config) (api.Access, error) {
	anonymous, err := api.ParseRole(c.API.Anonymous)
	if c.API.Anonymous == api.Nobody.String() {
		anonymous, err = api.Nobody, nil
	}
	a := api.Access{Anonymous: anonymous, Certificates: map[string]api.Role{}}
	for _, cert := range c.API.Certificates {
		role, bad := api.ParseRole(cert.Role)
		a.Certificates[cert.Name], err = role, errors.Join(err, bad)
	}
	if o := c.API.OIDC; o != nil {
		groups, bad := groupRoles(o.Roles)
		a.Issuer, a.Groups, err = o.Issuer, groups, errors.Join(err, bad)
	}
	listed := c.API.Tokens
	if len(listed) == 0 {
		path := filepath.Join(s.flags.storage, "token")
		if err := makeToken(path); err != nil {
			return a, err
		}
		listed = []config.Token{{Name: "operator", File: path, Role: api.Admin.String()}}
	}
	bearer := map[string]string{}
	for _, t := range listed {
		role, bad := api.ParseRole(t.Role)
		secret, unread := t.Read()
		if unread != nil {
			return a, fmt.Errorf("read the token of %s: %w", t.Name, unread)
		}
		if other, twice := bearer[secret]; twice {
			return a, fmt.Errorf("the tokens of %s and %s are the same: nobody could tell them apart; make a new one", other, t.Name)
		}
		bearer[secret] = t.Name
		a.Tokens, err = append(a.Tokens, api.Token{Name: t.Name, Secret: secret, Role: role}), errors.Join(err, bad)
	}
	return a, err
}

func makeToken(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make a token: %w", err)
	}
	_, err = fmt.Fprintln(f, rand.Text())
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("make a token: %w", err), os.Remove(path))
	}
	return nil
}

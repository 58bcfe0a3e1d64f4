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

// tokens reads who may change state. Where the configuration names nobody, a token for one
// operator is made once and kept beside the journal.
func (s *server) tokens(c config.Config) ([]api.Token, error) {
	listed := c.API.Tokens
	if len(listed) == 0 {
		path := filepath.Join(s.flags.storage, "token")
		if err := makeToken(path); err != nil {
			return nil, err
		}
		listed = []config.Token{{Name: "operator", File: path}}
	}
	var tokens []api.Token
	for _, t := range listed {
		secret, err := t.Read()
		if err != nil {
			return nil, fmt.Errorf("read the token of %s: %w", t.Name, err)
		}
		tokens = append(tokens, api.Token{Name: t.Name, Secret: secret})
	}
	return tokens, nil
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

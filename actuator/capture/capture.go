// Package capture keeps what a VM showed before it was reset: its screen and the end of its console's log, for whoever looks for the reason.
package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Most is of how many cases something is kept. What is older goes.
const Most = 100

// Source reads what a VM shows.
type Source interface {
	Capture(ctx context.Context, a cluster.Action) ([]cluster.Captured, error)
}

// Store keeps captures as files, in one directory for each case. It is safe for concurrent use, by virtue of the file system.
type Store struct {
	dir    string
	source Source
}

// New returns a store in the directory, which is made when something is kept.
func New(dir string, source Source) *Store { return &Store{dir: dir, source: source} }

// Keep reads what the action's VM shows and keeps it under the case's ID. The error says what could not be had; the rest is kept.
func (s *Store) Keep(ctx context.Context, id string, a cluster.Action) error {
	dir, err := s.of(id)
	if err != nil {
		return err
	}
	list, failed := s.source.Capture(ctx, a)
	if len(list) == 0 {
		return failed
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return errors.Join(failed, err)
	}
	for _, c := range list {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(c.Name)), c.Data, 0o600); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return errors.Join(failed, s.prune())
}

// Get returns what is kept of a case, by name; nothing where nothing is.
func (s *Store) Get(id string) ([]cluster.Captured, error) {
	dir, err := s.of(id)
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []cluster.Captured
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		list = append(list, cluster.Captured{Name: f.Name(), Type: cmp.Or(types()[filepath.Ext(f.Name())], "application/octet-stream"), Data: data})
	}
	return list, nil
}

// types are the media types of what is kept.
func types() map[string]string { return map[string]string{".log": "text/plain", ".png": "image/png"} }

// plain is what IDs of cases look like; nothing else is to become the name of a directory.
var plain = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

func (s *Store) of(id string) (string, error) {
	if !plain.MatchString(id) {
		return "", fmt.Errorf("%q is not the ID of a case", id)
	}
	return filepath.Join(s.dir, id), nil
}

// prune takes the oldest away, beyond as many as are kept.
func (s *Store) prune() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil || len(entries) <= Most {
		return err
	}
	type aged struct {
		name string
		at   int64
	}
	var list []aged
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			list = append(list, aged{e.Name(), info.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(list, func(a, b aged) int { return cmp.Compare(a.at, b.at) })
	for _, old := range list[:max(len(list)-Most, 0)] {
		if err := os.RemoveAll(filepath.Join(s.dir, old.name)); err != nil {
			return err
		}
	}
	return nil
}

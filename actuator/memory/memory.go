// Package memory keeps what rooms must not forget in files, or where another store has a place for it: each is read when the server
// begins and written when what is in it changes. What is in them is no secret.
package memory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Place is where one thing is kept. It has one user at a time.
type Place interface {
	// Read returns what is kept, nil where nothing is.
	Read() ([]byte, error)
	// Write keeps it whole, and returns when it is safe: after a failure in between the old one is still there.
	Write(text []byte) error
	// String says where that is.
	String() string
}

// Memory is something that is kept.
type Memory[T any] struct {
	place Place
	what  string
}

// New returns what is kept in the file at the path, which need not exist yet. What says what that is, for errors: "where VMs run".
func New[T any](path, what string) Memory[T] { return On[T](File(path), what) }

// On returns what is kept in a place.
func On[T any](place Place, what string) Memory[T] { return Memory[T]{place: place, what: what} }

// Load reads what is kept; where nothing is, the zero value.
func (m Memory[T]) Load() (T, error) {
	var kept, none T
	text, err := m.place.Read()
	if err == nil && text != nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		return none, fmt.Errorf("read %s from %s: %w; mend it, or move it away: then that is forgotten", m.what, m.place, err)
	}
	return kept, nil
}

// Save keeps it.
func (m Memory[T]) Save(what T) error {
	text, err := json.Marshal(what)
	if err == nil {
		err = m.place.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", m.what, err)
	}
	return nil
}

// File is a place in a file, by its path.
type File string

// String is part of Place.
func (f File) String() string { return string(f) }

// Read is part of Place.
func (f File) Read() ([]byte, error) {
	text, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// Write is part of Place.
func (f File) Write(text []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(string(f)), filepath.Base(string(f))+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // it is gone when all went well
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), string(f))
}

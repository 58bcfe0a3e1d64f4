// Package memory keeps what rooms must not forget in files: each is read when the server begins and written when what is in it
// changes. What is in them is no secret.
package memory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// File is where something is kept. It has one user at a time.
type File[T any] struct{ path, what string }

// New returns the file at the path, which need not exist yet. What says what is kept there, for errors: "where VMs run".
func New[T any](path, what string) File[T] { return File[T]{path: path, what: what} }

// Load reads what is kept; where nothing is, the zero value.
func (f File[T]) Load() (T, error) {
	var kept, none T
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		return none, fmt.Errorf("read %s from %s: %w; mend the file, or move it away: then that is forgotten", f.what, f.path, err)
	}
	return kept, nil
}

// Save writes it whole: after a crash in between the old one is still there.
func (f File[T]) Save(what T) error {
	text, err := json.Marshal(what)
	if err == nil {
		err = f.replace(text)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", f.what, err)
	}
	return nil
}

func (f File[T]) replace(text []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // it is gone when all went well
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), f.path)
}

// Package memory keeps what must not be forgotten by a restart in files: where VMs run, for the failover room, and what came of
// the schedules. They are read when the server begins and written when something changes. What is in them is no secret.
package memory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/actuator/schedule"
)

// File is where it is kept where VMs run. It has one user at a time.
type File struct{ path string }

// New returns the file at the path, which need not exist yet.
func New(path string) File { return File{path: path} }

// Load reads what is kept; where nothing is, an empty memory.
func (f File) Load() (recovery.Memory, error) {
	m, err := read[recovery.Memory](f.path)
	if err != nil {
		return m, fmt.Errorf("read where VMs ran from %s: %w", f.path, err)
	}
	return m, nil
}

// Save writes it whole: after a crash in between the old one is still there.
func (f File) Save(m recovery.Memory) error {
	if err := replace(f.path, m); err != nil {
		return fmt.Errorf("write where VMs run: %w", err)
	}
	return nil
}

// Schedules is where it is kept what came of the schedules. It has one user at a time.
type Schedules struct{ path string }

// NewSchedules returns the file at the path, which need not exist yet.
func NewSchedules(path string) Schedules { return Schedules{path: path} }

// Load reads what is kept; where nothing is, an empty book.
func (f Schedules) Load() (schedule.Book, error) {
	b, err := read[schedule.Book](f.path)
	if err != nil {
		return b, fmt.Errorf("read what came of the schedules from %s: %w; mend the file, or move it away: then it is forgotten what was missed, and nothing else", f.path, err)
	}
	return b, nil
}

// Save writes it whole: after a crash in between the old one is still there.
func (f Schedules) Save(b schedule.Book) error {
	if err := replace(f.path, b); err != nil {
		return fmt.Errorf("write what came of the schedules: %w", err)
	}
	return nil
}

// read returns what the file holds, the zero value where there is none or it cannot be read.
func read[T any](path string) (T, error) {
	var v, none T
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		return none, err
	}
	return v, nil
}

// replace puts a new file in place of the old one, which is there until the new one is on disk.
func replace(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // it is gone when all went well
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	return err
}

// Package memory keeps what the failover room must not forget in a file: it is read when the server begins and written when it
// changes. What is in it is no secret.
package memory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/evenkeel/evenkeel/actuator/recovery"
)

// File is where it is kept. It has one user at a time.
type File struct{ path string }

// New returns the file at the path, which need not exist yet.
func New(path string) File { return File{path: path} }

// Load reads what is kept; where nothing is, an empty memory.
func (f File) Load() (recovery.Memory, error) {
	var m recovery.Memory
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return recovery.Memory{}, fmt.Errorf("read where VMs ran from %s: %w", f.path, err)
	}
	return m, nil
}

// Save writes it whole: after a crash in between the old one is still there.
func (f File) Save(m recovery.Memory) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write where VMs run: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*")
	if err != nil {
		return fmt.Errorf("write where VMs run: %w", err)
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // it is gone when all went well
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("write where VMs run: %w", err)
	}
	return nil
}

package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

func (r *Reader) kvm(kernel) (put, error) {
	kvm := &stat.KVM{Device: exists(filepath.Join(r.o.Dev, "kvm"))}
	var err error
	kvm.Nested, err = r.nested()
	return func(m *stat.Machine) { m.KVM = kvm }, err
}

// nested asks the module of whichever maker the CPU has. One writes Y and N, the other 1 and 0.
func (r *Reader) nested() (*bool, error) {
	for _, module := range []string{"kvm_intel", "kvm_amd"} {
		path := r.sys("module", module, "parameters/nested")
		text, err := word(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		nested, ok := map[string]bool{"Y": true, "1": true, "N": false, "0": false}[text]
		if !ok {
			return nil, fmt.Errorf("read %s: %q is neither yes nor no", path, text)
		}
		return &nested, nil
	}
	return nil, nil
}

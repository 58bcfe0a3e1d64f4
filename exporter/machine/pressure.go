package machine

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

func (r *Reader) pressure(kernel) (put, error) {
	var p stat.Pressure
	var first error
	for _, of := range []struct {
		resource string
		into     **stat.Stalls
	}{{"cpu", &p.CPU}, {"memory", &p.Memory}, {"io", &p.IO}} {
		var err error
		if *of.into, err = r.stalls(of.resource); err != nil && first == nil {
			first = err
		}
	}
	if p == (stat.Pressure{}) {
		return nil, first
	}
	return func(m *stat.Machine) { m.Pressure = &p }, first
}

// stalls returns nil when the kernel was built or started without pressure stall information. Some
// kernels show the files all the same and refuse to read them.
func (r *Reader) stalls(resource string) (*stat.Stalls, error) {
	file := "pressure/" + resource
	psi, err := fromProc(r, file, func(f procfs.FS) (procfs.PSIStats, error) { return f.PSIStatsForResource(resource) })
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if psi.Some == nil {
		return nil, fmt.Errorf("read %s/%s: it has no line some", r.o.Proc, file)
	}
	s := &stat.Stalls{Some: stall(*psi.Some)}
	if psi.Full != nil {
		full := stall(*psi.Full)
		s.Full = &full
	}
	return s, nil
}

// stall takes the kernel's microseconds and percent to seconds and a ratio.
func stall(l procfs.PSILine) stat.Stall {
	return stat.Stall{Seconds: float64(l.Total) / 1e6, Ratio: l.Avg10 / 100}
}

package machine

import (
	"fmt"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/prometheus/procfs"
)

func (r *Reader) cpu(k kernel) (put, error) {
	s, err := k.stat()
	if err != nil {
		return nil, err
	}
	c := s.CPUTotal
	if c == (procfs.CPUStat{}) {
		return nil, fmt.Errorf("read %s/stat: it has no line for all CPUs", r.o.Proc)
	}
	// The columns are read one after another while they grow, so guests can be ahead of the column
	// that holds them by a tick.
	cpu := &stat.MachineCPU{
		User: max(0, c.User-c.Guest), Nice: max(0, c.Nice-c.GuestNice), System: c.System, Idle: c.Idle, IOWait: c.Iowait,
		IRQ: c.IRQ, SoftIRQ: c.SoftIRQ, Steal: c.Steal, Guest: c.Guest + c.GuestNice,
	}
	return func(m *stat.Machine) { m.CPU = cpu }, nil
}

package machine

import (
	"fmt"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/prometheus/procfs"
)

func (r *Reader) load(k kernel) (put, error) {
	avg, err := fromProc(r, "loadavg", procfs.FS.LoadAvg)
	if err != nil {
		return nil, err
	}
	s, err := k.stat()
	if err != nil {
		return nil, err
	}
	// The process that reads is running itself, so there is no such thing as none.
	if s.ProcessesRunning == 0 {
		return nil, fmt.Errorf("read %s/stat: it does not tell the running processes", r.o.Proc)
	}
	load := &stat.Load{One: avg.Load1, Five: avg.Load5, Fifteen: avg.Load15,
		Running: int64(s.ProcessesRunning), Blocked: int64(s.ProcessesBlocked)}
	return func(m *stat.Machine) { m.Load = load }, nil
}

package machine

import (
	"errors"
	"fmt"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"golang.org/x/sys/unix"
)

func (r *Reader) time(k kernel) (put, error) {
	var t stat.MachineTime
	var clockErr error
	t.Clock, clockErr = r.clock()
	s, err := k.stat()
	switch {
	case err != nil:
	case s.BootTime == 0:
		err = fmt.Errorf("read %s/stat: it does not tell when the machine started", r.o.Proc)
	default:
		t.Boot = cluster.Known(float64(s.BootTime))
	}
	return func(m *stat.Machine) { m.Time = &t }, errors.Join(clockErr, err)
}

// clock returns nil when we may not ask, as in a container that forbids the call.
func (r *Reader) clock() (*stat.Clock, error) {
	var t unix.Timex
	state, err := r.adjtimex(&t)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSYS) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the clock's state: %w", err)
	}
	// The offset is in nanoseconds only where the time service chose so; the errors never are.
	unit := 1e6
	if t.Status&unix.STA_NANO != 0 {
		unit = 1e9
	}
	return &stat.Clock{
		Synchronised: state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0,
		Offset:       float64(t.Offset) / unit, EstimatedError: float64(t.Esterror) / 1e6, MaximumError: float64(t.Maxerror) / 1e6,
	}, nil
}

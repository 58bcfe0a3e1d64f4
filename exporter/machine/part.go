package machine

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/prometheus/procfs"
)

// part reads one collector's numbers. It may return some of them and an error beside.
type part struct {
	collector string
	read      func(kernel) (put, error)
}

// put lays what a part has read into its place. It is run by whoever asked, never by the part, so
// that a part which comes back too late writes to nothing that is in use.
type put func(*stat.Machine)

// kernel is what several parts of one reading share.
type kernel struct {
	// stat is /proc/stat, which is long on a large machine and so is read once.
	stat func() (procfs.Stat, error)
}

func (r *Reader) kernel() kernel {
	return kernel{stat: sync.OnceValues(func() (procfs.Stat, error) {
		return fromProc(r, "stat", procfs.FS.Stat)
	})}
}

// fromProc reads a file of /proc by one of procfs's readers. They take fields out of lines without
// looking how many there are, so a truncated file makes some of them panic.
func fromProc[T any](r *Reader, file string, read func(procfs.FS) (T, error)) (v T, err error) {
	path := filepath.Join(r.o.Proc, file)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("read %s: it is truncated: %v", path, p)
		}
	}()
	fs, err := procfs.NewFS(r.o.Proc)
	if err == nil {
		v, err = read(fs)
	}
	if err != nil {
		return v, fmt.Errorf("read %s: %w", path, err)
	}
	return v, nil
}

// flight is one run of a part. Reading /sys can hang too, for example on a network card whose driver
// died, so a part runs beside its reading; and because it is not started again before it is back,
// no more than one of each can hang.
type flight struct {
	collector string
	began     time.Time
	done      chan struct{}
	// put, took and err belong to the run until done is closed.
	put  put
	took time.Duration
	err  error
}

// start returns the part's run that is under way, or a new one.
func (r *Reader) start(p part, k kernel) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.flights[p.collector]; f != nil {
		return f
	}
	f := &flight{collector: p.collector, began: time.Now(), done: make(chan struct{})}
	r.flights[p.collector] = f
	go func() {
		defer close(f.done)
		f.put, f.err = p.read(k)
		f.took = time.Since(f.began)
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.flights, p.collector)
	}()
	return f
}

// land waits for the run and lays its result into m.
func (f *flight) land(ctx context.Context, m *stat.Machine) stat.Reading {
	if !f.back(ctx) {
		late := fmt.Errorf("wait for the kernel: %w", ctx.Err())
		return stat.Reading{Collector: f.collector, Took: time.Since(f.began), Err: late.Error()}
	}
	if f.put != nil {
		f.put(m)
	}
	reading := stat.Reading{Collector: f.collector, Took: f.took}
	if f.err != nil {
		reading.Err = f.err.Error()
	}
	return reading
}

// back waits for the run as long as ctx lasts, and counts it as back also when ctx ended while
// another was waited for.
func (f *flight) back(ctx context.Context) bool {
	select {
	case <-f.done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

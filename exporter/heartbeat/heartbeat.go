// Package heartbeat leaves a stamp of this host on storage that it shares with others, and watches
// theirs. It tells how old the stamps are and judges nothing: whether a host is dead is for others to
// say.
//
// Shared storage can hang at any moment and for ever. So everything that touches it runs in
// goroutines of its own, one for each file at most, and ages are made when they are asked for, from
// the local clock alone: they grow whether or not the storage answers.
package heartbeat

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

const (
	usualInterval = 10 * time.Second
	// goneAfter is when a host is no longer listed. Its file stays: to remove it is for whoever took
	// the host out of the cluster, and the host may come back.
	goneAfter = 7 * 24 * time.Hour
	// maxHanging bounds the goroutines that read stamps, however many files somebody puts into the
	// directory. One more writes and one lists.
	maxHanging = 256
)

// Heartbeat is the storage heartbeat of one host. It is safe for concurrent use.
type Heartbeat struct {
	dir      string
	interval time.Duration
	log      *slog.Logger
	files    files

	mu   sync.Mutex
	name string
	own  own
	// busy has what is asked of the storage now.
	busy map[job]*run
	// errs has what the jobs that failed last time said.
	errs  map[job]string
	peers map[string]*peer
}

// own is what is known of the own stamp.
type own struct {
	// host is the name under which it was written.
	host     string
	sequence uint64
	// written is when it was last known to be on the storage, modified the storage's time of that.
	written, modified time.Time
	// device is the file system that it was written to.
	device uint64
}

// New returns a heartbeat in the directory. Without an interval above 0 it beats every ten seconds.
func New(dir string, interval time.Duration, log *slog.Logger) *Heartbeat {
	if interval <= 0 {
		interval = usualInterval
	}
	return &Heartbeat{dir: dir, interval: interval, log: log.With("directory", dir), files: storage{},
		busy: map[job]*run{}, errs: map[job]string{}, peers: map[string]*peer{}}
}

// Run leaves the stamp of the host with the name and watches all others until ctx ends. It never
// waits for the storage. The name must be a plain file name. A host that turns out to have another name
// is run again under that one when the first Run has ended; the stamp under the old name is removed.
func (h *Heartbeat) Run(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("start the heartbeat: %w", err)
	}
	h.mu.Lock()
	h.name = name
	h.mu.Unlock()
	tick := time.NewTicker(h.interval)
	defer tick.Stop()
	for {
		h.do(job{what: "write the own stamp"}, h.write)
		h.do(job{what: "list the stamps"}, h.list)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Read returns what is known now. It never waits for the storage.
func (h *Heartbeat) Read() stat.Heartbeat {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	s := stat.Heartbeat{Err: h.trouble(now), Peers: h.shown(now)}
	if !h.own.written.IsZero() {
		s.AgeSeconds = cluster.Known(now.Sub(h.own.written).Seconds())
	}
	return s
}

// trouble says why the storage cannot be used, or "". A job that is not back after a whole interval
// has hung: what it told before is not true any more.
func (h *Heartbeat) trouble(now time.Time) string {
	for _, what := range []string{"write the own stamp", "list the stamps"} {
		j := job{what: what}
		if r := h.busy[j]; r != nil && now.Sub(r.since) >= h.interval {
			return what + ": the storage does not answer"
		}
		if h.errs[j] != "" {
			return h.errs[j]
		}
	}
	return ""
}

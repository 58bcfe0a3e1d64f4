package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// minFreeBytes is the free space below which nothing more is stored. The
// database panics, in a goroutine that nobody can guard, if it cannot write a
// chunk that it has accepted. What it has accepted but not written yet is some
// tens of megabytes even for thousands of VMs; the rest is for compaction.
const minFreeBytes = 256 << 20

// diskGuard stands in front of the database and refuses samples while the disk
// is nearly full. Scraping goes on: each target shows the reason as its error,
// and storing resumes by itself when there is room again.
type diskGuard struct {
	next   storage.AppendableV2
	dir    string
	free   func(dir string) (bytes uint64, err error) // freeBytes, but in tests
	logger *slog.Logger
	full   atomic.Bool // what the log said last
}

func newDiskGuard(next storage.AppendableV2, dir string, logger *slog.Logger) *diskGuard {
	return &diskGuard{next: next, dir: dir, free: freeBytes, logger: logger}
}

// AppenderV2 returns the next appender, or one that refuses. It is called once
// or twice a scrape, so asking the file system each time costs nothing.
func (g *diskGuard) AppenderV2(ctx context.Context) storage.AppenderV2 {
	app := g.next.AppenderV2(ctx)
	err := g.check()
	if was := g.full.Swap(err != nil); was != (err != nil) {
		if err != nil {
			g.logger.Error("Storing stops: free some disk space", "err", err)
		} else {
			g.logger.Info("Storing resumes", "dir", g.dir)
		}
	}
	if err != nil {
		return refusingAppender{app, err}
	}
	return app
}

// check refuses also when the free space cannot be found out.
func (g *diskGuard) check() error {
	free, err := g.free(g.dir)
	if err != nil {
		return fmt.Errorf("ask for the free space of %s: %w", g.dir, err)
	}
	if free < minFreeBytes {
		return fmt.Errorf("file system of %s has only %d MiB free, less than %d MiB", g.dir, free>>20, minFreeBytes>>20)
	}
	return nil
}

// freeBytes returns how many bytes this process may still write at dir.
func freeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// refusingAppender takes nothing; Commit and Rollback end the empty transaction.
type refusingAppender struct {
	storage.AppenderV2
	err error
}

// Append returns the reason for the refusal.
func (a refusingAppender) Append(storage.SeriesRef, labels.Labels, int64, int64, float64, *histogram.Histogram, *histogram.FloatHistogram, storage.AppendV2Options) (storage.SeriesRef, error) {
	return 0, a.err
}

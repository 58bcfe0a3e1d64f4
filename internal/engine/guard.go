package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
)

// The database panics, in a goroutine of its own where nobody can recover, if
// it cannot write a chunk of samples that it has accepted. It writes chunks
// once a minute, through a buffer of 4 MB. So before the disk is full storing
// must stop, and what has been accepted must be written out.
const (
	// minFreeBytes is the free space below which nothing more is stored. At
	// twice as much storing resumes.
	minFreeBytes = 128 << 20
	// ballastBytes is how much room is kept occupied, and given up for what has
	// been accepted, in case the disk fills faster than guardInterval. A
	// million series make 5 MB of chunks a minute.
	ballastBytes = 16 << 20
	ballastName  = "ballast"
	// guardInterval is the time between two looks at the free space.
	guardInterval = time.Second
)

// diskGuard stands in front of the database and refuses samples while the disk
// is nearly full. Scraping goes on: each target shows the reason as its error,
// and storing resumes by itself when there is room again.
type diskGuard struct {
	next   storage.AppendableV2
	older  storage.Appendable // the same database, for rules, whose samples no limit on targets is for
	dir    string
	flush  func()                                     // writes out what next has accepted
	free   func(dir string) (bytes uint64, err error) // freeBytes, but in tests
	every  time.Duration                              // guardInterval, but in tests
	logger *slog.Logger

	refusal atomic.Pointer[error] // why nothing is stored; nil while it is
}

func newDiskGuard(next storage.AppendableV2, older storage.Appendable, flush func(), dir string, logger *slog.Logger) *diskGuard {
	g := &diskGuard{next: next, older: older, dir: dir, flush: flush, free: freeBytes, every: guardInterval, logger: logger}
	g.takeBallast()
	return g
}

// AppenderV2 returns the next appender, or one that refuses.
func (g *diskGuard) AppenderV2(ctx context.Context) storage.AppenderV2 {
	app := g.next.AppenderV2(ctx)
	if err := g.refusal.Load(); err != nil {
		return refusingAppender{app, *err}
	}
	return app
}

// Appender is AppenderV2 in the form in which rules store their results.
func (g *diskGuard) Appender(ctx context.Context) storage.Appender {
	app := g.older.Appender(ctx)
	if err := g.refusal.Load(); err != nil {
		return refusingOlder{app, *err}
	}
	return app
}

// watch looks at the free space until ctx ends.
func (g *diskGuard) watch(ctx context.Context) {
	ticker := time.NewTicker(g.every)
	defer ticker.Stop()
	for {
		g.look()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// look looks at the free space once and stops or resumes storing.
func (g *diskGuard) look() {
	full := g.refusal.Load() != nil
	need := uint64(minFreeBytes)
	if full {
		need = 2 * minFreeBytes
	}
	err := checkFree(g.dir, g.free, need)
	if err == nil {
		if full {
			g.takeBallast()
			g.refusal.Store(nil)
			g.logger.Info("Storing resumes", "dir", g.dir)
		}
		return
	}
	g.refusal.Store(&err)
	if !full {
		g.logger.Error("Storing stops until there is more free space", "err", err)
		g.dropBallast()
	}
	// Again each time: a scrape that was under way may have stored more.
	g.flush()
}

// takeBallast occupies some space. Without it the guard is still worth having.
func (g *diskGuard) takeBallast() {
	f, err := os.OpenFile(filepath.Join(g.dir, ballastName), os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, ballastBytes), f.Close())
	}
	if err != nil {
		g.logger.Warn("Cannot set space aside for a full disk", "err", err)
	}
}

func (g *diskGuard) dropBallast() {
	if err := dropBallast(g.dir); err != nil {
		g.logger.Error("Cannot give up the space set aside for a full disk", "err", err)
	}
}

func dropBallast(dir string) error {
	err := os.Remove(filepath.Join(dir, ballastName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// checkFree returns an error if dir has less free space than need, and also if
// that cannot be found out.
func checkFree(dir string, free func(string) (uint64, error), need uint64) error {
	n, err := free(dir)
	if err != nil {
		return fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	if n < need {
		return fmt.Errorf("file system of %s has only %d MiB free, need %d MiB: %w", dir, n>>20, need>>20, syscall.ENOSPC)
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

// Append returns the reason for the refusal; the target shows it. The samples
// that the scraper itself adds, about the scrape and of series that end, get an
// error that it expects and does not log: a line for every scrape would fill
// the rest of the disk.
func (a refusingAppender) Append(_ storage.SeriesRef, ls labels.Labels, _, _ int64, v float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	name := ls.Get(model.MetricNameLabel)
	if value.IsStaleNaN(v) || name == "up" || strings.HasPrefix(name, "scrape_") {
		return 0, storage.ErrOutOfOrderSample
	}
	return 0, a.err
}

// refusingOlder is refusingAppender for rules.
type refusingOlder struct {
	storage.Appender
	err error
}

// Append returns the reason for the refusal; the rule shows it. The ends of series get an error that rules expect and do not log.
func (a refusingOlder) Append(_ storage.SeriesRef, _ labels.Labels, _ int64, v float64) (storage.SeriesRef, error) {
	if value.IsStaleNaN(v) {
		return 0, storage.ErrOutOfOrderSample
	}
	return 0, a.err
}

package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/prometheus/prometheus/util/compression"
)

const (
	// maxDiskPercent is the share of the file system that blocks may fill
	// before the oldest are deleted: fresh data matter more than history.
	maxDiskPercent = 80
	// maxBlockSpan bounds the blocks that compaction makes of smaller ones, as
	// in Prometheus itself.
	maxBlockSpan = 31 * 24 * time.Hour
)

// store is the database on disk together with the lock on its directory. What
// is scraped goes through guard and churn to db; queries read db.
type store struct {
	db    *tsdb.DB
	churn *churnLimit
	guard *diskGuard
	lock  *tsdbutil.DirLocker
}

// openStore locks and opens the database. The lock is taken here and not by
// tsdb.Open, because that deletes temporary files before it looks at the lock:
// they might be those of the running process that holds it.
func openStore(o Options, reg prometheus.Registerer) (*store, error) {
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, explainDir(o.Dir, err)
	}
	db, err := openDB(o, reg)
	if err != nil {
		return nil, errors.Join(explainDir(o.Dir, err), lock.Release())
	}
	churn := newChurnLimit(db, o.Own.Job)
	guard := newDiskGuard(churn, db, db.ForceHeadMMap, o.Dir, o.Logger)
	return &store{db: db, churn: churn, guard: guard, lock: lock}, nil
}

// openDB opens the database if there is room. Reading the log of the last run
// writes chunks already, see minFreeBytes.
func openDB(o Options, reg prometheus.Registerer) (*tsdb.DB, error) {
	if err := dropBallast(o.Dir); err != nil {
		return nil, err
	}
	if err := checkFree(o.Dir, freeBytes, 2*minFreeBytes); err != nil {
		return nil, err
	}
	return tsdb.Open(o.Dir, o.Logger.With("component", "tsdb"), reg, storeOptions(o), nil)
}

func storeOptions(o Options) *tsdb.Options {
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = o.Retention.Milliseconds()
	opts.MaxPercentage = maxDiskPercent
	opts.MaxBlockDuration = min(maxBlockSpan, o.Retention/10).Milliseconds()
	opts.WALCompression = compression.Snappy
	opts.NoLockfile = true
	return opts
}

// lockDir creates dir if need be and locks it, in the way that Prometheus and
// promtool do, so that they keep each other out as well.
func lockDir(dir string) (*tsdbutil.DirLocker, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	lock, err := tsdbutil.NewDirLocker(dir, "tsdb", slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return nil, err
	}
	return lock, lock.Lock()
}

// explainDir says of an error with dir what a person can do about it.
func explainDir(dir string, err error) error {
	return fmt.Errorf("cannot open storage directory %s: %s: %w", dir, advice(err), err)
}

func advice(err error) string {
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return "it is in use by another process (is a server running already?), stop that or choose another directory"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "make it writable for the user that evenkeel runs as, or choose another directory"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free some space on its file system or choose another directory"
	case errors.Is(err, syscall.ENOTDIR):
		return "a part of its path is a file, choose another directory"
	default:
		return "if its data are damaged, move it away and start with an empty one"
	}
}

// close closes the database and gives up the lock, whatever happens. Closing
// writes chunks, so a full disk can make it panic; what could not be written is
// still in the write-ahead log.
func (s *store) close() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("close database: %v", p)
		}
		err = errors.Join(err, s.lock.Release())
	}()
	return s.db.Close()
}

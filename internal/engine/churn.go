package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// How many series one target may begin. Every series stays in memory for some
// three hours, even if the scrape that began it failed: an exporter with new
// label values in each scrape would fill the memory whatever its other limits.
// With these, it takes about half a gigabyte.
const (
	churnBurst = 2 * maxTargetSamples // at once: all of a host's series, twice
	churnHour  = maxTargetSamples     // and as many again per hour
)

var errChurn = errors.New("target begins too many new series: a label of its metrics changes all the time")

// churnLimit stands in front of the database and fails the scrapes of targets
// that begin more series than they may. Who a target is, its job and instance,
// is not for the exporter to say.
type churnLimit struct {
	next storage.AppendableV2
	own  string           // the job of this process, whose page is as large as its cluster
	now  func() time.Time // time.Now, but in tests

	mu      sync.Mutex
	targets map[targetKey]*allowance
}

type targetKey struct{ job, instance string }

// allowance is how many series a target may begin, as known at a time.
type allowance struct {
	series float64
	at     time.Time
}

func newChurnLimit(next storage.AppendableV2, own string) *churnLimit {
	return &churnLimit{next: next, own: own, now: time.Now, targets: map[targetKey]*allowance{}}
}

// AppenderV2 returns the next appender with the limit in front of it.
func (c *churnLimit) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return churnAppender{c.next.AppenderV2(ctx), c}
}

// take uses up one new series of the target; it is false if none is left.
func (c *churnLimit) take(key targetKey) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	a := c.targets[key]
	if a == nil {
		a = &allowance{series: churnBurst, at: now}
		c.targets[key] = a
	}
	a.series = min(churnBurst, a.series+now.Sub(a.at).Hours()*churnHour)
	a.at = now
	if a.series < 1 {
		return false
	}
	a.series--
	return true
}

type churnAppender struct {
	storage.AppenderV2
	limit *churnLimit
}

// Append passes the sample on. The scraper knows no ref for a series that is
// new to it, so only those are counted; those of this process are not.
func (a churnAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AppendV2Options) (storage.SeriesRef, error) {
	if ref == 0 {
		key := targetKey{ls.Get(model.JobLabel), ls.Get(model.InstanceLabel)}
		if (key.job == "" || key.job != a.limit.own) && !a.limit.take(key) {
			return 0, errChurn
		}
	}
	return a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
}

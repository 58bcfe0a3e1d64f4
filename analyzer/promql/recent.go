package promql

import (
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// mostRecent is how many answers are kept.
const mostRecent = 256

// recent keeps answers about past times for half the time between two of their points: pages that many people look at ask for the same again
// and again, and of a thousand hosts that is dear.
type recent struct {
	mu   sync.Mutex
	kept map[recentKey]*recentAnswer
}

type recentKey struct {
	subject string
	step    time.Duration
	length  time.Duration
}

// recentAnswer is locked while it is asked for: who wants the same waits for it.
type recentAnswer struct {
	mu     sync.Mutex
	trends cluster.Trends
}

func (r *recent) of(key recentKey) *recentAnswer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil || len(r.kept) >= mostRecent {
		r.kept = map[recentKey]*recentAnswer{}
	}
	if r.kept[key] == nil {
		r.kept[key] = &recentAnswer{}
	}
	return r.kept[key]
}

// lasts tells whether the answer is good for what ends then. One without series is not: they may begin at any time.
func (a *recentAnswer) lasts(to time.Time, step time.Duration) bool {
	age := to.Sub(a.trends.To)
	return len(a.trends.Series) > 0 && age >= 0 && age < step/2
}

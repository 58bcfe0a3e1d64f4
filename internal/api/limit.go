package api

import (
	"cmp"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// perSecond and burst bound the requests of one caller that change something, and the wrong tokens that come
	// from one address.
	perSecond, burst = 20, 100
	// mostCallers is how many are remembered; when there are more all begin anew.
	mostCallers = 10_000
)

// limiters bound how often each caller changes something.
type limiters struct {
	mu sync.Mutex
	// refill is how many a second; 0 for the usual.
	refill rate.Limit
	of     map[string]*rate.Limiter
}

// allow tells whether the caller may go on: by name or, where there is none, by address.
func (l *limiters) allow(address string, by caller, now time.Time) bool {
	key := "address " + address
	if by.name != "" {
		key = "name " + by.name
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil || len(l.of) >= mostCallers {
		l.of = map[string]*rate.Limiter{}
	}
	if l.of[key] == nil {
		l.of[key] = rate.NewLimiter(cmp.Or(l.refill, perSecond), burst)
	}
	return l.of[key].AllowN(now, 1)
}

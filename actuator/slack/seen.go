package slack

import (
	"sync"
	"time"
)

// remember is how long what has arrived is known. Slack's stamps may lie 5 minutes ahead or behind,
// so a request is good for twice that.
const remember = 11 * time.Minute

// seen knows the requests and envelopes that have arrived, so that none counts twice.
type seen struct {
	// since is when this began to remember, in whole seconds as stamps are.
	since time.Time

	mu sync.Mutex
	at map[string]time.Time
	// swept is when what is old was last forgotten.
	swept time.Time
}

func newSeen(now time.Time) *seen {
	return &seen{since: now.Truncate(time.Second), at: map[string]time.Time{}, swept: now}
}

// first tells whether the key has not arrived before, and notes it.
func (s *seen) first(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.swept) > time.Minute {
		for k, at := range s.at {
			if now.Sub(at) > remember {
				delete(s.at, k)
			}
		}
		s.swept = now
	}
	if _, known := s.at[key]; known {
		return false
	}
	s.at[key] = now
	return true
}

// forget lets the key arrive again, for a click that could not be taken.
func (s *seen) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.at, key)
}

// before tells whether a stamp is older than what is remembered here, so that nobody could say
// whether it has counted already.
func (s *seen) before(stamp time.Time) bool { return stamp.Before(s.since) }

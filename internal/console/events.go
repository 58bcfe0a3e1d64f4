package console

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

const (
	// liveHeader marks what a page asks by itself.
	liveHeader = "Evenkeel-Live"
	// look is how often a stream looks for something new, and pulse how often it says something at least.
	look, pulse = 2 * time.Second, 20 * time.Second
	// mostListeners is how many pages are kept up to date at a time, mostOfOne how many of one session or, without one, of one address. Others are as
	// they were loaded.
	mostListeners, mostOfOne = 100, 25
)

// listeners are the open streams.
type listeners struct {
	mu   sync.Mutex
	n    int
	of   map[string]int
	over chan struct{} // closed when the server stops
}

func (l *listeners) join(who string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n >= mostListeners || l.of[who] >= mostOfOne {
		return false
	}
	if l.of == nil {
		l.of = map[string]int{}
	}
	l.n, l.of[who] = l.n+1, l.of[who]+1
	return true
}

func (l *listeners) leave(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n, l.of[who] = l.n-1, l.of[who]-1; l.of[who] == 0 {
		delete(l.of, who)
	}
}

// listener is whose pages are counted together.
func listener(r *http.Request, p person) string {
	if p.session != nil {
		return "session " + p.session.id
	}
	return "address " + api.AddressOf(r)
}

// stateOf changes when what the pages show does: with each pass, and with each step of a recommendation.
func stateOf(s api.Status, cases []cluster.Case) string {
	b, err := json.Marshal(struct {
		Status api.Status
		Cases  []cluster.Case
	}{s, cases})
	if err != nil {
		return err.Error() // the API wrote it, so it can be written
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// events tells a page when there is something new. It is only told that, and asks for itself anew: so it sees what it may.
func (c *Console) events(w http.ResponseWriter, r *http.Request) {
	r.Header.Set(liveHeader, "stream")
	p := c.person(r)
	if statusOf(p.unseen) == http.StatusUnauthorized {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	who := listener(r, p)
	if !c.listeners.join(who) {
		w.Header().Set("Retry-After", "60")
		http.Error(w, "too many pages are open; this one is not kept up to date", http.StatusServiceUnavailable)
		return
	}
	defer c.listeners.leave(who)
	w.Header().Set("Content-Type", "text/event-stream")
	to := http.NewResponseController(w)
	say := func(text string) error {
		if err := to.SetWriteDeadline(time.Now().Add(2 * pulse)); err != nil {
			return err
		}
		if _, err := fmt.Fprint(w, text); err != nil {
			return err
		}
		return to.Flush()
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	last, said := "", time.Time{}
	for ; ; p = c.person(r) {
		state := "unseen"
		if p.unseen == nil {
			state = stateOf(p.status, p.Cases)
		}
		var err error
		switch now := time.Now(); {
		case state != last:
			last, said, err = state, now, say("data: "+state+"\n\n")
		case now.Sub(said) >= pulse:
			said, err = now, say(":\n\n")
		}
		if err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-c.listeners.over:
			return
		case <-tick.C:
		}
	}
}

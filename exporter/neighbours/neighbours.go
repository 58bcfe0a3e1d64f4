// Package neighbours asks a few other hosts whether their machines answer, over a network that the
// operator chose. It tells how long ago each answered and judges nothing.
//
// A question is a TCP connection. That it is refused is as good an answer as that it is accepted: in
// both cases the other machine's kernel lives. What fails on this side says nothing of the other.
package neighbours

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

// minInterval keeps the questions from being a burden on the hosts that are asked.
const minInterval = 100 * time.Millisecond

// Neighbours asks the hosts that come after this one in a file which is the same on all hosts. It is
// safe for concurrent use.
type Neighbours struct {
	file     string
	count    int
	interval time.Duration
	ask      func(ctx context.Context, address string) (outcome, error)
	// reading tells that the file is being read: should it stand on storage that hangs, one reader waits.
	reading atomic.Bool

	mu    sync.Mutex
	name  string
	hosts []host
	// broken says what is wrong with the file as it is now, failed why not all could be asked last time.
	broken, failed string
	peers          map[string]*peer
}

// peer is what is known of one host that is asked.
type peer struct {
	address string
	// began is when a question first told something, asked when one last did, answered when the host last
	// answered; zero for never.
	began, asked, answered time.Time
}

// New reads the file. Of the hosts in it the next ones after the own are asked, as many as count says.
func New(file string, count int, interval time.Duration) (*Neighbours, error) {
	if count < 1 {
		return nil, fmt.Errorf("ask the neighbours: %d of them is none", count)
	}
	if interval < minInterval {
		return nil, fmt.Errorf("ask the neighbours: every %s is too often; the least is %s", interval, minInterval)
	}
	n := &Neighbours{file: file, count: count, interval: interval, ask: ask, peers: map[string]*peer{}}
	if n.read(); n.broken != "" {
		return nil, fmt.Errorf("ask the neighbours: %s", n.broken)
	}
	return n, nil
}

// Run asks on behalf of the host with the name until ctx ends. A host that turns out to have another
// name is run again under that one.
func (n *Neighbours) Run(ctx context.Context, name string) {
	n.mu.Lock()
	n.name = name
	n.mu.Unlock()
	tick := time.NewTicker(n.interval)
	defer tick.Stop()
	for {
		n.reread()
		n.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// reread reads the file beside us, so that the questions go on whatever it stands on.
func (n *Neighbours) reread() {
	if n.reading.CompareAndSwap(false, true) {
		go func() {
			defer n.reading.Store(false)
			n.read()
		}()
	}
}

// read takes over what the file says now. Of one that is broken nothing is taken over.
func (n *Neighbours) read() {
	var hosts []host
	text, err := os.ReadFile(n.file)
	if err == nil {
		hosts, err = parse(n.file, string(text))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		n.broken = err.Error()
		return
	}
	n.hosts, n.broken = hosts, ""
}

// round asks each once, all at the same time. It ends in time because each question does.
func (n *Neighbours) round(ctx context.Context) {
	asked := n.choose()
	outcomes, errs, when := make([]outcome, len(asked)), make([]error, len(asked)), make([]time.Time, len(asked))
	var wg sync.WaitGroup
	for i, h := range asked {
		wg.Go(func() {
			outcomes[i], errs[i] = n.ask(ctx, h.address)
			when[i] = time.Now()
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return // what was cut short says nothing
	}
	// Without a way to any of them it is this machine that has no network.
	alone := !slices.ContainsFunc(outcomes, func(o outcome) bool { return o != unroutable })
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failed = ""
	for i, h := range asked {
		if outcomes[i] == unsaid || alone {
			if n.failed == "" {
				n.failed = fmt.Sprintf("%s cannot be asked: %v", h.name, errs[i])
			}
			continue
		}
		p := n.peers[h.name]
		if p.asked = when[i]; p.began.IsZero() {
			p.began = when[i]
		}
		if outcomes[i] == answered {
			p.answered = when[i]
		}
	}
}

// choose returns whom to ask, and forgets the others.
func (n *Neighbours) choose() []host {
	n.mu.Lock()
	defer n.mu.Unlock()
	chosen := next(n.hosts, n.name, n.count)
	peers := map[string]*peer{}
	for _, h := range chosen {
		p := n.peers[h.name]
		if p == nil || p.address != h.address {
			p = &peer{address: h.address}
		}
		peers[h.name] = p
	}
	n.peers = peers
	return chosen
}

// Read returns what is known now. It never waits for an answer.
func (n *Neighbours) Read() stat.Neighbours {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	s := stat.Neighbours{Err: n.trouble()}
	for name, p := range n.peers {
		if age, known := p.age(now, n.patience()); known {
			s.Peers = append(s.Peers, stat.Neighbour{Host: name, AgeSeconds: age})
		}
	}
	slices.SortFunc(s.Peers, func(a, b stat.Neighbour) int { return strings.Compare(a.Host, b.Host) })
	return s
}

// patience is how long a question, with the pause before it, may take until it has failed on this side.
func (n *Neighbours) patience() time.Duration { return 2*n.interval + resolveTimeout + connectTimeout }

// age is for how many seconds the host has not answered, and whether that is known. It is not known
// while no question tells anything: the time that passes is then not the other's silence. A host that
// never answered is infinitely old, once it has been asked several times.
func (p *peer) age(now time.Time, patience time.Duration) (seconds float64, known bool) {
	switch {
	case p.asked.IsZero() || now.Sub(p.asked) > patience:
		return 0, false
	case !p.answered.IsZero():
		return now.Sub(p.answered).Seconds(), true
	}
	return math.Inf(1), now.Sub(p.began) > patience
}

// trouble says what keeps the questions from being asked, or "".
func (n *Neighbours) trouble() string {
	switch {
	case n.broken != "":
		return n.broken
	case n.name != "" && !slices.ContainsFunc(n.hosts, func(h host) bool { return h.name == n.name }):
		return fmt.Sprintf("%s does not name this host (%s), so nobody asks for it", n.file, n.name)
	}
	return n.failed
}

// Package relaytest is the network of tests: it stands between a program and what it speaks to, to cut them off from each other while both run, and finds free ports.
package relaytest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Relay carries TCP connections to an address. It can be slow with answers, and it can stop as a network does that drops packets: connections
// stay, and nothing comes.
type Relay struct {
	listener net.Listener
	to       string
	delay    time.Duration

	mu     sync.Mutex
	frozen chan struct{} // closed when it goes on; nil while it does
}

// New starts a relay to a host and port on a free port of the loopback address, which waits for delay with each piece of an answer. It ends
// with the test.
func New(t *testing.T, to string, delay time.Duration) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{listener: l, to: to, delay: delay}
	t.Cleanup(func() {
		_ = l.Close()
		r.Thaw() // who waits goes on, and finds its connection closed
	})
	go r.accept()
	return r
}

func (r *Relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", r.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		go r.carry(far, near, 0)
		go r.carry(near, far, r.delay)
	}
}

// Address is the host and port that the relay listens on.
func (r *Relay) Address() string { return r.listener.Addr().String() }

func (r *Relay) carry(to, from net.Conn, delay time.Duration) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			time.Sleep(delay)
			r.pass()
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass returns when the relay is not frozen.
func (r *Relay) pass() {
	r.mu.Lock()
	frozen := r.frozen
	r.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// Freeze keeps back what either side sends from now on.
func (r *Relay) Freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.frozen == nil {
		r.frozen = make(chan struct{})
	}
}

// Thaw hands on what was kept back, and goes on.
func (r *Relay) Thaw() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.frozen != nil {
		close(r.frozen)
		r.frozen = nil
	}
}

// Package virt keeps connections to libvirt daemons and puts a deadline on every call. A call into
// libvirt cannot be cancelled: when its deadline passes, the caller is told so and goes on, while
// the call is left to end by itself on a connection that nobody else uses any more. A hung daemon
// therefore costs a bounded number of goroutines and nothing else. The package knows no domain, no
// host and no metric.
package virt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/internal/tracing"
	"libvirt.org/go/libvirt"
)

const (
	// maxHanging is how many calls may hang before further ones are refused at once. A daemon serves
	// some twenty calls at a time, and others want their share of them.
	maxHanging = 8
	// openTimeout is how long opening a connection may take. A daemon that accepts and falls silent
	// would otherwise keep everybody waiting for that one connection for good.
	openTimeout = 30 * time.Second
	// A daemon that answers no keepalive for 5 s x 3 is given up.
	keepaliveSeconds, keepaliveCount = 5, 3
)

// Conn is a connection to one daemon, opened when it is first needed and again after it was lost.
type Conn struct {
	uri         string
	access      Access
	hangs       *Hangs
	mostHanging int
	opened      func(*libvirt.Connect) (closing func())
	openTimeout time.Duration

	mu      sync.Mutex
	current *session
	opening chan struct{}
	openErr error
	status  Status
	closed  bool
}

// Access is what a connection may be used for.
type Access int

const (
	// Write connections may change things. It is the zero value because who acts must not find out
	// late that he may not.
	Write Access = iota
	// ReadOnly connections may look alone.
	ReadOnly
	// WriteIfAllowed connections may change things where the daemon allows it, and look elsewhere.
	WriteIfAllowed
	// ReadOnlyIfOffered connections look alone where the daemon has a way in for that; some are reached
	// through a socket that takes everything.
	ReadOnlyIfOffered
)

// Hangs counts the calls to one daemon that outlived their deadline and have not ended, over all
// connections that share it.
type Hangs struct{ n atomic.Int32 }

// Count is how many hang now.
func (h *Hangs) Count() int { return int(h.n.Load()) }

// Status is how a connection stands.
type Status struct {
	// Opened counts how often it was opened, Hanging the calls that outlived their deadline and have
	// not ended.
	Opened, Hanging int
	// ReadOnly tells that the connection opened last may look alone.
	ReadOnly bool
}

// session is one opened connection. It is closed when it has been given up and its last call ended.
type session struct {
	conn    *libvirt.Connect
	closing func()
	calls   int
	gaveUp  bool
}

// Option changes how a connection is made.
type Option func(*Conn)

// With sets what the connection may be used for.
func With(a Access) Option { return func(c *Conn) { c.access = a } }

// Sharing has the connection count its hanging calls together with others to the same daemon, and be
// refused further ones when so many hang in sum.
func Sharing(h *Hangs, most int) Option {
	return func(c *Conn) { c.hangs, c.mostHanging = h, most }
}

// OnOpen has f called with each connection that is opened, before it is used for anything else. What
// f returns is called before that connection is closed; callbacks for events must be taken back
// there, because they hold the connection open.
func OnOpen(f func(*libvirt.Connect) (closing func())) Option {
	return func(c *Conn) { c.opened = f }
}

// New returns a connection to the daemon at the libvirt URI. Nothing is opened yet.
func New(uri string, options ...Option) *Conn {
	c := &Conn{uri: uri, openTimeout: openTimeout, opened: func(*libvirt.Connect) func() { return func() {} }, hangs: &Hangs{}, mostHanging: maxHanging}
	for _, o := range options {
		o(c)
	}
	return c
}

// URI returns the libvirt URI.
func (c *Conn) URI() string { return c.uri }

// Status tells how the connection stands.
func (c *Conn) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Call runs f with an open connection and returns its error. It returns ctx's error, with what was
// being done, when ctx ends first; f then goes on in the background and its result is lost, so f
// must write only to variables that nobody reads after an error.
func (c *Conn) Call(ctx context.Context, what string, f func(*libvirt.Connect) error) (failed error) {
	ctx, end := tracing.Step(ctx, "libvirt: "+what, "uri", c.uri)
	defer func() { end(failed) }()
	s, err := c.acquire(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	done := make(chan error, 1)
	go func() {
		err := f(s.conn)
		c.release(s)
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			c.giveUpIfDead(s)
			return fmt.Errorf("%s: %w", what, plain(err))
		}
		return nil
	case <-ctx.Done():
		c.hang(s, done)
		return fmt.Errorf("%s: libvirt at %s does not answer: %w", what, c.uri, ctx.Err())
	}
}

// Renew gives the present connection up, so that the next call gets a new one. Calls under way go on
// with the old one.
func (c *Conn) Renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveUp(c.current)
}

// Close gives the connection up. Calls under way end by themselves.
func (c *Conn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.giveUp(c.current)
}

func (c *Conn) acquire(ctx context.Context) (*session, error) {
	for {
		c.mu.Lock()
		switch {
		case c.closed:
			c.mu.Unlock()
			return nil, errors.New("the connection was closed")
		case c.hangs.Count() >= c.mostHanging:
			c.mu.Unlock()
			return nil, fmt.Errorf("%d calls to libvirt at %s still hang; is libvirtd stuck?", c.hangs.Count(), c.uri)
		case c.current != nil:
			s := c.current
			s.calls++
			c.mu.Unlock()
			return s, nil
		case c.opening == nil:
			c.opening = make(chan struct{})
			go c.open(c.opening)
		}
		wait := c.opening
		c.mu.Unlock()
		select {
		case <-wait:
			c.mu.Lock()
			err := c.openErr
			c.mu.Unlock()
			if err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("libvirt at %s does not let us in: %w", c.uri, ctx.Err())
		}
	}
}

// opened is what came of opening a connection.
type opened struct {
	conn     *libvirt.Connect
	closing  func()
	readOnly bool
	err      error
}

// open opens a connection and tells the waiting through done. When that takes too long it is left to
// end by itself, counted as hanging, and whoever asks next opens anew.
func (c *Conn) open(done chan struct{}) {
	result := make(chan opened, 1)
	go func() { result <- c.connect() }()
	timer := time.NewTimer(c.openTimeout)
	defer timer.Stop()
	select {
	case o := <-result:
		c.enter(o, done)
	case <-timer.C:
		c.mu.Lock()
		c.hanging(1)
		c.mu.Unlock()
		c.enter(opened{err: fmt.Errorf("libvirt has not let us in within %s", c.openTimeout)}, done)
		if late := <-result; late.conn != nil {
			late.closing()
			_, _ = late.conn.Close() // nobody waits for it any more; nothing can be done about a failure
		}
		c.mu.Lock()
		c.hanging(-1)
		c.mu.Unlock()
	}
}

func (c *Conn) connect() opened {
	if err := eventLoop(); err != nil {
		return opened{err: err}
	}
	conn, readOnly, err := dial(c.uri, c.access)
	if err != nil {
		return opened{err: err}
	}
	// Drivers without keepalive (test:///) say so; they are local and need none.
	_ = conn.SetKeepAlive(keepaliveSeconds, keepaliveCount)
	return opened{conn: conn, closing: c.opened(conn), readOnly: readOnly}
}

func dial(uri string, a Access) (conn *libvirt.Connect, readOnly bool, err error) {
	ways := map[Access][]bool{Write: {false}, ReadOnly: {true}, WriteIfAllowed: {false, true}, ReadOnlyIfOffered: {true, false}}[a]
	for _, way := range ways {
		open := libvirt.NewConnect
		if way {
			open = libvirt.NewConnectReadOnly
		}
		var wayErr error
		if conn, wayErr = open(uri); wayErr == nil {
			return conn, way, nil
		}
		// Whether the daemon refused or is not there at all cannot be told for certain; if it is not
		// there, the other way fails too, and the first error says more.
		if err == nil {
			err = wayErr
		}
	}
	return nil, false, err
}

// enter takes the result of opening over and lets the waiting go on.
func (c *Conn) enter(o opened, done chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(done)
	c.opening, c.openErr = nil, nil
	if o.err != nil {
		c.openErr = fmt.Errorf("open %s: %w", c.uri, plain(o.err))
		return
	}
	c.current = &session{conn: o.conn, closing: o.closing}
	c.status.Opened++
	c.status.ReadOnly = o.readOnly
	if c.closed {
		c.giveUp(c.current)
	}
}

func (c *Conn) release(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.calls--
	c.closeIfUnused(s)
}

func (c *Conn) giveUpIfDead(s *session) {
	if alive, err := s.alive(c); err == nil && alive {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveUp(s)
}

// alive asks the library, not the daemon: it knows whether the socket and keepalive still stand.
func (s *session) alive(c *Conn) (bool, error) {
	c.mu.Lock()
	if s.gaveUp {
		c.mu.Unlock()
		return false, nil
	}
	s.calls++
	c.mu.Unlock()
	defer c.release(s)
	return s.conn.IsAlive()
}

// hang counts a call that outlived its deadline until it ends after all.
func (c *Conn) hang(s *session, done <-chan error) {
	c.mu.Lock()
	c.hanging(1)
	c.giveUp(s)
	c.mu.Unlock()
	go func() {
		<-done
		c.mu.Lock()
		c.hanging(-1)
		c.mu.Unlock()
	}()
}

// hanging counts calls that begin or end to hang.
func (c *Conn) hanging(by int) {
	c.status.Hanging += by
	c.hangs.n.Add(int32(by))
}

func (c *Conn) giveUp(s *session) {
	if s == nil {
		return
	}
	if c.current == s {
		c.current = nil
	}
	if !s.gaveUp {
		s.gaveUp = true
		c.closeIfUnused(s)
	}
}

func (c *Conn) closeIfUnused(s *session) {
	if s.gaveUp && s.calls == 0 && s.conn != nil {
		conn := s.conn
		s.conn = nil
		go func() { // closing talks to the daemon and may hang as well
			s.closing()
			_, _ = conn.Close()
		}()
	}
}

// plain strips libvirt's error of its numbers: people get the message.
func plain(err error) error {
	var lv libvirt.Error
	if errors.As(err, &lv) && lv.Message != "" {
		return &Error{Code: lv.Code, Message: lv.Message}
	}
	return err
}

// Error is libvirt's error with its message alone as text.
type Error struct {
	Code    libvirt.ErrorNumber
	Message string
}

func (e *Error) Error() string { return e.Message }

// Is lets errors.Is compare with a libvirt.ErrorNumber.
func (e *Error) Is(target error) bool {
	code, ok := target.(libvirt.ErrorNumber)
	return ok && code == e.Code
}

// eventLoop starts libvirt's event loop once in the process: without it no keepalive is sent.
func eventLoop() error { return startLoop() }

var startLoop = sync.OnceValue(func() error {
	if err := libvirt.EventRegisterDefaultImpl(); err != nil {
		return fmt.Errorf("register libvirt's event loop: %w", err)
	}
	if err := load(); err != nil {
		return err
	}
	go runEvents()
	return nil
})

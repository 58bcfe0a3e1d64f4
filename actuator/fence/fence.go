// Package fence turns hosts off and on by what stands beside them: a BMC, a power strip, a Redfish service. It
// believes that a host is off only when the status of what it was switched by says so; that a command to turn it
// off went well proves nothing. Whether a host may be turned off was decided before it is called.
package fence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

const (
	// pollInterval is the time from one look at a host that was switched to the next.
	pollInterval = time.Second
	// retryPause is the time between two tries by one method.
	retryPause = time.Second
)

// Host is a host with the methods to switch it, in the order in which they are tried.
type Host struct {
	Name    string
	Methods []Method
}

// Method is one way to switch a host: by an agent or by Redfish, of which one is set.
type Method struct {
	Agent   *Agent
	Redfish *Redfish
	// Timeout bounds one command or question, and the wait for status to say what was asked for after a command.
	Timeout time.Duration
	// Retries is how often the method is tried again before the next one is.
	Retries int
}

// way is what a method does.
type way interface {
	// String names it for people, without secrets.
	String() string
	// status asks whether the host has power. Without an error the answer is on or off.
	status(ctx context.Context) (cluster.PowerState, error)
	// turn switches the host. Without an error the command was taken, which does not say that it was obeyed.
	turn(ctx context.Context, to cluster.PowerState) error
}

// method is a way with its bounds and its place in the host's list.
type method struct {
	way
	level   int
	timeout time.Duration
	retries int
}

// host keeps those apart who would switch it at the same time.
type host struct {
	name    string
	turning chan struct{}
	methods []method
}

// Fencer switches hosts. It is safe for concurrent use; a host is switched by one call at a time.
type Fencer struct {
	mu    sync.Mutex
	hosts map[string]*host
}

// New returns a fencer for the hosts. It asks nothing yet.
func New(hosts []Host) *Fencer {
	f := &Fencer{}
	f.Configure(hosts)
	return f
}

// Configure replaces the hosts. What is under way goes on as it was begun.
func (f *Fencer) Configure(hosts []Host) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := make(map[string]*host, len(hosts))
	for _, h := range hosts {
		n := &host{name: h.Name, turning: make(chan struct{}, 1)}
		if was := f.hosts[h.Name]; was != nil {
			n.turning = was.turning
		}
		for i, m := range h.Methods {
			n.methods = append(n.methods, method{way: m.way(), level: i + 1, timeout: m.Timeout, retries: m.Retries})
		}
		next[h.Name] = n
	}
	f.hosts = next
}

func (m Method) way() way {
	if m.Redfish != nil {
		return *m.Redfish
	}
	if m.Agent != nil {
		return *m.Agent
	}
	return nothing{}
}

// nothing stands where neither an agent nor Redfish was given.
type nothing struct{}

func (nothing) String() string { return "nothing" }

func (nothing) status(context.Context) (cluster.PowerState, error) {
	return cluster.PowerUnknown, errors.New("neither an agent nor redfish is given; write one under fence")
}

func (n nothing) turn(ctx context.Context, _ cluster.PowerState) error {
	_, err := n.status(ctx)
	return err
}

func (f *Fencer) host(name string) (*host, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.hosts[name]
	if h == nil {
		return nil, fmt.Errorf("host %s is not in the configuration; add it under hosts", name)
	}
	if len(h.methods) == 0 {
		return nil, fmt.Errorf("host %s has no way to be fenced; add fence to it under hosts", name)
	}
	return h, nil
}

// Can tells whether the host has a way to be switched.
func (f *Fencer) Can(name string) bool {
	_, err := f.host(name)
	return err == nil
}

// Status asks whether the host has power: the methods in order, until one answers. The report says why when the
// state is unknown.
func (f *Fencer) Status(ctx context.Context, name string) cluster.PowerReport {
	r := newRecord(name)
	h, err := f.host(name)
	if err != nil {
		return r.end(nil, cluster.PowerUnknown, err)
	}
	var errs []error
	for _, m := range h.methods {
		state, err := r.ask(ctx, m)
		if err == nil {
			return r.end(&m, state, nil)
		}
		errs = append(errs, fmt.Errorf("%s: %w", m, err))
	}
	return r.end(nil, cluster.PowerUnknown, both(errs))
}

// Off turns the host off and returns without an error only when the status of the method that did it said at last
// that it is off. The error says why not; the report is filled either way.
func (f *Fencer) Off(ctx context.Context, name string) (cluster.PowerReport, error) {
	return f.turn(ctx, name, cluster.PowerOff)
}

// On turns the host on and returns without an error when a status says that it is on. Its system is not up yet then.
func (f *Fencer) On(ctx context.Context, name string) (cluster.PowerReport, error) {
	return f.turn(ctx, name, cluster.PowerOn)
}

// Check asks the agents of the host what options they know, and returns an error that names those of the
// configuration that they do not. Agents pass over such options when they run.
func (f *Fencer) Check(ctx context.Context, name string) error {
	h, err := f.host(name)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range h.methods {
		if a, ok := m.way.(Agent); ok {
			ctx, cancel := context.WithTimeout(ctx, m.timeout)
			if err := a.check(ctx); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", m, err))
			}
			cancel()
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return both(errs)
}

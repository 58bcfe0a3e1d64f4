package neighbours

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// resolveTimeout bounds the look-up of a name, connectTimeout the wait for the other machine.
const resolveTimeout, connectTimeout = time.Second, time.Second

// outcome is what came of a question; of several to one host the greatest counts.
type outcome uint8

const (
	// unsaid is that the question failed on this side.
	unsaid outcome = iota
	// unroutable is that this machine's kernel knows no way there.
	unroutable
	// unreachable is that nothing came back, or only a router's word that the machine is not there.
	unreachable
	// answered is that the other machine's kernel accepted or refused the connection.
	answered
)

// ask asks the machine at an address, or at all that its name stands for. The error says why an
// outcome is unsaid or unroutable.
func ask(ctx context.Context, address string) (outcome, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return unsaid, fmt.Errorf("take the address %s apart: %w", address, err)
	}
	addresses, err := resolve(ctx, name)
	if err != nil {
		return unsaid, err
	}
	outcomes, errs := make([]outcome, len(addresses)), make([]error, len(addresses))
	var wg sync.WaitGroup
	for i, a := range addresses {
		wg.Go(func() { outcomes[i], errs[i] = connect(ctx, net.JoinHostPort(a.Unmap().String(), port)) })
	}
	wg.Wait()
	best := 0
	for i := range outcomes {
		if outcomes[i] > outcomes[best] {
			best = i
		}
	}
	return outcomes[best], errs[best]
}

// resolve uses Go's own resolver because the C library's cannot be interrupted.
func resolve(ctx context.Context, name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	r := net.Resolver{PreferGo: true}
	addresses, err := r.LookupNetIP(ctx, "ip", name)
	if err == nil && len(addresses) == 0 {
		err = errors.New("it has no address")
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	return addresses, nil
}

// connect sends nothing over the connection and closes it at once.
func connect(ctx context.Context, address string) (outcome, error) {
	d := net.Dialer{Timeout: connectTimeout, KeepAlive: -1}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		_ = conn.Close() // the answer has been given
	}
	return meaning(err), err
}

// meaning takes for the other machine's silence only what can be nothing else: an error that is not
// known here is taken for one of this side.
func meaning(err error) outcome {
	var number syscall.Errno
	switch {
	case err == nil:
		return answered
	case errors.As(err, &number):
		switch number {
		case syscall.ECONNREFUSED:
			return answered
		case syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.ETIMEDOUT:
			return unreachable
		case syscall.ENETUNREACH:
			return unroutable
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded): // whichever of the two timers was first
		return unreachable
	}
	return unsaid
}

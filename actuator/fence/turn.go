package fence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/permit"
	"github.com/evenkeel/evenkeel/internal/tracing"
)

// turn tries the methods in order until the status of one says what is wanted.
func (f *Fencer) turn(ctx context.Context, name string, to cluster.PowerState) (cluster.PowerReport, error) {
	r := newRecord(name)
	h, err := f.host(name)
	if err != nil {
		return r.end(nil, cluster.PowerUnknown, err), err
	}
	select { // two who switch one host at once would each read the other's work as their own
	case h.turning <- struct{}{}:
		defer func() { <-h.turning }()
	case <-ctx.Done():
		err = fmt.Errorf("host %s is being switched by another call: %w", name, ctx.Err())
		return r.end(nil, cluster.PowerUnknown, err), err
	}
	var errs []error
	for i, m := range h.methods {
		err := r.try(ctx, m, h.methods[:i], to)
		if err == nil {
			return r.end(&m, to, nil), nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", m, err))
		if ctx.Err() != nil {
			break
		}
	}
	err = fmt.Errorf("host %s could not be turned %s: %w", name, to, both(errs))
	return r.end(nil, cluster.PowerUnknown, err), err
}

// try turns the host by one method, again as often as it may. Without an error the method's status said at last what
// is wanted, and no method before it that answers says otherwise.
func (r *record) try(ctx context.Context, m method, before []method, to cluster.PowerState) error {
	var err error
	for n := range m.retries + 1 {
		if n > 0 && sleep(ctx, retryPause) != nil {
			break
		}
		if err = r.once(ctx, m, to); err != nil {
			continue
		}
		if err = r.undisputed(ctx, m, before, to); err == nil {
			return nil
		}
	}
	return err
}

// once sends the command and waits for status to say what is wanted. Status is asked also when the command failed: a
// BMC that breaks off, or that refuses to turn off what is off, has done it or has not.
func (r *record) once(ctx context.Context, m method, to cluster.PowerState) error {
	_, failed := r.step(ctx, m, to.String(), func(ctx context.Context) (cluster.PowerState, error) {
		if err := permit.Ask(ctx); err != nil {
			return cluster.PowerUnknown, err
		}
		ctx, end := tracing.Step(ctx, "fence: "+fmt.Sprint(m)+" "+to.String(), "host", r.report.Host)
		err := m.turn(ctx, to)
		end(err)
		return cluster.PowerUnknown, err
	})
	if failed == nil {
		return r.await(ctx, m, to)
	}
	state, err := r.ask(ctx, m)
	switch {
	case err == nil && state == to:
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w; status: %w", to, failed, err)
	}
	return fmt.Errorf("%s: %w; status says %s", to, failed, state)
}

// await asks for status until it says what is wanted, for as long as the method's timeout.
func (r *record) await(ctx context.Context, m method, to cluster.PowerState) error {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	last := errors.New("no status was asked for")
	for {
		state, err := r.ask(ctx, m)
		if err == nil && state == to {
			return nil
		}
		if ctx.Err() == nil || err == nil { // what the end of the wait broke off says less than the answer before it
			last = err
			if err == nil {
				last = fmt.Errorf("it took the command to turn %s, and status says %s", to, state)
			}
		}
		if sleep(ctx, pollInterval) != nil {
			return fmt.Errorf("%w, for %s", last, m.timeout)
		}
	}
}

// undisputed asks those methods once more that said before that the host has power, and then again the one that says
// that it is off: an outlet may be off and the host run on by its other supply. Who does not answer any more does not
// dispute it, because what cuts a host's power may silence its BMC.
func (r *record) undisputed(ctx context.Context, m method, before []method, to cluster.PowerState) error {
	if to != cluster.PowerOff {
		return nil
	}
	asked := false
	for _, b := range before {
		if r.said[b.level] != cluster.PowerOn {
			continue
		}
		asked = true
		r.said[b.level] = cluster.PowerUnknown
		if err := r.await(ctx, b, to); err != nil && r.said[b.level] == cluster.PowerOn {
			return fmt.Errorf("its status says off, and that of %s says on: both cannot be; look at the host, and at whether each method switches all of its power", b)
		}
	}
	if !asked {
		return nil
	}
	state, err := r.ask(ctx, m)
	if err == nil && state != to {
		err = fmt.Errorf("status said off and now says %s", state)
	}
	return err
}

// both puts errors into one line.
func both(errs []error) error {
	all := errs[0]
	for _, err := range errs[1:] {
		all = fmt.Errorf("%w; %w", all, err)
	}
	return all
}

// sleep waits, and returns an error when the context ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

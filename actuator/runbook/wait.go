package runbook

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// notify tells people. After a crash in it they are told again, which is better than not at all.
func (r *Room) notify(run cluster.Run, b book, i int) (string, error) {
	text, err := b.say(i, words(run))
	if err != nil {
		return "", fmt.Errorf("the text cannot be filled in: %w", err)
	}
	text = strings.TrimSpace(text)
	if run.DryRun || b.DryRun {
		return "would tell: " + text, nil
	}
	r.tell(text)
	return "told: " + text, nil
}

// await waits until a condition has held for a time. After a restart it must hold for all of that time anew; when it has to be met
// is counted from the step's beginning.
func (r *Room) await(ctx context.Context, run cluster.Run, b book, i int) (string, error) {
	s := b.Steps[i]
	query, err := b.query(i, run)
	if err != nil {
		return "", fmt.Errorf("the query cannot be filled in: %w", err)
	}
	var since time.Time // the condition holds
	for {
		now := time.Now()
		holds, err := r.holds(ctx, query, now)
		switch {
		case run.DryRun || b.DryRun:
			return rehearsed(query, holds, err), nil
		case !holds || err != nil:
			since = time.Time{}
		case since.IsZero():
			since = now
		}
		if !since.IsZero() && now.Sub(since) >= s.For {
			return "met: " + query, nil
		}
		if now.Sub(run.Steps[i].Started) > s.Timeout {
			return "", fmt.Errorf("not met within %s: %s%s", s.Timeout, query, because(err))
		}
		if !pause(ctx, r.tick) {
			return "", ctx.Err()
		}
	}
}

func rehearsed(query string, holds bool, err error) string {
	switch {
	case err != nil:
		return fmt.Sprintf("would wait for %s, which cannot be asked now: %v", query, err)
	case holds:
		return fmt.Sprintf("would wait for %s, which holds now", query)
	}
	return fmt.Sprintf("would wait for %s, which does not hold now", query)
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return "; the last answer: " + err.Error()
}

func (r *Room) holds(ctx context.Context, query string, at time.Time) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return r.house.Prometheus.Holds(ctx, query, at)
}

// emptied waits until nothing occupies the host any more, since it was put into maintenance. The order that keeps it empty ends by itself, whatever comes of this.
func (r *Room) emptied(ctx context.Context, run cluster.Run, s Step, since time.Time) (string, error) {
	for {
		snap, err := r.snapshot(ctx)
		var left []string
		if err == nil {
			left = occupants(snap, run.Host)
		}
		if err == nil && len(left) == 0 {
			return run.Host + " is empty", nil
		}
		if time.Since(since) > s.Timeout {
			return "", fmt.Errorf("%s is not empty within %s: %s%s; it stays in maintenance until that ends by itself", run.Host, s.Timeout, listed(left), because(err))
		}
		if !pause(ctx, 2*r.tick) {
			return "", ctx.Err()
		}
	}
}

// occupants are the VMs that hold memory on the host or come to it. A host that gives no data is not known to be empty.
func occupants(s cluster.Snapshot, host string) []string {
	var names []string
	if why := s.GapOf(cluster.HostSubject(host)); why != "" {
		names = append(names, "what is on it is not seen ("+why+")")
	}
	for _, vm := range s.VMs {
		if vm.Host == host && vm.State.Active() || vm.MigratingTo == host {
			names = append(names, vm.Label())
		}
	}
	return names
}

// listed names some of many.
func listed(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more are left", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ") + " left"
}

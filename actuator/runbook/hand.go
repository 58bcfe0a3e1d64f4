package runbook

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Begin begins a run by hand, in the place of an alert: VM is a UUID or a name that only one has, host a host, and either may be
// empty. A run that must not begin comes back refused, with the reason. The error says that the cluster could not be seen or
// the run not be written.
func (r *Room) Begin(ctx context.Context, runbook, vm, host string, dryRun bool, who string) (cluster.Run, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	snap, err := r.snapshot(ctx)
	if err != nil {
		return cluster.Run{}, fmt.Errorf("the cluster cannot be seen: %w", err)
	}
	r.deciding.Lock()
	defer r.deciding.Unlock()
	now := time.Now()
	run := cluster.Run{ID: runID(runbook, "by hand "+who, now), Runbook: runbook, By: who, DryRun: dryRun, Since: now, Started: now, Alert: map[string]string{}}
	refuse := func(why string) (cluster.Run, error) {
		run.State, run.Reason, run.Finished = cluster.RunRefused, why, now
		return run, nil
	}
	b, known := r.named(runbook)
	if !known {
		return refuse(fmt.Sprintf("there is no runbook %q; there are %s", runbook, orWord(strings.Join(r.Runbooks(), ", "), "none")))
	}
	run.Definition, run.DryRun = b.definition, dryRun || b.DryRun
	if host != "" {
		run.Alert[b.HostLabel] = host
	}
	if vm != "" {
		found := snap.FindVMs(vm)
		if len(found) != 1 {
			return refuse(fmt.Sprintf("%d VMs have the name or UUID %q; name one by its UUID", len(found), vm))
		}
		run.Alert[b.VMLabel], run.Alert[b.NameLabel] = found[0].ID, found[0].Name
	}
	if _, err := find(snap, b, run.Alert); err != nil {
		return refuse(err.Error())
	}
	if why, _ := r.refusal(b, run, 0, now); why != "" {
		return refuse(why)
	}
	defer r.poke()
	return run, r.admitRun(run)
}

func (r *Room) named(name string) (book, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.books {
		if b.Name == name {
			return b, true
		}
	}
	return book{}, false
}

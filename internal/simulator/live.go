package simulator

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Live is a cluster that several may use at once while somebody moves it on. It is a hypervisor to the
// actuator and, host by host, one to the exporter.
type Live struct {
	mu      sync.Mutex
	cluster *Cluster
	stepped chan struct{} // closed at the next step
}

// NewLive returns the cluster for several to use. The caller uses it no more.
func NewLive(c *Cluster) *Live { return &Live{cluster: c, stepped: make(chan struct{})} }

// Step moves the cluster on to a time.
func (l *Live) Step(to time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cluster.Step(to)
	close(l.stepped)
	l.stepped = make(chan struct{})
}

// Now is the time that the cluster has come to.
func (l *Live) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cluster.Now()
}

// Loads is the time by which the loads go.
func (l *Live) Loads() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cluster.loadTime()
}

// Look says what the hosts would say of the action's VM, now.
func (l *Live) Look(ctx context.Context, a cluster.Action, hosts []string) cluster.Sighting {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cluster.Look(ctx, a.VM, hosts)
}

// Act moves a VM and returns when that is over, or when ctx ends and the migration goes on by itself. Simulated hosts do
// nothing else.
func (l *Live) Act(ctx context.Context, a cluster.Action, progress func(cluster.Progress)) error {
	if a.Kind != cluster.Migrate {
		return fmt.Errorf("simulated hosts cannot %s", a.Kind)
	}
	l.mu.Lock()
	err := l.cluster.Migrate(a.VM, a.To)
	l.mu.Unlock()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for {
		l.mu.Lock()
		p, moving := l.cluster.Progress(a.VM)
		stepped := l.stepped
		l.mu.Unlock()
		if !moving {
			break
		}
		progress(p)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-stepped:
		}
	}
	if on := l.Look(ctx, a, []string{a.To}).RunsOn(); on != a.To {
		return fmt.Errorf("migrate: the simulated migration to %s failed", a.To)
	}
	return nil
}

// Roll says how the VMs of a host stand, where it answers.
func (l *Live) Roll(_ context.Context, name string) (roll cluster.Roll, refused bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	roll, err = l.cluster.Roll(name)
	return roll, false, err
}

// Abort gives a migration up; the VM stays where it is.
func (l *Live) Abort(ctx context.Context, a cluster.Action) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cluster.Abort(ctx, a)
}

// Completed returns the account of the VM's newest migration.
func (l *Live) Completed(ctx context.Context, vm, host string) (cluster.Progress, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cluster.Completed(ctx, vm, host)
}

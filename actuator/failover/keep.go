package failover

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Source reads the definitions of a host's VMs.
type Source interface {
	Definitions(ctx context.Context, host string) ([]cluster.Definition, error)
	// TakeAutostart has the host not start the VM by itself any more.
	TakeAutostart(ctx context.Context, host, vm string) error
}

// Store keeps definitions for good.
type Store interface {
	Put(definitions ...cluster.Definition) (fresh int, err error)
	List() ([]cluster.Definition, error)
}

const (
	// readTimeout bounds the reading of one host's definitions.
	readTimeout = 30 * time.Second
	// readAgain is the least time between two readings of one host.
	readAgain = 5 * time.Second
	// readTick is how often it is looked which hosts are due.
	readTick = time.Second
)

// keeping has what is kept, and reads what is not.
type keeping struct {
	source Source
	store  Store
	log    *slog.Logger

	mu sync.Mutex
	// hosts is for each VM whose definition is kept the host that it was taken from; read is when each host was read last.
	hosts   map[string]string
	read    map[string]time.Time
	reading map[string]bool
}

func newKeeping(source Source, store Store, log *slog.Logger) (*keeping, error) {
	k := &keeping{source: source, store: store, log: log, hosts: map[string]string{}, read: map[string]time.Time{}, reading: map[string]bool{}}
	all, err := store.List()
	if err != nil {
		log.Error("some definitions cannot be read; their VMs cannot be started on hosts that do not know them until they are read anew", "err", err)
	}
	for _, d := range all {
		k.hosts[d.VM] = d.Host
	}
	return k, nil
}

// of tells whether a definition of the VM is kept, and which host it was taken from.
func (k *keeping) of(vm string) (host string, kept bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	host, kept = k.hosts[vm]
	return host, kept
}

// keep reads the definitions of all hosts again and again, and of a host at once on which a VM runs that is not known from there.
func (r *Room) keep(ctx context.Context) {
	t := time.NewTicker(readTick)
	defer t.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		r.mu.Lock()
		every := r.policy.Definitions
		r.mu.Unlock()
		ours := r.autostarters()
		rolls := r.watch.Rolls()
		for _, roll := range rolls {
			if time.Since(roll.At) < every && r.keeping.due(roll, every) {
				wg.Go(func() { r.keeping.take(ctx, roll.Host, rolls, ours) })
			}
		}
	}
}

// due tells whether the host should be read now, and takes that on.
func (k *keeping) due(roll cluster.Roll, every time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	since := time.Since(k.read[roll.Host])
	strange := false
	for _, v := range roll.VMs {
		strange = strange || v.State == cluster.VMRunning && k.hosts[v.VM] != roll.Host
	}
	if k.reading[roll.Host] || since < every && (!strange || since < readAgain) {
		return false
	}
	k.reading[roll.Host], k.read[roll.Host] = true, time.Now()
	return true
}

// autostarters are the VMs that no host is to start by itself: those that are started here again. It is nil where hosts may.
func (r *Room) autostarters() map[string]bool {
	seen := r.seen()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.policy.TakeAutostart {
		return nil
	}
	ours := map[string]bool{}
	for i := range seen.VMs {
		ours[seen.VMs[i].ID] = r.policy.Recovery.Protects(&seen.VMs[i])
	}
	return ours
}

// take reads one host. Of a VM that runs elsewhere, or was last seen to, what the host has is left over. From those of ours it takes the flag by
// which the host would start them when it comes back, although they run elsewhere by then.
func (k *keeping) take(ctx context.Context, host string, rolls []cluster.Roll, ours map[string]bool) {
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.reading[host] = false
	}()
	bounded, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	all, err := k.source.Definitions(bounded, host)
	if err != nil {
		if ctx.Err() == nil {
			k.log.Warn("the definitions of a host cannot be read", "host", host, "err", err)
		}
		return
	}
	var own []cluster.Definition
	for _, d := range all {
		if d.Autostart && ours[d.VM] {
			err := k.source.TakeAutostart(bounded, host, d.VM)
			k.log.Warn("taken from a VM that its host starts it by itself: it would start it a second time after a failure", "host", host, "vm", d.Name, "err", err)
		}
		was, kept := k.of(d.VM)
		if at := runsOn(d.VM, rolls); at == host || at == "" && (!kept || was == host) {
			own = append(own, d)
		}
	}
	fresh, err := k.store.Put(own...)
	if err != nil {
		k.log.Error("definitions are not kept", "host", host, "err", err)
		return
	}
	if fresh > 0 {
		k.log.Info("definitions kept", "host", host, "new", fresh)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range own {
		k.hosts[d.VM] = d.Host
	}
}

// runsOn is the host that has the VM running or paused by its last word, or "".
func runsOn(vm string, rolls []cluster.Roll) string {
	for _, r := range rolls {
		if r.Of(vm).State == cluster.VMRunning {
			return r.Host
		}
	}
	for _, r := range rolls {
		if r.Of(vm).State.Active() {
			return r.Host
		}
	}
	return ""
}

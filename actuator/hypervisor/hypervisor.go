// Package hypervisor acts on VMs of libvirt hosts and says how they stand. It does what it is
// told: whether an action is wise or allowed was decided before it is called.
package hypervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/permit"
	"github.com/evenkeel/evenkeel/internal/virt"
	"libvirt.org/go/libvirt"
)

// TLS says when a migration stream is encrypted. The zero value demands it.
type TLS uint8

// The settings for TLS.
const (
	// TLSRequire refuses to migrate to a host whose migration URI is not one with TLS.
	TLSRequire TLS = iota
	// TLSAuto encrypts whenever the target's migration URI is one with TLS.
	TLSAuto
	// TLSOff never encrypts the stream.
	TLSOff
)

// Host is one host as the server knows it.
type Host struct {
	Name string
	// URI is how the server reaches its libvirt, MigrationURI how other hosts do.
	URI, MigrationURI string
}

// Options say how to act.
type Options struct {
	TLS TLS
	// BandwidthBytesPerSecond caps the stream; 0 leaves it to the hypervisor.
	BandwidthBytesPerSecond float64
	// Timeout is after how long a migration is aborted.
	Timeout time.Duration
	// AllowUnsafe lets libvirt migrate disks that it does not know to be safe, because it does not
	// recognise their file system as shared.
	AllowUnsafe bool
	// AutoConverge slows a guest down that writes its memory faster than it can be copied.
	AutoConverge bool
	// Connections is over how many connections the stream is spread; 0 or 1 for one.
	Connections int
	// StorageTimeout is after how long copying the disks of a VM is given up.
	StorageTimeout time.Duration
	// ShutdownTimeout is how long a guest may take to shut down.
	ShutdownTimeout time.Duration
}

// progressInterval is the time from one look at a running migration to the next.
const progressInterval = 500 * time.Millisecond

// abortGrace is how long an aborted migration may take to end.
const abortGrace = 30 * time.Second

// Driver is a set of connections to hosts. It is safe for concurrent use.
type Driver struct {
	mu    sync.Mutex
	hosts map[string]*host
	opts  Options
	kept  Definitions
}

// Definitions are what is kept of VMs, for a host that does not know them.
type Definitions interface {
	Get(vm string) (cluster.Definition, error)
}

// Keep has the driver define VMs from what is kept of them.
func (d *Driver) Keep(kept Definitions) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = kept
}

type host struct {
	Host
	// conn is for all but guest agents, agents for these.
	conn, agents *virt.Conn
}

// New returns a driver for the hosts. It connects when it is first asked.
func New(hosts []Host, o Options) *Driver {
	d := &Driver{hosts: map[string]*host{}}
	d.Configure(hosts, o)
	return d
}

// Configure replaces hosts and options. Connections to hosts that stay are kept.
func (d *Driver) Configure(hosts []Host, o Options) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := make(map[string]*host, len(hosts))
	for _, h := range hosts {
		one := &host{Host: h}
		if was := d.hosts[h.Name]; was != nil && was.URI == h.URI {
			one.conn, one.agents = was.conn, was.agents
		} else {
			one.conn, one.agents = virt.New(h.URI), virt.New(h.URI)
		}
		next[h.Name] = one
	}
	for name, was := range d.hosts {
		if next[name] == nil || next[name].conn != was.conn {
			was.conn.Close()
			was.agents.Close()
		}
	}
	d.hosts, d.opts = next, o
}

// Close gives all connections up.
func (d *Driver) Close() { d.Configure(nil, Options{}) }

func (d *Driver) host(name string) (*host, Options, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.hosts[name]
	if h == nil {
		return nil, d.opts, fmt.Errorf("host %s is not in the configuration; add it under hosts", name)
	}
	return h, d.opts, nil
}

// Look asks the hosts about the action's VM, side by side.
func (d *Driver) Look(ctx context.Context, a cluster.Action, hosts []string) cluster.Sighting {
	answers := make([]cluster.SightingHost, len(hosts))
	errs := make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, name := range hosts {
		wg.Go(func() { answers[i], errs[i] = d.lookAt(ctx, a, name) })
	}
	wg.Wait()
	s := cluster.Sighting{VM: a.VM}
	for i, name := range hosts {
		if errs[i] != nil {
			s.Silent = append(s.Silent, cluster.Gap{Subject: cluster.HostSubject(name), Reason: errs[i].Error()})
			continue
		}
		s.Hosts = append(s.Hosts, answers[i])
	}
	return s
}

func (d *Driver) lookAt(ctx context.Context, a cluster.Action, name string) (cluster.SightingHost, error) {
	h, _, err := d.host(name)
	if err != nil {
		return cluster.SightingHost{}, err
	}
	// The result is read only when Call returns no error, after which nobody writes to it any more.
	seen := &cluster.SightingHost{Host: name, State: cluster.VMShutoff}
	err = h.conn.Call(ctx, "look for the VM on "+name, func(c *libvirt.Connect) error {
		dom, err := c.LookupDomainByUUIDString(a.VM)
		if missing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		defer free(dom)
		if seen.Name, err = dom.GetName(); err != nil {
			return err
		}
		if seen.Defined, err = dom.IsPersistent(); err != nil && !missing(err) {
			return err
		}
		// The job first: when it ends between the two questions, the state is that of afterwards.
		if seen.Job, err = busy(dom); err != nil && !missing(err) {
			return err
		}
		state, _, err := dom.GetState()
		if missing(err) {
			*seen = cluster.SightingHost{Host: name, State: cluster.VMShutoff}
			return nil
		}
		if err != nil {
			return err
		}
		seen.State = virt.State(state)
		if !seen.State.Active() {
			return nil
		}
		return lookAtDisks(c, dom, a, seen)
	})
	if err != nil {
		return cluster.SightingHost{}, err
	}
	if a.Kind == cluster.Reset && seen.State == cluster.VMRunning {
		seen.Agent = d.ping(ctx, h, a)
	}
	return *seen, nil
}

// ping says whether the guest's agent answers, through a connection of its own: an agent that lets one wait must not cost the rest of the host.
func (d *Driver) ping(ctx context.Context, h *host, a cluster.Action) string {
	ctx, cancel := context.WithTimeout(ctx, virt.PingTimeout+2*time.Second)
	defer cancel()
	err := h.agents.Call(ctx, "ping the guest agent of "+a.Name, func(c *libvirt.Connect) error {
		dom, err := c.LookupDomainByUUIDString(a.VM)
		if err != nil {
			return err
		}
		defer free(dom)
		return virt.Ping(dom)
	})
	switch {
	case err == nil:
		return cluster.AgentAnswers
	case virt.Silent(err):
		return cluster.AgentSilent
	}
	return ""
}

// busy tells whether a job is under way. A domain that does not run has none.
func busy(dom *libvirt.Domain) (bool, error) {
	job, err := dom.GetJobInfo()
	if errors.Is(err, libvirt.ERR_OPERATION_INVALID) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return job.Type == libvirt.DOMAIN_JOB_BOUNDED || job.Type == libvirt.DOMAIN_JOB_UNBOUNDED, nil
}

// Abort asks the host that the VM is on to give the migration or the copying of its disks up.
func (d *Driver) Abort(ctx context.Context, a cluster.Action) error {
	from, _, err := d.host(a.From)
	if err != nil {
		return err
	}
	if a.Kind == cluster.MoveStorage {
		return from.conn.Call(ctx, "give up copying the disks of "+a.Name, permitted(ctx, func(c *libvirt.Connect) error { return abandon(c, a) }))
	}
	return d.abort(ctx, from, a)
}

// Act does what the action says and returns when libvirt says that the attempt is over. When ctx ends, Act returns and
// the hosts go on by themselves.
func (d *Driver) Act(ctx context.Context, a cluster.Action, progress func(cluster.Progress)) error {
	switch a.Kind {
	case cluster.Migrate:
		return d.migrate(ctx, a, progress)
	case cluster.MoveStorage:
		return d.moveStorage(ctx, a, progress)
	case cluster.Start, cluster.Shutdown, cluster.Reset, cluster.Suspend, cluster.Resume:
		return d.power(ctx, a)
	case cluster.Forget:
		return d.forget(ctx, a)
	case cluster.KindNone, cluster.Maintenance, cluster.Fence, cluster.Standby, cluster.Wake:
	}
	return fmt.Errorf("no hypervisor can %s", a.Kind)
}

func (d *Driver) abort(ctx context.Context, from *host, a cluster.Action) error {
	return d.change(ctx, from, "abort the migration of "+a.Name, a.VM, (*libvirt.Domain).AbortJob)
}

// migrate moves the VM live, from host to host without passing through the server. After the timeout the attempt is aborted.
func (d *Driver) migrate(ctx context.Context, a cluster.Action, progress func(cluster.Progress)) error {
	from, opts, err := d.host(a.From)
	if err != nil {
		return err
	}
	to, _, err := d.host(a.To)
	if err != nil {
		return err
	}
	encrypted := strings.HasPrefix(to.MigrationURI, "qemu+tls:") // libxl has no encrypted stream
	if opts.TLS == TLSRequire && !encrypted {
		return fmt.Errorf("migration to %s would not be encrypted: its migration_uri %s is not one with TLS. Give it one (qemu+tls://), or set migration.tls to auto where the network itself is trusted", a.To, to.MigrationURI)
	}
	ctx, cancel := context.WithTimeout(ctx, opts.Timeout+abortGrace)
	defer cancel()
	over := make(chan error, 1)
	go func() {
		over <- from.conn.Call(ctx, "migrate "+a.Name+" to "+a.To, func(c *libvirt.Connect) error {
			return migrateTo(ctx, c, a.VM, to.MigrationURI, opts, encrypted && opts.TLS != TLSOff)
		})
	}()
	return d.follow(ctx, from, a, opts, progress, over)
}

func (d *Driver) follow(ctx context.Context, from *host, a cluster.Action, o Options, progress func(cluster.Progress), over <-chan error) error {
	abort := time.NewTimer(o.Timeout)
	defer abort.Stop()
	poll := time.NewTicker(progressInterval)
	defer poll.Stop()
	var aborted error
	for {
		select {
		case err := <-over:
			if aborted != nil && err != nil {
				return fmt.Errorf("%w: %w", aborted, err)
			}
			return err
		case <-abort.C:
			aborted = fmt.Errorf("aborted after the time limit of %s", o.Timeout)
			if err := d.abort(ctx, from, a); err != nil {
				aborted = fmt.Errorf("%w (aborting failed as well: %w)", aborted, err)
			}
		case <-poll.C:
			if p, err := d.job(ctx, from, a.VM, 0); err == nil {
				progress(p)
			}
		}
	}
}

func migrateTo(ctx context.Context, c *libvirt.Connect, vm, uri string, o Options, encrypted bool) error {
	dom, err := c.LookupDomainByUUIDString(vm)
	if err != nil {
		return err
	}
	defer free(dom)
	flags := libvirt.MIGRATE_LIVE | libvirt.MIGRATE_PEER2PEER
	persistent, err := dom.IsPersistent()
	if err != nil {
		return fmt.Errorf("ask whether the VM is persistent: %w", err)
	}
	if persistent { // its definition goes with it, and is written there before it is removed here
		flags |= libvirt.MIGRATE_PERSIST_DEST | libvirt.MIGRATE_UNDEFINE_SOURCE
	}
	params := &libvirt.DomainMigrateParameters{}
	kind, err := c.GetType()
	if err != nil {
		return fmt.Errorf("ask which hypervisor it is: %w", err)
	}
	if kind == "QEMU" { // libxl knows none of these
		flags |= libvirt.MIGRATE_ABORT_ON_ERROR
		if o.AutoConverge {
			flags |= libvirt.MIGRATE_AUTO_CONVERGE
		}
		if o.Connections > 1 {
			flags |= libvirt.MIGRATE_PARALLEL
			params.ParallelConnectionsSet, params.ParallelConnections = true, o.Connections
		}
		if mib := uint64(o.BandwidthBytesPerSecond / (1 << 20)); mib > 0 {
			params.BandwidthSet, params.Bandwidth = true, mib
		}
		if encrypted {
			flags |= libvirt.MIGRATE_TLS
		}
		if o.AllowUnsafe {
			flags |= libvirt.MIGRATE_UNSAFE
		}
	}
	if err := permit.Ask(ctx); err != nil {
		return err
	}
	return dom.MigrateToURI3(uri, params, flags)
}

// Completed returns the account of the VM's last migration, which the host that it went to keeps.
func (d *Driver) Completed(ctx context.Context, vm, name string) (cluster.Progress, error) {
	h, _, err := d.host(name)
	if err != nil {
		return cluster.Progress{}, err
	}
	return d.job(ctx, h, vm, libvirt.DOMAIN_JOB_STATS_COMPLETED|libvirt.DOMAIN_JOB_STATS_KEEP_COMPLETED)
}

func (d *Driver) job(ctx context.Context, h *host, vm string, flags libvirt.DomainGetJobStatsFlags) (cluster.Progress, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	p := &cluster.Progress{}
	err := d.onDomain(ctx, h, "read the job of the VM", vm, func(dom *libvirt.Domain) error {
		job, err := dom.GetJobStats(flags)
		if err != nil {
			return err
		}
		if job.Type == libvirt.DOMAIN_JOB_NONE {
			return errors.New("no job")
		}
		*p = cluster.Progress{
			ElapsedSeconds: float64(job.TimeElapsed) / 1000, DowntimeSeconds: float64(job.Downtime) / 1000,
			TotalBytes: int64(job.DataTotal), TransferredBytes: int64(job.DataProcessed), RemainingBytes: int64(job.DataRemaining),
			DirtyBytesPerSecond: float64(job.MemDirtyRate * job.MemPageSize),
		}
		return nil
	})
	if err != nil {
		return cluster.Progress{}, err
	}
	return *p, nil
}

// change is onDomain for what changes something: it asks first whether that may still be.
func (d *Driver) change(ctx context.Context, h *host, what, vm string, f func(*libvirt.Domain) error) error {
	return d.onDomain(ctx, h, what, vm, func(dom *libvirt.Domain) error {
		if err := permit.Ask(ctx); err != nil {
			return err
		}
		return f(dom)
	})
}

func (d *Driver) onDomain(ctx context.Context, h *host, what, vm string, f func(*libvirt.Domain) error) error {
	return h.conn.Call(ctx, what, func(c *libvirt.Connect) error {
		dom, err := c.LookupDomainByUUIDString(vm)
		if err != nil {
			return err
		}
		defer free(dom)
		return f(dom)
	})
}

// permitted asks whether something may still be changed before it does what f does.
func permitted(ctx context.Context, f func(*libvirt.Connect) error) func(*libvirt.Connect) error {
	return func(c *libvirt.Connect) error {
		if err := permit.Ask(ctx); err != nil {
			return err
		}
		return f(c)
	}
}

func missing(err error) bool { return errors.Is(err, libvirt.ERR_NO_DOMAIN) }

func free(dom *libvirt.Domain) { _ = dom.Free() } // it frees our handle only; nothing can be done about a failure

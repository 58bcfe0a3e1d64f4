// Package libvirt reads a host and its VMs from a libvirt daemon into plain values. The numbers
// come from one bulk call a reading, or from calls for each domain where a driver has no bulk call;
// definitions, events, jobs, dirty rates and guest agents are followed in the background and never
// make a reading wait. A domain that does not answer holds up neither the others nor the daemon. It
// exports no metric.
package libvirt

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/virt"
	"libvirt.org/go/libvirt"
)

const (
	// idleAfter is how long after the last reading the work in the background rests.
	idleAfter = 5 * time.Minute
	// forgetAfter is how long what is known of a VM outlives the VM.
	forgetAfter = 2 * time.Minute
	// With so many calls hanging in sum, the numbers, the background and the guest agents make no more.
	mostHangingFast, mostHangingSlow, mostHangingAgents = 8, 5, 3
)

// Options say how a hypervisor is read.
type Options struct {
	// Collect tells whether a collector is on; nil means all.
	Collect func(collector string) bool
	// ReadOnly never asks for more than a connection for reading; without it such a connection is
	// taken where the daemon allows no other.
	ReadOnly bool
	// Kernel tells that another reader reads this machine's kernel, so that a hypervisor on this
	// machine need not be asked for the host's CPU and memory.
	Kernel bool
	// BalloonPeriod is how often guests are asked for their memory's numbers where nobody chose it; 0
	// leaves them alone.
	BalloonPeriod time.Duration
	// DirtyRateEvery is after how long a VM's dirty rate is sampled again, AgentEvery a guest agent
	// asked.
	DirtyRateEvery, AgentEvery time.Duration
	Log                        *slog.Logger
}

// Reader reads one hypervisor. It is safe for concurrent use.
type Reader struct {
	opts Options
	// fast serves readings, slow the background, agents the guest agents: a daemon answers only a few
	// calls of one connection at a time, and what hangs on one must not hold up the others.
	fast, slow, agents *virt.Conn
	hangs              virt.Hangs
	wake               chan struct{}
	// renewing has room for the one who renews the inventory.
	renewing chan struct{}
	handles  handles

	mu   sync.Mutex
	inv  inventory
	news news
	// stale is why the inventory could not be renewed, nil when it was.
	stale error
	// listener is the one whose events count.
	listener *listener
	// readings say how the last reading of each part in the background went.
	readings map[string]stat.Reading
	memory   map[string]*memory
	// single tells that the driver has no bulk call.
	single bool
	// asking are the domains that a call has not come back from, where they are asked one by one.
	asking map[asking]bool
	pace   pace
	heldUp int
	readAt time.Time
	// lastSeen is the time of the last reading, as the memory of its VMs has it; looks counts the looks
	// at jobs.
	lastSeen time.Time
	looks    int
}

// memory is what is remembered of a VM between readings.
type memory struct {
	// seen is when a reading had the VM last, state what it was and id the domain's ID at that time.
	seen time.Time
	now  stat.VM
	id   uint
	// home tells that the VM was seen to be here under that ID, and not just arriving.
	home bool

	// first is when a reading or an event told of the VM first.
	first time.Time

	definition   *stat.Definition
	definitionAt time.Time
	// changes counts what told that the definition changed, read how many of them it was read after.
	// missing tells that the VM was not there when its definition was to be read.
	changes, read int
	missing       bool
	// balloonAsked is the ID under which the balloon's statistics were switched on or refused.
	balloonAsked uint

	events   []float64
	ioErrors map[string]float64

	job       *stat.Job
	jobAt     time.Time
	blockJobs []stat.BlockJob
	arrival   *stat.Migration
	// incoming tells that the domain is here as the target of a migration, arrived that it began to run here by one.
	incoming, arrived bool

	dirty   *stat.DirtyRate
	dirtyAt time.Time

	agent     stat.Agent
	agentAt   time.Time
	agentFull time.Time
	// agentSilent is when the first question was asked that it has left unanswered since, zero while it answers.
	agentSilent time.Time
}

// New returns a reader of the daemon at the libvirt URI. It connects when it is first read.
func New(uri string, o Options) *Reader {
	if o.Collect == nil {
		o.Collect = func(string) bool { return true }
	}
	o.Log = o.Log.With("uri", uri)
	r := &Reader{opts: o, wake: make(chan struct{}, 1), memory: map[string]*memory{}, renewing: make(chan struct{}, 1), asking: map[asking]bool{}, readings: map[string]stat.Reading{}}
	access := virt.WriteIfAllowed
	if o.ReadOnly {
		access = virt.ReadOnly
	}
	look := virt.ReadOnlyIfOffered
	if o.ReadOnly {
		look = virt.ReadOnly
	}
	r.fast = virt.New(uri, virt.With(look), virt.Sharing(&r.hangs, mostHangingFast))
	r.slow = virt.New(uri, virt.With(access), virt.Sharing(&r.hangs, mostHangingSlow), virt.OnOpen(func(c *libvirt.Connect) func() {
		silence, free := r.listen(c), r.handles.keep(c)
		return func() {
			silence()
			free()
		}
	}))
	r.agents = virt.New(uri, virt.With(access), virt.Sharing(&r.hangs, mostHangingAgents), virt.OnOpen(r.handles.keep))
	return r
}

// URI returns the libvirt URI.
func (r *Reader) URI() string { return r.fast.URI() }

// Close gives the connections up.
func (r *Reader) Close() {
	r.fast.Close()
	r.slow.Close()
	r.agents.Close()
}

// Run works in the background until ctx ends, as long as somebody reads.
func (r *Reader) Run(ctx context.Context) {
	var wg sync.WaitGroup
	loop := func(every time.Duration, wake <-chan struct{}, work func(context.Context)) {
		wg.Go(func() { r.loop(ctx, every, wake, work) })
	}
	loop(inventoryEvery, r.wake, r.keepInventory)
	if r.opts.Collect("vm_job") {
		loop(jobEvery, nil, r.watchJobs)
	}
	if r.opts.Collect("vm_dirty_rate") && r.opts.DirtyRateEvery > 0 {
		loop(dirtyPause, nil, r.sampleDirtyRate)
	}
	if r.opts.Collect("vm_guest_agent") && r.opts.AgentEvery > 0 {
		loop(agentTick, nil, r.askAgents)
	}
	wg.Wait()
}

func (r *Reader) loop(ctx context.Context, every time.Duration, wake <-chan struct{}, work func(context.Context)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-tick.C:
		}
		if !r.idle() {
			work(ctx)
		}
	}
}

func (r *Reader) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.readAt.IsZero() || time.Since(r.readAt) > idleAfter
}

func (r *Reader) keepInventory(ctx context.Context) {
	if err := r.renew(ctx); err != nil {
		// The readings tell it as well, once; this happens every few seconds.
		r.opts.Log.Debug("inventory not renewed, the old one is used on", "err", err)
	}
	r.switchBalloonsOn(ctx)
	// Events come in swarms; a look a moment later sees what all of them told.
	select {
	case <-ctx.Done():
	case <-time.After(inventoryPause):
	}
}

// nudge has the background look at once whether something of the inventory is due.
func (r *Reader) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Read returns what the host is and does now. An error means that nothing could be read; readings
// that failed alone are named in the result.
func (r *Reader) Read(ctx context.Context) (stat.Host, error) {
	r.mu.Lock()
	r.readAt = time.Now()
	unknown := r.inv.hostAt.IsZero()
	r.mu.Unlock()
	if unknown {
		// Without it the host has no name.
		if err := r.renew(ctx); err != nil {
			return r.unread(), err
		}
	}
	start := time.Now()
	found, err := r.readDomains(ctx)
	if err != nil {
		return r.unread(), err
	}
	domains := reading(stat.ReadDomains, start, nil)
	return r.assemble(found, r.readHostLoad(ctx), domains), nil
}

// unread is what is told of a host that could not be read.
func (r *Reader) unread() stat.Host {
	r.mu.Lock()
	defer r.mu.Unlock()
	return stat.Host{Connection: r.connection()}
}

// connection tells how the daemon is reached.
func (r *Reader) connection() stat.Connection {
	slow, fast := r.slow.Status(), r.fast.Status()
	return stat.Connection{ReadOnly: slow.ReadOnly, Opened: slow.Opened + fast.Opened, Hanging: r.hangs.Count() + len(r.asking), Slow: r.heldUp}
}

func (r *Reader) readHostLoad(ctx context.Context) node {
	if r.kernelTells() {
		return node{}
	}
	var n node
	err := r.fast.Call(ctx, "read the host", func(c *libvirt.Connect) error {
		got := readNode(c, r.hostMemory())
		n = got
		return nil
	})
	if err != nil { // the call may still be writing
		return node{readings: []stat.Reading{{Collector: "host_cpu", Err: err.Error()}, {Collector: "host_memory", Err: err.Error()}}}
	}
	return n
}

func (r *Reader) kernelTells() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opts.Kernel && r.inv.host.Local && !r.single
}

func (r *Reader) hostMemory() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inv.host.Memory.Total
}

// unsupported tells whether the driver does not have a call.
func unsupported(err error) bool {
	return errors.Is(err, libvirt.ERR_NO_SUPPORT) || errors.Is(err, libvirt.ERR_OPERATION_UNSUPPORTED) || errors.Is(err, libvirt.ERR_ARGUMENT_UNSUPPORTED)
}

// gone tells whether a domain is not there any more, or not running any more.
func gone(err error) bool {
	return errors.Is(err, libvirt.ERR_NO_DOMAIN) || errors.Is(err, libvirt.ERR_OPERATION_INVALID)
}

// call runs f in the background with a deadline of its own, for one domain.
func (r *Reader) call(ctx context.Context, c *virt.Conn, limit time.Duration, uuid string, what string, f func(*libvirt.Connect, *libvirt.Domain) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return c.Call(ctx, what, func(conn *libvirt.Connect) error {
		dom, err := r.handles.domain(conn, uuid)
		if err != nil {
			return err
		}
		defer func() { _ = dom.Free() }() // it frees our handle only; nothing can be done about a failure
		return f(conn, dom)
	})
}

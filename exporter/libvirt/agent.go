package libvirt

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/virt"
	"libvirt.org/go/libvirt"
)

const (
	// agentTick is how often it is looked which guest agents are due.
	agentTick = 2 * time.Second
	// agentsAtOnce is how many are asked side by side.
	agentsAtOnce = 4
	// agentLimit bounds all that an agent is asked at once.
	agentLimit = virt.PingTimeout + 2*time.Second
	// agentFullEvery is after how long an agent is asked for everything and not for its name alone.
	agentFullEvery = 5 * time.Minute
	// mostFilesystems and longestName bound what a guest can make others store.
	mostFilesystems, longestName = 64, 256
)

// askAgents asks the guest agents that are due, a few at a time. None of them is waited for by
// anything but this loop.
func (r *Reader) askAgents(ctx context.Context) {
	if r.slow.Status().ReadOnly {
		return
	}
	start, due := time.Now(), make(chan string)
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range agentsAtOnce {
		wg.Go(func() {
			for uuid := range due {
				if err := r.askAgent(ctx, uuid); err != nil && !gone(err) {
					failed.Store(&err)
				}
			}
		})
	}
	for _, uuid := range r.running() {
		r.mu.Lock()
		m, ok := r.memory[uuid]
		ask := ok && m.now.State == cluster.VMRunning && m.definition != nil && m.definition.AgentChannel && time.Since(m.agentAt) > m.agentPause(r.opts.AgentEvery)
		r.mu.Unlock()
		if ask && ctx.Err() == nil {
			due <- uuid
		}
	}
	close(due)
	wg.Wait()
	var err error
	if failed.Load() != nil {
		err = *failed.Load()
	}
	r.note(reading("vm_guest_agent", start, err))
}

func (r *Reader) askAgent(ctx context.Context, uuid string) error {
	r.mu.Lock()
	m, ok := r.memory[uuid]
	if !ok {
		r.mu.Unlock()
		return nil
	}
	if r.asking[asking{uuid, askingAgent}] { // it answered the ping, and not what it was asked then
		m.agentAt = time.Now()
		m.unanswered(m.agentAt)
		r.mu.Unlock()
		return nil
	}
	full := time.Since(m.agentFull) > agentFullEvery
	m.agentAt = time.Now()
	r.mu.Unlock()
	var got stat.Agent
	var asked atomic.Bool
	err := r.call(ctx, r.agents, agentLimit, uuid, "ask a guest agent", func(_ *libvirt.Connect, dom *libvirt.Domain) error {
		asked.Store(true)
		if !r.begin(uuid, askingAgent) {
			return context.DeadlineExceeded // a question of before has come through, and hangs
		}
		defer r.end(uuid, askingAgent)
		if err := virt.Ping(dom); err != nil {
			return err
		}
		told, err := ask(dom, full)
		got = told
		return err
	})
	answers := err == nil
	if !answers && !virt.Silent(err) && !(asked.Load() && errors.Is(err, context.DeadlineExceeded)) {
		// The question did not get there, which says nothing about the agent.
		r.mu.Lock()
		m.agent.Answers = nil
		r.mu.Unlock()
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m, ok = r.memory[uuid]; !ok {
		return nil
	}
	if !answers {
		m.unanswered(m.agentAt)
		return nil
	}
	m.agent.Answers, m.agentSilent = &answers, time.Time{}
	m.agent.Hostname = got.Hostname
	if full {
		m.agentFull, got.Answers = time.Now(), &answers
		m.agent = got
	}
	return nil
}

// agentSoon is after how long an agent that was silent is asked again.
const agentSoon = 10 * time.Second

func (m *memory) agentPause(usual time.Duration) time.Duration {
	if !m.agentSilent.IsZero() {
		return min(usual, agentSoon)
	}
	return usual
}

// unanswered notes that the agent left a question of that time unanswered.
func (m *memory) unanswered(asked time.Time) {
	m.agent.Answers = new(bool)
	if m.agentSilent.IsZero() {
		m.agentSilent = asked
	}
}

// ask asks an agent that answered a ping for its host's name, and in full for what the guest is and for its file systems.
// An agent that refuses one of these answers all the same.
func ask(dom *libvirt.Domain, full bool) (stat.Agent, error) {
	var a stat.Agent
	info, err := dom.GetGuestInfo(libvirt.DOMAIN_GUEST_INFO_HOSTNAME, 0)
	if err != nil {
		if virt.Silent(err) {
			return a, err
		}
		return a, nil
	}
	a.Hostname = info.Hostname
	if !full {
		return a, nil
	}
	for _, kind := range []libvirt.DomainGuestInfoTypes{libvirt.DOMAIN_GUEST_INFO_OS, libvirt.DOMAIN_GUEST_INFO_FILESYSTEM, libvirt.DOMAIN_GUEST_INFO_LOAD} {
		if info, err := dom.GetGuestInfo(kind, 0); err == nil {
			takeGuest(&a, info)
		}
	}
	return a, nil
}

func takeGuest(a *stat.Agent, i *libvirt.DomainGuestInfo) {
	// The library makes the records of all kinds, also of those that were not asked for.
	if o := i.OS; o != nil && (o.IDSet || o.NameSet || o.KernelReleaseSet) {
		a.OSID, a.OSName, a.OSVersion, a.Kernel = o.ID, cmp.Or(o.PrettyName, o.Name), o.VersionID, o.KernelRelease
	}
	seen := map[string]bool{}
	for _, fs := range i.FileSystems {
		if seen[fs.MountPoint] || !fs.TotalBytesSet || len(seen) == mostFilesystems || len(fs.MountPoint) > longestName {
			continue
		}
		seen[fs.MountPoint] = true
		a.Filesystems = append(a.Filesystems, stat.GuestFilesystem{Mountpoint: fs.MountPoint, Total: float64(fs.TotalBytes), Used: float64(fs.UsedBytes)})
	}
	if l := i.Load; l != nil && l.Load1MSet {
		a.Load1, a.Load5, a.Load15 = known(l.Load1MSet, l.Load1M), known(l.Load5MSet, l.Load5M), known(l.Load15MSet, l.Load15M)
	}
}

func known(set bool, v float64) cluster.Number { return cluster.Number{Known: set, Value: v} }

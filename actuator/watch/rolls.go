package watch

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/actuator/verdict"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Rolls are what each host said last of its VMs, by name. A host that was never heard has none.
func (w *Watch) Rolls() []cluster.Roll {
	w.mu.Lock()
	defer w.mu.Unlock()
	var rolls []cluster.Roll
	for _, h := range w.hosts {
		if !h.roll.At.IsZero() {
			rolls = append(rolls, h.roll) // nobody changes what is in it
		}
	}
	slices.SortFunc(rolls, func(a, b cluster.Roll) int { return strings.Compare(a.Host, b.Host) })
	return rolls
}

// activeCounts is for how long it is remembered where a VM was active.
const activeCounts = 24 * time.Hour

func (h *host) take(roll cluster.Roll) {
	h.roll = roll
	if h.active == nil {
		h.active, h.left = map[string]time.Time{}, map[string]bool{}
	}
	for _, v := range roll.VMs {
		if v.State.Active() {
			h.active[v.VM] = roll.At
			delete(h.left, v.VM)
		}
	}
	for vm, at := range h.active {
		if v := roll.Of(vm); at.Before(roll.At) && (v.Name == "" || v.Reason == "migrated") {
			h.left[vm] = true // also when the host is booted later and does not know why the VM is off there
		}
	}
	maps.DeleteFunc(h.active, func(_ string, at time.Time) bool { return roll.At.Sub(at) > activeCounts })
	maps.DeleteFunc(h.left, func(vm string, _ bool) bool { return h.active[vm].IsZero() })
}

// LastWords are what each host said last of a VM, by host.
func (w *Watch) LastWords(vm string) []cluster.LastWord {
	var words []cluster.LastWord
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, h := range w.hosts {
		if !h.roll.At.IsZero() {
			words = append(words, cluster.LastWord{Host: name, At: h.roll.At, ActiveAt: h.active[vm], Left: h.left[vm], ReadAt: h.read, LivedAt: later(h.lived, h.heard), BusyAt: h.busy[vm], VMSeen: h.roll.Of(vm)})
		}
	}
	slices.SortFunc(words, func(a, b cluster.LastWord) int { return strings.Compare(a.Host, b.Host) })
	return words
}

// call is a question to a host's libvirt, and in the end its answer.
type call struct {
	done chan struct{}
	sign verdict.Sign
	roll cluster.Roll
}

// answered tells whether the answer is there.
func (c *call) answered() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// callRolls asks the libvirt of every host. One that did not answer the last time holds the others up only for a moment:
// what it answers later is found at the next look.
func (w *Watch) callRolls(ctx context.Context, p Policy) ([]verdict.Sign, []cluster.Roll) {
	calls := make([]*call, len(p.Hosts))
	for i, name := range p.Hosts {
		within := p.Interval
		if w.silent[name] {
			within -= p.Interval / hurry // so that it is over at the next look
		}
		if calls[i] = w.calls[name]; calls[i] == nil || calls[i].answered() && calls[i].sign == verdict.No {
			calls[i] = callRoll(ctx, w.hypervisor, name, within)
		}
	}
	moment, late := make(chan struct{}), make(chan struct{})
	defer time.AfterFunc(p.Interval/hurry, func() { close(moment) }).Stop()
	defer time.AfterFunc(p.Interval, func() { close(late) }).Stop()
	libvirt, rolls, open := make([]verdict.Sign, len(p.Hosts)), make([]cluster.Roll, len(p.Hosts)), map[string]*call{}
	for i, name := range p.Hosts {
		patience := late
		if w.silent[name] {
			patience = moment
		}
		select {
		case <-calls[i].done:
		case <-patience:
		}
		libvirt[i] = verdict.No
		if calls[i].answered() {
			libvirt[i], rolls[i] = calls[i].sign, calls[i].roll
		} else {
			open[name] = calls[i]
		}
	}
	w.calls, w.silent = open, map[string]bool{}
	for i, name := range p.Hosts {
		w.silent[name] = libvirt[i] == verdict.No
	}
	return libvirt, rolls
}

// callRoll asks one host, and gives up after the time.
func callRoll(ctx context.Context, h Hypervisor, name string, within time.Duration) *call {
	c := &call{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		roll, refused, err := h.Roll(ctx, name)
		c.roll, c.sign = roll, verdict.No
		switch {
		case err == nil:
			c.sign = verdict.Yes
		case refused:
			c.sign = verdict.Refused
		}
	}()
	return c
}

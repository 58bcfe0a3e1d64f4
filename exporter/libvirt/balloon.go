package libvirt

import (
	"context"
	"time"

	"libvirt.org/go/libvirt"
)

// balloonLimit bounds switching the statistics of one balloon on.
const balloonLimit = 5 * time.Second

// switchBalloonsOn has guests tell their memory's numbers where nobody chose whether they do. It
// changes the running VM alone, not its definition, and tries once in each life of a VM.
func (r *Reader) switchBalloonsOn(ctx context.Context) {
	if r.opts.BalloonPeriod <= 0 || r.slow.Status().ReadOnly || !r.opts.Collect("vm_memory") {
		return
	}
	for _, uuid := range r.running() {
		r.mu.Lock()
		m, ok := r.memory[uuid]
		ask := ok && m.definition != nil && m.definition.BalloonStats != nil && !*m.definition.BalloonStats && m.balloonAsked != m.id && m.job == nil
		if ask {
			m.balloonAsked = m.id
		}
		r.mu.Unlock()
		if !ask || ctx.Err() != nil {
			continue
		}
		err := r.call(ctx, r.slow, balloonLimit, uuid, "switch balloon statistics on", func(_ *libvirt.Connect, dom *libvirt.Domain) error {
			return dom.SetMemoryStatsPeriod(int(r.opts.BalloonPeriod/time.Second), libvirt.DOMAIN_MEM_LIVE)
		})
		if err != nil {
			r.opts.Log.Info("balloon statistics stay off", "vm", uuid, "err", err)
			continue
		}
		r.opts.Log.Info("balloon statistics switched on", "vm", uuid, "period", r.opts.BalloonPeriod)
	}
}

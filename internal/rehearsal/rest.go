package rehearsal

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// retiring is a host on its way into standby. The steps are those of the actuator.
type retiring struct {
	action cluster.Action
	began  time.Time
	// empty is since when it is, down since when it was told to shut down; zero for not yet.
	empty, down time.Time
}

// waking is a host that was woken and is not back yet.
type waking struct {
	action cluster.Action
	began  time.Time
}

// unneededWithin is for how long an empty host may seem to be needed.
const unneededWithin = time.Minute

// rest is what the gates may know about a host that is to be put into standby or woken.
func (r *run) rest(s cluster.Snapshot, a cluster.Action) gate.Rest {
	rest := gate.Rest{Proof: r.proofs[a.From]}
	if _, known := s.Host(a.From); known && a.Kind == cluster.Standby {
		judged := plan.MayRest(s, a.From, r.options.Analyzer.Plan)
		rest.Stay, rest.Reserve = judged.Stay, judged.Reserve
	}
	return rest
}

// watched says which hosts live.
func (r *run) watched() []cluster.HostWatch {
	var list []cluster.HostWatch
	for _, h := range r.cluster.Stands() {
		one := cluster.HostWatch{Host: h.Host, Verdict: "asleep"}
		if h.State != cluster.HostStandby && h.State != cluster.HostDown {
			one.Verdict, one.HeardAt = "alive", r.cluster.Now()
		}
		list = append(list, one)
	}
	return list
}

// retire begins to empty a host: the order is a yes to that.
func (r *run) retire(rec cluster.Recommendation) {
	now := r.cluster.Now()
	r.order(cluster.Order{Kind: cluster.OrderStandby, Subject: rec.Action.Subject(), Word: cluster.Approval{Who: "evenkeel", Via: "server", At: now, Reason: rec.Reason}})
	r.cluster.Retire(rec.Action.From)
	r.retiring = &retiring{action: rec.Action, began: now}
}

// order puts an order in force in place of the one about the same host; lifted are those in force without it.
func (r *run) order(o cluster.Order) { r.orders = append(r.lifted(o.Subject), o) }

func (r *run) lifted(subject string) cluster.Orders {
	return slices.DeleteFunc(slices.Clone(r.orders), func(o cluster.Order) bool { return o.Subject == subject })
}

// concludeRest brings a host a step nearer to standby, or gives that up.
func (r *run) concludeRest(ctx context.Context) error {
	if r.retiring == nil {
		return nil
	}
	w, now := r.retiring, r.cluster.Now()
	roll, err := r.cluster.Roll(w.action.From)
	switch {
	case err != nil && !w.down.IsZero():
		r.asleep()
	case err != nil, w.down.IsZero() && active(roll) && (!w.empty.IsZero() || now.Sub(w.began) >= r.options.Rest.Empty):
		r.giveUp() // it fails, or a VM was started at the last moment, or it takes too long
	case !w.down.IsZero() || active(roll):
	default:
		return r.lastLook(ctx)
	}
	return nil
}

// active tells whether a VM is on the host, or on its way there.
func active(roll cluster.Roll) bool {
	return slices.ContainsFunc(roll.VMs, func(v cluster.VMSeen) bool { return v.State.Active() })
}

// lastLook shuts a host down that is empty, unless it is needed by now.
func (r *run) lastLook(ctx context.Context) error {
	w, now := r.retiring, r.cluster.Now()
	if w.empty.IsZero() {
		w.empty = now
	}
	snap, err := r.look(ctx)
	if err != nil {
		return err
	}
	if needed := plan.MayRest(snap, w.action.From, r.options.Analyzer.Plan).Reserve; needed != "" {
		if now.Sub(w.empty) >= unneededWithin {
			r.giveUp()
		}
		return nil
	}
	if r.options.Witness != nil {
		r.options.Witness.Off(w.action.From, r.cluster)
	}
	if err := r.cluster.ShutDown(w.action.From); err != nil {
		r.giveUp()
		return nil
	}
	w.down = now
	return nil
}

// asleep notes that the host is off.
func (r *run) asleep() {
	w := r.retiring
	delete(r.failed, alike(w.action))
	o := r.orders.Standby(w.action.From, r.cluster.Now())
	o.Rest = cluster.Rest{Down: w.down, Asleep: r.cluster.Now()}
	r.retiring, r.view = nil, nil
}

// giveUp has the host be in use again.
func (r *run) giveUp() {
	w := r.retiring
	r.fail(w.action)
	r.cluster.Keep(w.action.From)
	r.orders = r.lifted(w.action.Subject())
	r.retiring, r.view = nil, nil
}

// concludeWakes looks which hosts are back, and which are not in time: these are left as they are, and their proof is gone.
func (r *run) concludeWakes() {
	now := r.cluster.Now()
	r.waking = slices.DeleteFunc(r.waking, func(w waking) bool {
		proof := cluster.WakeProof{Host: w.action.From, At: now, Seconds: now.Sub(w.began).Seconds()}
		switch _, err := r.cluster.Roll(w.action.From); {
		case err == nil:
			proof.Woke = true
			delete(r.failed, alike(w.action))
			r.orders = r.lifted(w.action.Subject())
		case now.Sub(w.began) < r.options.Rest.Wake:
			return false
		default:
			r.fail(w.action)
		}
		r.proofs[w.action.From], r.view = proof, nil
		return true
	})
}

// letGo lifts the orders about hosts in standby that somebody else turned on.
func (r *run) letGo() {
	for _, o := range r.orders {
		host := strings.TrimPrefix(o.Subject, cluster.HostSubject(""))
		if o.Rest.Asleep.IsZero() || slices.ContainsFunc(r.waking, func(w waking) bool { return w.action.From == host }) {
			continue
		}
		if _, err := r.cluster.Roll(host); err == nil {
			r.orders, r.view = r.lifted(o.Subject), nil
		}
	}
}

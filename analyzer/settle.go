package analyzer

import (
	"math"
	"slices"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

const (
	// stillTrue is how far the utilisations that a recommendation speaks of may drift, as a ratio
	// of a host, before it is made anew with fresh numbers.
	stillTrue = 0.10
	// stillGood is how many points of score the advice on the board may fall short of fresh advice.
	stillGood = 5.0
)

// settle keeps the advice on the board as long as it stands: none of it has expired, it can be
// followed to its end from here, its numbers are still true, it does what must be done, and it is about as good as
// fresh advice.
// Two hosts that are equally good targets would otherwise take turns with every sample, and nobody
// could approve what was read a moment ago.
func settle(fresh Judgement, old []cluster.Recommendation, l cluster.Limits) []cluster.Recommendation {
	if len(fresh.Recommendations) == 0 {
		return nil
	}
	p := cluster.NewPlacement(fresh.Snapshot)
	var kept []cluster.Recommendation
	for _, r := range old {
		if p.HostOf(r.Action.VM) == r.Action.To {
			continue // it is done, or on its way
		}
		if !stands(p, r, fresh, l) {
			return fresh.Recommendations
		}
		kept = append(kept, r)
	}
	if len(kept) == 0 || !does(kept, fresh.Recommendations) || p.Assess().Score < fresh.Plan.After.Score-stillGood {
		return fresh.Recommendations
	}
	return kept
}

// does tells whether the advice does all that is mandatory by the fresh one, and for the same reason: a host may have been put
// into maintenance since.
func does(kept, fresh []cluster.Recommendation) bool {
	for _, f := range fresh {
		if f.Priority == 1 && !slices.ContainsFunc(kept, func(k cluster.Recommendation) bool {
			return k.Priority == 1 && k.Policy == f.Policy && k.Action.VM == f.Action.VM
		}) {
			return false
		}
	}
	return true
}

// stands follows one recommendation on paper, and tells whether it could and found its numbers true.
func stands(p *cluster.Placement, r cluster.Recommendation, fresh Judgement, l cluster.Limits) bool {
	a := r.Action
	if r.Priority == 1 {
		l = l.Mandatory()
	}
	if !fresh.Snapshot.At.Before(r.Expires) || p.HostOf(a.VM) != a.From || p.Illegal(a.VM, a.To, l) != "" {
		return false
	}
	before := near(p, r.Effects, func(e cluster.Effect) float64 { return e.Before })
	p.Move(a.VM, a.To)
	return before && near(p, r.Effects, func(e cluster.Effect) float64 { return e.After })
}

// near tells whether the hosts carry what the recommendation says that they carry.
func near(p *cluster.Placement, effects []cluster.Effect, want func(cluster.Effect) float64) bool {
	for _, e := range effects {
		if math.Abs(e.Seen(p.Load(e.Host))-want(e)) > stillTrue {
			return false
		}
	}
	return true
}

// settlePower keeps advice about hosts that sleep, or should, as long as the same is advised: who reads it can approve it.
func settlePower(fresh Judgement, old []cluster.Recommendation) []cluster.Recommendation {
	kept := slices.Clone(fresh.Power)
	for i, f := range kept {
		same := slices.IndexFunc(old, func(r cluster.Recommendation) bool {
			return r.Action == f.Action && fresh.Snapshot.At.Before(r.Expires)
		})
		if same >= 0 {
			kept[i] = old[same]
		}
	}
	return kept
}

// withPower puts advice about hosts that sleep among the rest. What is to be woken comes first: the others are about to be made the most
// of what there is too little of. None falls asleep while VMs are to move, for then the cluster is not at rest.
func withPower(recs, power []cluster.Recommendation) []cluster.Recommendation {
	if len(recs) == 0 || len(power) > 0 && power[0].Action.Kind == cluster.Wake {
		return slices.Concat(power, recs)
	}
	return recs
}

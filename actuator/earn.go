package actuator

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// earn lets kinds of action gain and lose trust. What cannot be written down is not gained; it is lost all the same, and
// written as soon as that can be.
func (a *Actuator) earn(now time.Time) {
	policy := a.currentPolicy()
	if len(policy.Earned) == 0 {
		return
	}
	a.writeLosses()
	promises := a.Promises()
	for _, kind := range policy.Earned {
		_, change := trust.Judge(a.trustRecord(kind, promises), policy.Trust, now)
		if change == nil {
			continue
		}
		e := cluster.Entry{At: now, Kind: cluster.EntryTrust, ID: change.ID(), Trust: change}
		if err := a.changeTrust(e, func() bool { return true }); err != nil {
			a.log.Error("change of trust not recorded", "kind", kind, "to", change.To.String(), "err", err)
			continue
		}
		a.log.Warn("trust changed", "kind", kind, "from", change.From.String(), "to", change.To.String(), "reason", change.Reason)
	}
}

// writeLosses tries once more to write what the journal did not take.
func (a *Actuator) writeLosses() {
	a.mu.Lock()
	entries := slices.Collect(maps.Values(a.unwritten))
	a.mu.Unlock()
	for _, e := range entries {
		if err := a.changeTrust(e, func() bool { return a.trustOf(e.Trust.Policy) == *e.Trust }); err != nil {
			a.log.Error("a loss of trust is still not recorded", "kind", e.Trust.Policy, "err", err)
		}
	}
}

// changeTrust writes a change and puts it in force, where that is still wanted when its turn comes. A loss is in force also
// when it cannot be written.
func (a *Actuator) changeTrust(e cluster.Entry, wanted func() bool) error {
	a.deciding.Lock()
	defer a.deciding.Unlock()
	if !wanted() {
		return nil
	}
	_, err := a.journal.Append(e)
	if err != nil && e.Trust.To >= e.Trust.From {
		return fmt.Errorf("%w: %w", errNoJournal, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trusted[e.Trust.Policy] = *e.Trust
	delete(a.unwritten, e.Trust.Policy)
	if err != nil {
		a.unwritten[e.Trust.Policy] = e
	}
	return err
}

// trustRecord gathers what is known of the kind.
func (a *Actuator) trustRecord(kind string, promises []cluster.Promise) trust.Record {
	r := trust.Record{Policy: kind, Judged: a.advice.Judged()}
	for _, p := range promises {
		if p.Policy == kind {
			r.Promises = append(r.Promises, p)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Judged.Before(a.started) {
		r.Judged = a.started // it may take a while to look for the first time
	}
	if e, ok := a.trusted[kind]; ok {
		r.Level, r.Since = e.To, e.Since
	}
	return r
}

// Promises returns what was promised against what came of it, of every action of which that is known, oldest first.
func (a *Actuator) Promises() []cluster.Promise {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.promises == nil {
		a.promises = []cluster.Promise{}
		for _, c := range a.cases {
			if p, known := c.Promise(); known {
				a.promises = append(a.promises, p)
			}
		}
		slices.SortFunc(a.promises, func(x, y cluster.Promise) int { return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.ID, y.ID)) })
	}
	return slices.Clone(a.promises)
}

// Standings says how the kinds whose level is to be earned do.
func (a *Actuator) Standings() []trust.Standing {
	policy := a.currentPolicy()
	var list []trust.Standing
	promises := a.Promises()
	for _, kind := range policy.Earned {
		s, _ := trust.Judge(a.trustRecord(kind, promises), policy.Trust, time.Now())
		list = append(list, s)
	}
	return list
}

// Trust returns the last change of each kind of action, by name.
func (a *Actuator) Trust() []cluster.TrustChange {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.SortedFunc(maps.Values(a.trusted), func(x, y cluster.TrustChange) int { return cmp.Compare(x.Policy, y.Policy) })
}

// earnedLevel is what the kind has earned, or nil where its level is not to be earned. The caller holds mu.
func (a *Actuator) earnedLevel(kind string) *cluster.Level {
	if !slices.Contains(a.policy.inForce(time.Now()).Earned, kind) {
		return nil
	}
	level := cluster.LevelManual
	if e, ok := a.trusted[kind]; ok {
		level = e.To
	}
	return &level
}

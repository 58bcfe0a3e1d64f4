package actuator

import (
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// earn lets kinds of action gain and lose trust. What cannot be written down is not gained; it is lost all the same.
func (a *Actuator) earn(now time.Time) {
	policy := a.currentPolicy()
	for _, kind := range policy.Earned {
		_, change := trust.Judge(a.trustRecord(kind), policy.Trust, now)
		if change == nil {
			continue
		}
		e := cluster.Entry{At: now, Kind: cluster.EntryTrust, ID: change.ID(), Trust: change}
		if err := a.changeTrust(e); err != nil {
			a.log.Error("change of trust not recorded", "kind", kind, "to", change.To.String(), "err", err)
		}
	}
}

func (a *Actuator) changeTrust(e cluster.Entry) error {
	a.deciding.Lock()
	defer a.deciding.Unlock()
	written, err := a.journal.Append(e)
	if err == nil {
		e = written
	} else if e.Trust.To >= e.Trust.From {
		return fmt.Errorf("%w: %w", errNoJournal, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trusted[e.Trust.Policy] = *e.Trust
	a.log.Info("trust", "kind", e.Trust.Policy, "from", e.Trust.From.String(), "to", e.Trust.To.String(), "reason", e.Trust.Reason)
	return err
}

// trustRecord gathers what is known of the kind.
func (a *Actuator) trustRecord(kind string) trust.Record {
	r := trust.Record{Policy: kind, Judged: a.advice.Judged()}
	for _, p := range a.Promises() {
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
	var list []cluster.Promise
	a.List(func(c cluster.Case) bool {
		if p, known := c.Promise(); known {
			list = append(list, p)
		}
		return false
	})
	slices.SortFunc(list, func(x, y cluster.Promise) int { return x.At.Compare(y.At) })
	return list
}

// Standings says how the kinds whose level is to be earned do.
func (a *Actuator) Standings() []trust.Standing {
	policy := a.currentPolicy()
	var list []trust.Standing
	for _, kind := range policy.Earned {
		s, _ := trust.Judge(a.trustRecord(kind), policy.Trust, time.Now())
		list = append(list, s)
	}
	return list
}

// earnedLevel is what the kind has earned, or nil where its level is not to be earned. The caller holds mu.
func (a *Actuator) earnedLevel(kind string) *cluster.Level {
	if !slices.Contains(a.policy.Earned, kind) {
		return nil
	}
	level := cluster.LevelManual
	if e, ok := a.trusted[kind]; ok {
		level = e.To
	}
	return &level
}

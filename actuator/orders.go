package actuator

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Orders returns the orders in force.
func (a *Actuator) Orders() cluster.Orders {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.orders.InForce(time.Now())
}

// Stops are what stops actions now whoever asks for them: freezes that are on, and actions that failed one after the other.
func (a *Actuator) Stops() []cluster.Verdict {
	now := time.Now()
	_, failed := a.past(now)
	return gate.Stops(a.currentPolicy().Gate, failed, now)
}

// Order puts an order in force, in place of one with the same ID. The error is ErrRefused where it makes no sense,
// or the journal's.
func (a *Actuator) Order(o cluster.Order) error {
	if why := o.Problem(); why != "" {
		return fmt.Errorf("%w: %s", ErrRefused, why)
	}
	return a.decideOrder(cluster.Entry{At: o.Word.At, Kind: cluster.EntryOrdered, ID: o.ID(), Order: &o})
}

// Lift takes an order back. The error is ErrNotFound or the journal's.
func (a *Actuator) Lift(o cluster.Order) error {
	if !slices.ContainsFunc(a.Orders(), func(old cluster.Order) bool { return old.ID() == o.ID() }) {
		return fmt.Errorf("%w: there is no order %q in force", ErrNotFound, o.ID())
	}
	return a.decideOrder(cluster.Entry{At: o.Word.At, Kind: cluster.EntryLifted, ID: o.ID(), Order: &o})
}

// Renew writes what is in force and was said before the time once more, so that the journal can be compacted up to
// then without losing it. What is lifted or changed meanwhile stays so.
func (a *Actuator) Renew(before time.Time) error {
	var errs []error
	for _, o := range a.Orders() {
		if o.Word.At.Before(before) {
			e := cluster.Entry{At: time.Now(), Kind: cluster.EntryOrdered, ID: o.ID(), Order: &o}
			errs = append(errs, a.change(e, func() bool { return slices.Contains(a.Orders(), o) }))
		}
	}
	a.mu.Lock()
	trusted := slices.Collect(maps.Values(a.trusted))
	a.mu.Unlock()
	for _, t := range trusted {
		if t.Since.Before(before) {
			errs = append(errs, a.changeTrust(cluster.Entry{At: time.Now(), Kind: cluster.EntryTrust, ID: t.ID(), Trust: &t}, func() bool { return a.trustOf(t.Policy) == t }))
		}
	}
	return errors.Join(errs...)
}

func (a *Actuator) trustOf(kind string) cluster.TrustChange {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trusted[kind]
}

// decideOrder takes a person's word.
func (a *Actuator) decideOrder(e cluster.Entry) error {
	if err := a.change(e, func() bool { return true }); err != nil {
		return err
	}
	a.metrics.decided(e)
	log := a.log.With("decision", e.Kind.String(), "order", e.ID, "who", e.Order.Word.Who, "via", e.Order.Word.Via)
	if !e.Order.Until.IsZero() {
		log = log.With("until", e.Order.Until)
	}
	log.Info("decided")
	a.poke()
	return nil
}

// change writes an entry about an order and carries the orders forward, where that is still wanted when its turn comes.
func (a *Actuator) change(e cluster.Entry, wanted func() bool) error {
	a.deciding.Lock()
	defer a.deciding.Unlock()
	if !wanted() {
		return nil
	}
	e, err := a.journal.Append(e)
	if err != nil {
		return errors.Join(errNoJournal, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.orders, err = a.orders.Apply(e)
	return err
}

package actuator

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Orders returns the orders in force.
func (a *Actuator) Orders() cluster.Orders {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.orders.InForce(time.Now())
}

// Order puts an order in force, in place of one with the same ID. The error is ErrRefused where it makes no sense,
// or the journal's.
func (a *Actuator) Order(o cluster.Order) error {
	if why := o.Problem(); why != "" {
		return fmt.Errorf("%w: %s", ErrRefused, why)
	}
	return a.change(cluster.Entry{At: o.Word.At, Kind: cluster.EntryOrdered, ID: o.ID(), Order: &o})
}

// Lift takes an order back. The error is ErrNotFound or the journal's.
func (a *Actuator) Lift(o cluster.Order) error {
	if !slices.ContainsFunc(a.Orders(), func(old cluster.Order) bool { return old.ID() == o.ID() }) {
		return fmt.Errorf("%w: there is no order %q in force", ErrNotFound, o.ID())
	}
	return a.change(cluster.Entry{At: o.Word.At, Kind: cluster.EntryLifted, ID: o.ID(), Order: &o})
}

// change writes an entry about an order and carries the orders forward.
func (a *Actuator) change(e cluster.Entry) error {
	a.deciding.Lock()
	defer a.deciding.Unlock()
	e, err := a.journal.Append(e)
	if err != nil {
		return errors.Join(errNoJournal, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.orders, err = a.orders.Apply(e); err != nil {
		return err
	}
	a.metrics.decided(e)
	a.log.Info("decided", "decision", e.Kind.String(), "order", e.ID, "who", e.Order.Word.Who, "via", e.Order.Word.Via, "until", e.Order.Until)
	a.poke()
	return nil
}

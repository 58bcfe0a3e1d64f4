package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// OrderKind says what a person ordered beyond single recommendations. There is no order of the zero kind.
type OrderKind uint8

// The kinds of order.
const (
	OrderNone OrderKind = iota
	// OrderPause stops everything that would happen to its subject, approved or not.
	OrderPause
	// OrderApprove is a yes to every recommendation of a policy that touches its subject, for a time.
	OrderApprove
	// OrderMaintenance keeps a host empty, and is a yes to moving away what runs there.
	OrderMaintenance
	// OrderDisarm stops what is done about failures: no host is turned off and nothing is started again.
	OrderDisarm
	// OrderOff is a person's word that a host is off, where its BMC cannot be asked.
	OrderOff
	// OrderStandby empties a host and keeps it off, and is a yes to moving away what runs there.
	OrderStandby
)

func orderKinds() []string {
	return []string{"", "pause", "approve", "maintenance", "disarm", "off", "standby"}
}

func (k OrderKind) String() string { return nameOf(orderKinds(), k) }

// MarshalText writes the kind's name.
func (k OrderKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *OrderKind) UnmarshalText(b []byte) error {
	return parseName("kind of order", orderKinds(), string(b), k)
}

// Due tells whether it was said that the host, which is off, is to be woken by then.
func (r Rest) Due(at time.Time) bool {
	return !r.Asleep.IsZero() && (r.Test || !r.WakeAt.IsZero() && !at.Before(r.WakeAt))
}

// Order is what a person decided for more than one recommendation. It holds until it is lifted or its time is
// over.
type Order struct {
	Kind OrderKind `json:"kind"`
	// Subject is "cluster", "host/<id>" or "vm/<id>".
	Subject string `json:"subject"`
	// Policy is the planner whose recommendations an approval covers; the others have none.
	Policy string   `json:"policy,omitempty"`
	Word   Approval `json:"word"`
	// Until is when it ends by itself; zero for what lasts until it is lifted.
	Until time.Time `json:"until,omitzero"`
	// Rest is how far a host is on its way into standby; zero for other orders.
	Rest Rest `json:"rest,omitzero"`
}

// Rest is how far a host is on its way into standby.
type Rest struct {
	// WakeAt is when it is to be woken; zero for no such time. Test tells that it is to be woken as soon as it is off.
	WakeAt time.Time `json:"wake_at,omitzero"`
	Test   bool      `json:"test,omitempty"`
	// Down is when it was told to shut down, Asleep when it was seen to be off; zero while it is not so far.
	Down   time.Time `json:"down,omitzero"`
	Asleep time.Time `json:"asleep,omitzero"`
}

// maxAdvance is how long an approval in advance may hold: what lasts longer is a level, and a level stands in the
// configuration.
const maxAdvance = 30 * 24 * time.Hour

// ID names the order: there is one of a kind for a subject and a policy.
func (o Order) ID() string {
	return strings.TrimRight(o.Kind.String()+" "+o.Subject+" "+o.Policy, " ")
}

// Problem says what makes no sense about an order that is to hold from now on, or "".
func (o Order) Problem() string {
	prefix, name, named := strings.Cut(o.Subject, "/")
	switch {
	case o.Kind == OrderNone:
		return "it is none of pause, approve, maintenance, disarm, off and standby"
	case o.Subject != "cluster" && (!named || name == "" || prefix != "host" && prefix != "vm"):
		return fmt.Sprintf("%q is no subject; write cluster, host/NAME or vm/UUID", o.Subject)
	case o.Kind == OrderMaintenance && prefix != "host":
		return "maintenance is of a host; write host/NAME"
	case o.Kind == OrderStandby && prefix != "host":
		return "it is a host that is in standby; write host/NAME"
	case o.Kind == OrderOff && prefix != "host":
		return "it is a host that is off; write host/NAME"
	case o.Kind == OrderDisarm && prefix == "vm":
		return "a host or the cluster is disarmed; write cluster or host/NAME"
	case o.Kind != OrderApprove && o.Policy != "":
		return "only an approval in advance is for one kind of action"
	case o.Kind == OrderApprove && !slices.Contains(Policies(), o.Policy):
		return fmt.Sprintf("%q is no kind of recommendation; use one of %s", o.Policy, strings.Join(Policies(), ", "))
	case o.Kind == OrderApprove && o.Until.IsZero():
		return "an approval in advance needs an end"
	case !o.Until.IsZero() && !o.Until.After(o.Word.At):
		return "its end is not in the future"
	case o.Kind == OrderApprove && o.Until.Sub(o.Word.At) > maxAdvance:
		return "an approval in advance lasts 30 days at most; give the kind a level of its own for what is to last"
	}
	return ""
}

// Covers tells whether the order is about the recommendation at that time.
func (o Order) Covers(r Recommendation, at time.Time) bool {
	if !o.Until.IsZero() && !at.Before(o.Until) || o.Policy != "" && o.Policy != r.Policy {
		return false
	}
	return o.Subject == "cluster" || slices.Contains(r.Action.Subjects(), o.Subject)
}

// Orders are those in force.
type Orders []Order

// Apply carries the orders forward by one journal entry; entries about recommendations change nothing.
func (o Orders) Apply(e Entry) (Orders, error) {
	if e.Kind != EntryOrdered && e.Kind != EntryLifted {
		return o, nil
	}
	if e.Order == nil || e.ID != e.Order.ID() {
		return o, fmt.Errorf("journal entry %d (%s) holds no order %q", e.Seq, e.Kind, e.ID)
	}
	rest := slices.DeleteFunc(slices.Clone(o), func(old Order) bool { return old.ID() == e.ID })
	if e.Kind == EntryOrdered {
		rest = append(rest, *e.Order)
	}
	return rest, nil
}

// InForce returns those whose time is not over.
func (o Orders) InForce(at time.Time) Orders {
	return slices.DeleteFunc(slices.Clone(o), func(one Order) bool { return !one.Until.IsZero() && !at.Before(one.Until) })
}

// Of returns the first order of the kind that covers the recommendation, or nil.
func (o Orders) Of(kind OrderKind, r Recommendation, at time.Time) *Order {
	for i := range o {
		if o[i].Kind == kind && o[i].Covers(r, at) {
			return &o[i]
		}
	}
	return nil
}

// Off returns a person's word that the host is off, or nil.
func (o Orders) Off(host string, at time.Time) *Order { return o.ofHost(OrderOff, host, at) }

// Maintenance returns the order that keeps the host empty, or nil.
func (o Orders) Maintenance(host string, at time.Time) *Order {
	return o.ofHost(OrderMaintenance, host, at)
}

// Standby returns the order that keeps the host off, or is about to, or nil.
func (o Orders) Standby(host string, at time.Time) *Order { return o.ofHost(OrderStandby, host, at) }

func (o Orders) ofHost(kind OrderKind, host string, at time.Time) *Order {
	for i := range o {
		if o[i].Kind == kind && o[i].Subject == HostSubject(host) && (o[i].Until.IsZero() || at.Before(o[i].Until)) {
			return &o[i]
		}
	}
	return nil
}

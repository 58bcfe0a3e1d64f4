package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
)

// OrderRequest is the body of an order: a pause, or an approval in advance.
type OrderRequest struct {
	Kind cluster.OrderKind `json:"kind"`
	// Subject is "cluster", "host/NAME" or "vm/UUID"; a VM may be given by a name that only one has.
	Subject string `json:"subject"`
	// Policy is what an approval in advance covers: rules, evacuate, quarantine or balance.
	Policy string    `json:"policy,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

func (s *Server) gates(w http.ResponseWriter, r *http.Request) {
	verdicts, err := s.desk.Gates(r.Context(), r.PathValue("id"))
	if err != nil {
		fail(w, statusOf(err), err, nil)
		return
	}
	answer(w, verdicts)
}

func (s *Server) orders(w http.ResponseWriter, _ *http.Request) {
	answer(w, orEmpty(s.desk.Orders()))
}

func (s *Server) order(w http.ResponseWriter, r *http.Request, by caller) {
	s.change(w, r, by, s.desk.Order, func(o *cluster.Order) (err error) {
		o.Subject, err = s.subject(o.Subject)
		if err == nil && o.Kind == cluster.OrderStandby {
			err = errors.New("kind: standby is asked for under /api/v1/actions")
		}
		return cmp.Or(err, problem(*o))
	})
}

// lift takes back what is in force under the subject as it is written, be it there any longer or not.
func (s *Server) lift(w http.ResponseWriter, r *http.Request, by caller) {
	s.change(w, r, by, s.desk.Lift, func(o *cluster.Order) (err error) {
		if !slices.ContainsFunc(s.desk.Orders(), func(old cluster.Order) bool { return old.ID() == o.ID() }) {
			o.Subject, err = s.subject(o.Subject)
		}
		o.Until = o.Word.At.Add(time.Second) // what is taken back needs no end of its own
		return cmp.Or(err, problem(*o))
	})
}

// problem is what makes no sense about the order, or nil.
func problem(o cluster.Order) error {
	if why := o.Problem(); why != "" {
		return errors.New(why)
	}
	return nil
}

func (s *Server) change(w http.ResponseWriter, r *http.Request, by caller, do func(cluster.Order) error, check func(*cluster.Order) error) {
	o, err := decodeBody[OrderRequest](w, r)
	order := cluster.Order{Kind: o.Kind, Subject: o.Subject, Policy: o.Policy, Until: o.Until, Word: by.word(o.Reason)}
	if err = cmp.Or(err, tooLong(o.Reason)); err == nil {
		s.log.Info("order", "audit", true, "who", by.name, "method", r.Method, "order", order.ID())
		err = check(&order)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err, nil)
		return
	}
	if err := do(order); err != nil {
		fail(w, statusOf(err), err, nil)
		return
	}
	answer(w, order)
}

// subject finds the host or VM that is meant. What is not there could be a slip of the pen, after which nothing
// would be paused. Before the cluster has been seen a host is taken by its word, and a VM not at all: its name is none that
// recommendations use.
func (s *Server) subject(text string) (string, error) {
	board, err := s.board.Board()
	name, isVM := strings.CutPrefix(text, cluster.VMSubject(""))
	switch {
	case text == "cluster", board.Snapshot.At.IsZero() && !isVM:
		return text, nil
	case board.Snapshot.At.IsZero():
		return "", errors.Join(fmt.Errorf("subject: nobody knows yet what %q is, for the cluster has not been seen; the whole cluster can be paused", text), err)
	}
	for _, h := range board.Snapshot.Hosts {
		if text == cluster.HostSubject(h.ID) {
			return text, nil
		}
	}
	if isVM && name != "" {
		switch vms := board.Snapshot.FindVMs(name); len(vms) {
		case 1:
			return cluster.VMSubject(vms[0].ID), nil
		case 0:
		default:
			return "", fmt.Errorf("subject: %d VMs are called %q; name one by its UUID", len(vms), name)
		}
	}
	return "", fmt.Errorf("subject: there is no %q; write cluster, host/NAME or vm/NAME", text)
}

// LastingUntil is when something ends that lasts so long from now, as in 30m, 8h or 2d; zero for "", which lasts until somebody ends it.
func LastingUntil(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	d, err := model.ParseDuration(text)
	if err != nil || d <= 0 {
		return time.Time{}, fmt.Errorf("%q is no duration; write for example 30m, 8h or 2d", text)
	}
	return time.Now().Add(time.Duration(d)).Truncate(time.Second), nil
}

// Gates asks every gate about the recommendation as if it were to be done now.
func (c *Client) Gates(ctx context.Context, id string) ([]cluster.Verdict, error) {
	return get[[]cluster.Verdict](ctx, c, "/api/v1/recommendations/"+url.PathEscape(id)+"/gates", nil)
}

// Snooze puts the recommendation off until the time.
func (c *Client) Snooze(ctx context.Context, id, reason string, until time.Time) (cluster.Case, error) {
	return c.decide(ctx, id, "snooze", Postponement{Reason: reason, Until: until})
}

// Orders lists the orders in force.
func (c *Client) Orders(ctx context.Context) (cluster.Orders, error) {
	return get[cluster.Orders](ctx, c, "/api/v1/orders", nil)
}

// Order puts an order in force, Lift takes it back. They return it with the subject that was found.
func (c *Client) Order(ctx context.Context, o OrderRequest) (cluster.Order, error) {
	return c.change(ctx, http.MethodPost, o)
}

// Lift takes an order back.
func (c *Client) Lift(ctx context.Context, o OrderRequest) (cluster.Order, error) {
	return c.change(ctx, http.MethodDelete, o)
}

func (c *Client) change(ctx context.Context, method string, o OrderRequest) (cluster.Order, error) {
	var out cluster.Order
	err := c.do(ctx, method, "/api/v1/orders", nil, o, &out)
	return out, err
}

package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// ActionRequest is the body of an action that a person asks for.
type ActionRequest struct {
	Kind cluster.Kind `json:"kind"`
	// VM is a UUID, or a name that only one has.
	VM string `json:"vm"`
	// To is the host that a migration goes to, or that the VM is to start on: where its definition is when left out.
	To string `json:"to,omitempty"`
	// Pool is the storage pool that the disks go to.
	Pool string `json:"pool,omitempty"`
	// Host is the host that is put into standby or woken, in place of a VM. Until is when it is woken by itself, Test that it is
	// woken at once, to prove that it can be.
	Host   string    `json:"host,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	Test   bool      `json:"test,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// problem is what makes no sense about the request, or nil.
func (a ActionRequest) problem() error {
	rests := a.Kind == cluster.Standby || a.Kind == cluster.Wake
	migrates, starts, stores := a.Kind == cluster.Migrate, a.Kind == cluster.Start, a.Kind == cluster.MoveStorage
	switch {
	case a.Kind == cluster.KindNone:
		return errors.New("kind: is missing; say what is to be done")
	case a.Kind == cluster.Maintenance:
		return errors.New("kind: maintenance is an order; ask for it under /api/v1/orders")
	case rests != (a.Host != ""):
		return errors.New("host: goes with standby and wake, and those take one")
	case a.Kind != cluster.Standby && (a.Test || !a.Until.IsZero()):
		return errors.New("until, test: go with standby")
	case rests && (a.VM != "" || a.To != "" || a.Pool != ""):
		return fmt.Errorf("vm, to, pool: a %s is of a host", a.Kind)
	case rests:
		return tooLong(a.Reason)
	case a.VM == "":
		return errors.New("vm: is missing; name the VM")
	case migrates && a.To == "":
		return errors.New("to: is missing; name the host that the VM is to go to")
	case !migrates && !starts && a.To != "":
		return fmt.Errorf("to: a %s goes to no host", a.Kind)
	case stores != (a.Pool != ""):
		return errors.New("pool: goes with move-storage, and that takes one")
	}
	return tooLong(a.Reason)
}

func (a ActionRequest) action() cluster.Action {
	return cluster.Action{Kind: a.Kind, VM: a.VM, From: a.Host, To: a.To, Pool: a.Pool, Until: a.Until, Test: a.Test}
}

// ask takes an action that a person asks for, which is their yes to it.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, by caller) {
	want, err := decodeBody[ActionRequest](w, r)
	if err = cmp.Or(err, want.problem()); err != nil {
		fail(w, http.StatusBadRequest, err, nil)
		return
	}
	word := by.word(want.Reason)
	s.log.Info("request", "audit", true, "who", by.name, "method", r.Method, "kind", want.Kind.String(), "vm", want.VM, "to", want.To, "pool", want.Pool, "host", want.Host)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), rehearsalTimeout) // the person may be cut off; what they said counts
	defer cancel()
	j, err := s.board.Rehearse(ctx, time.Now().Truncate(time.Second))
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	rec, err := plan.Ask(j.Snapshot, want.action(), why(word), s.board.Policy().Plan, word.At)
	if err != nil {
		fail(w, http.StatusConflict, err, nil)
		return
	}
	c, err := s.desk.Request(ctx, rec, word)
	if err != nil {
		fail(w, statusOf(err), err, &c)
		return
	}
	answer(w, c)
}

// why is the reason for an action that somebody asks for.
func why(word cluster.Approval) string {
	if word.Reason == "" {
		return word.Who + " asked for it"
	}
	return word.Who + " asked for it: " + word.Reason
}

// Ask asks for an action.
func (c *Client) Ask(ctx context.Context, a ActionRequest) (cluster.Case, error) {
	var out cluster.Case
	err := c.do(ctx, http.MethodPost, "/api/v1/actions", nil, a, &out)
	return out, err
}

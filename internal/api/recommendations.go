package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Decision is the body of an approval or a rejection. It may be left out.
type Decision struct {
	Reason string `json:"reason,omitempty"`
}

// Postponement is the body of a snooze.
type Postponement struct {
	Reason string `json:"reason,omitempty"`
	// Until is what the recommendation is put off to.
	Until time.Time `json:"until"`
}

func (s *Server) recommendations(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	if state != "" && state != "all" && !slices.Contains(cluster.CaseStates(), state) {
		fail(w, http.StatusBadRequest, fmt.Errorf("state: %q is none; use all or one of %s", state, strings.Join(cluster.CaseStates(), ", ")), nil)
		return
	}
	limit, ok := limitOf(w, r, math.MaxInt)
	if !ok {
		return
	}
	list := s.desk.List(func(c cluster.Case) bool {
		return state == "all" || state == c.State.String() || state == "" && c.State.Unsettled()
	})
	answer(w, orEmpty(list[:min(limit, len(list))]))
}

func (s *Server) recommendation(w http.ResponseWriter, r *http.Request) {
	c, err := s.desk.Case(r.PathValue("id"))
	if err != nil {
		fail(w, http.StatusNotFound, err, nil)
		return
	}
	answer(w, c)
}

func (s *Server) approve(w http.ResponseWriter, r *http.Request, by caller) {
	d, err := decodeBody[Decision](w, r)
	decide(w, d.Reason, err, func() (cluster.Case, error) {
		// The person's request may be cut off; the decision is taken all the same.
		return s.desk.Approve(context.WithoutCancel(r.Context()), r.PathValue("id"), by.word(d.Reason))
	})
}

func (s *Server) reject(w http.ResponseWriter, r *http.Request, by caller) {
	d, err := decodeBody[Decision](w, r)
	decide(w, d.Reason, err, func() (cluster.Case, error) {
		return s.desk.Reject(r.PathValue("id"), by.word(d.Reason))
	})
}

func (s *Server) snooze(w http.ResponseWriter, r *http.Request, by caller) {
	p, err := decodeBody[Postponement](w, r)
	if err == nil && p.Until.IsZero() {
		err = errors.New("until: is missing; say until when it is put off")
	}
	decide(w, p.Reason, err, func() (cluster.Case, error) {
		return s.desk.Snooze(r.PathValue("id"), by.word(p.Reason), p.Until)
	})
}

// decide has a decision taken, unless what was sent makes no sense, and answers with the case as it then stands.
func decide(w http.ResponseWriter, reason string, sent error, say func() (cluster.Case, error)) {
	if err := cmp.Or(sent, tooLong(reason)); err != nil {
		fail(w, http.StatusBadRequest, err, nil)
		return
	}
	c, err := say()
	switch {
	case errors.Is(err, actuator.ErrNotFound):
		fail(w, statusOf(err), err, nil)
	case err != nil:
		fail(w, statusOf(err), err, &c)
	default:
		answer(w, c)
	}
}

// statusOf is the HTTP status of an error of the desk.
func statusOf(err error) int {
	switch {
	case errors.Is(err, actuator.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, actuator.ErrNotOpen), errors.Is(err, actuator.ErrRefused):
		return http.StatusConflict
	}
	return http.StatusServiceUnavailable
}

// maxReason is how long a person's reason may be, in characters.
const maxReason = 1000

func tooLong(reason string) error {
	if n := utf8.RuneCountInString(reason); n > maxReason {
		return fmt.Errorf("reason: is %d characters long, the most is %d", n, maxReason)
	}
	return nil
}

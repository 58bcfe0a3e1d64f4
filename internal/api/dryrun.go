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

// DryRun is what would come of an action if somebody asked for it now.
type DryRun struct {
	// Recommendation is what would be done. It is on no list, and its ID means nothing to the server.
	Recommendation cluster.Recommendation `json:"recommendation"`
	// Verdicts are the gates' answers; empty for maintenance, which is an order: the gates are asked about each move.
	Verdicts []cluster.Verdict `json:"verdicts"`
	// Moves would empty the host, where that is what is asked for.
	Moves []plan.Step `json:"moves"`
	// Stay says which VM cannot leave the host and why, Reserve what the cluster would run short of without it.
	Stay    string `json:"stay,omitempty"`
	Reserve string `json:"reserve,omitempty"`
}

// tryOut tells what would come of an action. Nothing comes of asking.
func (s *Server) tryOut(w http.ResponseWriter, r *http.Request, by caller) {
	want, err := decodeBody[ActionRequest](w, r)
	if err = cmp.Or(err, want.sense()); err != nil {
		fail(w, http.StatusBadRequest, err, nil)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), rehearsalTimeout)
	defer cancel()
	j, err := s.board.Rehearse(ctx, time.Now().Truncate(time.Second))
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	word, policy := by.word(want.Reason), s.board.Policy().Plan
	out := DryRun{Verdicts: []cluster.Verdict{}, Moves: []plan.Step{}}
	if out.Recommendation, err = plan.Ask(j.Snapshot, want.action(), why(word), policy, word.At); err != nil {
		fail(w, http.StatusConflict, err, nil)
		return
	}
	if want.Kind == cluster.Maintenance || want.Kind == cluster.Standby {
		rest := plan.MayRest(j.Snapshot, want.Host, policy)
		out.Moves, out.Stay, out.Reserve = append(out.Moves, rest.Moves...), rest.Stay, rest.Reserve
	}
	if want.Kind != cluster.Maintenance {
		for _, v := range s.desk.Try(ctx, out.Recommendation, &word) {
			if v.Gate == cluster.ApprovalGate && v.Pass {
				v.Detail = "who asks for it says yes to it"
			}
			out.Verdicts = append(out.Verdicts, v)
		}
	}
	answer(w, out)
}

// sense is what makes no sense about a dry run, or nil. Other than an action it can be about maintenance.
func (a ActionRequest) sense() error {
	if a.Kind != cluster.Maintenance {
		return a.problem()
	}
	if a.Host == "" {
		return errors.New("host: is missing; name the host that is to be emptied")
	}
	if a.VM != "" || a.To != "" || a.Pool != "" || a.Test || !a.Until.IsZero() {
		return fmt.Errorf("vm, to, pool, test, until: a dry run of %s takes the host alone", a.Kind)
	}
	return tooLong(a.Reason)
}

// DryRun asks what would come of an action.
func (c *Client) DryRun(ctx context.Context, a ActionRequest) (DryRun, error) {
	var out DryRun
	err := c.do(ctx, http.MethodPost, "/api/v1/actions/dry-run", nil, a, &out)
	return out, err
}

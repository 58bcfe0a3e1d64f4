package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func (h *house) Runbooks() []string {
	if errors.Is(h.decide, actuator.ErrNotFound) {
		return nil
	}
	return []string{"x"}
}

// Runs are one, with everything in it.
func (h *house) Runs() []cluster.Run { return []cluster.Run{filled[cluster.Run](), {ID: "older"}} }

func (h *house) Begin(_ context.Context, runbook, vm, host string, dryRun bool, who string) (cluster.Run, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, fmt.Sprintf("%s %s %s %t %s", runbook, vm, host, dryRun, who))
	run := cluster.Run{ID: "r", Runbook: runbook, By: who}
	if errors.Is(h.decide, actuator.ErrNotOpen) {
		run.State, run.Reason = cluster.RunRefused, h.decide.Error()
		return run, nil
	}
	return run, h.decide
}

func TestRunsAreShownAndBegun(t *testing.T) {
	h := &house{}
	s, srv := serve(t, h, nil)
	c, ctx := api.NewClient(srv.URL, secret, nil), context.Background()
	if runs, err := c.Runs(ctx, 1); err != nil || len(runs) != 1 || runs[0].Alert["alertname"] != "VMDown" {
		t.Errorf("%v %+v", err, runs)
	}
	if run, err := c.BeginRun(ctx, api.RunRequest{Runbook: "x", VM: "web1", Host: "h1", DryRun: true}); err != nil || run.By != "alice" || h.said[0] != "x web1 h1 true alice" {
		t.Errorf("%v %+v %q", err, run, h.said)
	}
	if _, err := c.BeginRun(ctx, api.RunRequest{Runbook: "y"}); err == nil || !strings.Contains(err.Error(), `there is no runbook "y"; there are x`) {
		t.Error(err)
	}
	if got := status(t, s, "POST", "/api/v1/runs", secret+"bob", `{"runbook": "x"}`); got != http.StatusForbidden {
		t.Errorf("an approver begins a run: %d", got)
	}
	without := api.New(h, h, "1", nil, slog.New(slog.DiscardHandler))
	without.Configure(api.Access{Tokens: []api.Token{{Name: "alice", Secret: secret, Role: api.Operator}}, Anonymous: api.Viewer}, cluster.LevelManual)
	if got := status(t, without, "GET", "/api/v1/runs", "", ""); got != http.StatusOK {
		t.Errorf("without runbooks: %d", got)
	}
	if got := status(t, without, "POST", "/api/v1/runs", secret, `{"runbook": "x"}`); got != http.StatusNotFound {
		t.Errorf("without runbooks: %d", got)
	}
}

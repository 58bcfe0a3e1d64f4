package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Runner is where runbooks run.
type Runner interface {
	// Runs lists the runs, the newest first.
	Runs() []cluster.Run
	Runbooks() []string
	// Begin begins a run by hand. One that must not begin comes back refused; the error says what is out of reach.
	Begin(ctx context.Context, runbook, vm, host string, dryRun bool, who string) (cluster.Run, error)
}

// RunRequest is the body of a run that a person begins.
type RunRequest struct {
	Runbook string `json:"runbook"`
	// VM is a UUID, or a name that only one has; Host is a host. What the runbook is done to is named by one of them, or both.
	VM     string `json:"vm,omitempty"`
	Host   string `json:"host,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
}

// SetRunner tells the server where runbooks run.
func (s *Server) SetRunner(r Runner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runner = r
}

// running returns the runner, or one that knows nothing.
func (s *Server) running() Runner {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runner == nil {
		return idle{}
	}
	return s.runner
}

// idle stands in where there are no runbooks.
type idle struct{}

func (idle) Runs() []cluster.Run { return nil }
func (idle) Runbooks() []string  { return nil }
func (idle) Begin(context.Context, string, string, string, bool, string) (cluster.Run, error) {
	return cluster.Run{}, errors.New("this server runs no runbooks")
}

func (s *Server) runs(w http.ResponseWriter, r *http.Request) {
	limit, ok := limitOf(w, r, usualHistory)
	if !ok {
		return
	}
	list := s.running().Runs()
	if list == nil {
		list = []cluster.Run{}
	}
	answer(w, list[:min(limit, len(list))])
}

func (s *Server) beginRun(w http.ResponseWriter, r *http.Request, by caller) {
	want, err := decodeBody[RunRequest](w, r)
	if err == nil && want.Runbook == "" {
		err = errors.New("runbook: is missing; name the runbook")
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err, nil)
		return
	}
	runner := s.running()
	if names := runner.Runbooks(); !slices.Contains(names, want.Runbook) {
		fail(w, http.StatusNotFound, fmt.Errorf("there is no runbook %q; there are %s", want.Runbook, cmp.Or(strings.Join(names, ", "), "none")), nil)
		return
	}
	s.log.Info("run", "audit", true, "who", by.name, "method", r.Method, "runbook", want.Runbook, "vm", want.VM, "host", want.Host, "dry_run", want.DryRun)
	run, err := runner.Begin(context.WithoutCancel(r.Context()), want.Runbook, want.VM, want.Host, want.DryRun, by.name)
	switch {
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err, nil)
	case run.State == cluster.RunRefused:
		fail(w, http.StatusConflict, errors.New(run.Reason), nil)
	default:
		answer(w, run)
	}
}

// Runs lists the runs of runbooks, the newest first.
func (c *Client) Runs(ctx context.Context, limit int) ([]cluster.Run, error) {
	return get[[]cluster.Run](ctx, c, "/api/v1/runs", url.Values{"limit": {strconv.Itoa(limit)}})
}

// BeginRun begins a run by hand.
func (c *Client) BeginRun(ctx context.Context, want RunRequest) (cluster.Run, error) {
	var out cluster.Run
	err := c.do(ctx, http.MethodPost, "/api/v1/runs", nil, want, &out)
	return out, err
}

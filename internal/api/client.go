package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// maxAnswer is the longest answer that the client reads: a snapshot of a very large cluster.
const maxAnswer = 256 << 20

// Client asks a server.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// NewClient returns a client for the server at the URL. The token may be empty for reading, and the
// transport nil for the usual one.
func NewClient(base, token string, transport http.RoundTripper) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), token: token, http: &http.Client{Timeout: 90 * time.Second, Transport: transport}}
}

// RefusedError is the server's no, with the case as it stands where it is about one.
type RefusedError struct {
	Status  int
	Problem Problem
}

func (e *RefusedError) Error() string { return e.Problem.Error }

// Status asks how the server does.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return get[Status](ctx, c, "/api/v1/status", nil)
}

// Board asks for the newest judgement.
func (c *Client) Board(ctx context.Context) (analyzer.Judgement, error) {
	return get[analyzer.Judgement](ctx, c, "/api/v1/board", nil)
}

// Recommendations lists cases by state: "" for those that wait or run, "all", or one state's name.
func (c *Client) Recommendations(ctx context.Context, state string) ([]cluster.Case, error) {
	return get[[]cluster.Case](ctx, c, "/api/v1/recommendations", url.Values{"state": {state}})
}

// Recommendation asks for one case.
func (c *Client) Recommendation(ctx context.Context, id string) (cluster.Case, error) {
	return get[cluster.Case](ctx, c, "/api/v1/recommendations/"+url.PathEscape(id), nil)
}

// Approve says yes to the recommendation.
func (c *Client) Approve(ctx context.Context, id, reason string) (cluster.Case, error) {
	return c.decide(ctx, id, "approve", Decision{Reason: reason})
}

// Reject says no to the recommendation.
func (c *Client) Reject(ctx context.Context, id, reason string) (cluster.Case, error) {
	return c.decide(ctx, id, "reject", Decision{Reason: reason})
}

func (c *Client) decide(ctx context.Context, id, word string, body any) (cluster.Case, error) {
	var out cluster.Case
	err := c.do(ctx, http.MethodPost, "/api/v1/recommendations/"+url.PathEscape(id)+"/"+word, nil, body, &out)
	return out, err
}

// History lists cases that ended, the newest first.
func (c *Client) History(ctx context.Context, about string, limit int) ([]cluster.Case, error) {
	return get[[]cluster.Case](ctx, c, "/api/v1/history", url.Values{"limit": {strconv.Itoa(limit)}, "about": {about}})
}

// Where asks where a VM is or was; the zero time means now, an empty key all VMs.
func (c *Client) Where(ctx context.Context, key string, at time.Time) ([]Place, error) {
	q := timed(at)
	q.Set("vm", key)
	return get[[]Place](ctx, c, "/api/v1/where", q)
}

// Plan asks for the plan as of a time; the zero time means now.
func (c *Client) Plan(ctx context.Context, at time.Time) (plan.Plan, error) {
	return get[plan.Plan](ctx, c, "/api/v1/plan", timed(at))
}

// Explain asks why what is advised for a VM or host is advised, or why nothing is; the zero time means now.
func (c *Client) Explain(ctx context.Context, subject string, at time.Time) (plan.Explanation, error) {
	q := timed(at)
	q.Set("subject", subject)
	return get[plan.Explanation](ctx, c, "/api/v1/explain", q)
}

// Place asks where a VM should start; ignoreAdmission also where that breaks what the cluster is to survive.
func (c *Client) Place(ctx context.Context, vm cluster.VM, ignoreAdmission bool) (plan.Placement, error) {
	b, err := json.Marshal(vm)
	if err != nil {
		return plan.Placement{}, fmt.Errorf("write the VM: %w", err)
	}
	q := url.Values{"vm": {string(b)}}
	if ignoreAdmission {
		q.Set("ignore_admission", "true")
	}
	return get[plan.Placement](ctx, c, "/api/v1/place", q)
}

// Snapshot asks for the snapshot file as of a time; the zero time means now.
func (c *Client) Snapshot(ctx context.Context, at time.Time) ([]byte, error) {
	raw, err := get[json.RawMessage](ctx, c, "/api/v1/snapshot", timed(at))
	return raw, err
}

// Reload has the server read its configuration file again.
func (c *Client) Reload(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/-/reload", nil, nil, nil)
}

func timed(at time.Time) url.Values {
	q := url.Values{}
	if !at.IsZero() {
		q.Set("at", at.Format(time.RFC3339))
	}
	return q
}

func get[T any](ctx context.Context, c *Client, path string, q url.Values) (T, error) {
	var out T
	err := c.do(ctx, http.MethodGet, path, q, nil, &out)
	return out, err
}

// Page returns what the server has at the path, as it stands there: JSON, or a page of metrics.
func (c *Client) Page(ctx context.Context, path string, q url.Values) ([]byte, error) {
	target := c.target(path, q)
	status, b, err := c.send(ctx, http.MethodGet, target, nil)
	if err != nil || status == http.StatusOK {
		return b, err
	}
	return nil, decode(status, b, nil, target)
}

func (c *Client) do(ctx context.Context, method, path string, q url.Values, body, out any) error {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("write the request: %w", err)
		}
		sent = bytes.NewReader(b)
	}
	target := c.target(path, q)
	status, b, err := c.send(ctx, method, target, sent)
	if err != nil {
		return err
	}
	return decode(status, b, out, target)
}

func (c *Client) target(path string, q url.Values) string {
	if len(q) == 0 {
		return c.base + path
	}
	return c.base + path + "?" + q.Encode()
}

func (c *Client) send(ctx context.Context, method, target string, body io.Reader) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", c.base, err)
	}
	if c.token != "" {
		req.Header.Set(TokenHeader, c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return 0, nil, fmt.Errorf("no server at %s (%w); is it running? name another with --server", c.base, err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read to its end or is given up
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	return resp.StatusCode, b, nil
}

func decode(status int, b []byte, out any, target string) error {
	if status != http.StatusOK {
		refused := &RefusedError{Status: status}
		if err := json.Unmarshal(b, &refused.Problem); err != nil || refused.Problem.Error == "" {
			return fmt.Errorf("%s answers with status %d and no explanation; is it an evenkeel server?", target, status)
		}
		return refused
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%s answers with something else than expected: %w", target, err)
	}
	return nil
}

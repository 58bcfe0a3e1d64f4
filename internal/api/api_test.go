package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

const secret = "0123456789abcdef0123456789"

func at() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }

// house is a board and a desk with one recommendation.
type house struct {
	mu       sync.Mutex
	boardErr error
	cases    []cluster.Case
	said     []string
	decide   error
	asked    time.Time
	standing cluster.Orders
	stops    []cluster.Verdict

	// What follows is shown in place of the little that a house holds by itself.
	board, judged *analyzer.Judgement
	policy        analyzer.Policy
	promises      []cluster.Promise
	trusted       []trust.Standing
	verdicts      []cluster.Verdict
}

func (h *house) judgement() analyzer.Judgement {
	return analyzer.Judge([]cluster.Snapshot{{Cluster: "prod", At: at(), Hosts: []cluster.Host{{ID: "h1"}, {ID: "h2"}},
		VMs:  []cluster.VM{{ID: "1111", Name: "web1", Host: "h1", State: cluster.VMRunning}, {ID: "2222", Name: "web2", Host: "h2", State: cluster.VMRunning}},
		Gaps: []cluster.Gap{{Subject: "vm/2222", Reason: "in flight"}}}}, analyzer.Policy{})
}

func (h *house) Board() (analyzer.Judgement, error) {
	if h.boardErr != nil {
		return analyzer.Judgement{}, h.boardErr
	}
	if h.board != nil {
		return *h.board, nil
	}
	return h.judgement(), nil
}

func (h *house) Policy() analyzer.Policy { return h.policy }

func (h *house) Rehearse(_ context.Context, t time.Time) (analyzer.Judgement, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = t
	if h.judged != nil {
		return *h.judged, h.boardErr
	}
	return h.judgement(), h.boardErr
}

func (h *house) List(want func(cluster.Case) bool) []cluster.Case {
	var list []cluster.Case
	for _, c := range h.cases {
		if want(c) {
			list = append(list, c)
		}
	}
	return list
}

func (h *house) Counts() map[cluster.CaseState]int {
	n := map[cluster.CaseState]int{}
	for _, c := range h.cases {
		n[c.State]++
	}
	return n
}

func (h *house) Case(id string) (cluster.Case, error) {
	for _, c := range h.cases {
		if c.Recommendation.ID == id {
			return c, nil
		}
	}
	return cluster.Case{}, fmt.Errorf("%s: %w", id, actuator.ErrNotFound)
}

func (h *house) say(word, id string, a cluster.Approval) (cluster.Case, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, strings.Join([]string{word, id, a.Who, a.Via, a.Reason}, " "))
	c, err := h.Case(id)
	if err == nil {
		err = h.decide
	}
	return c, err
}

func (h *house) Approve(_ context.Context, id string, a cluster.Approval) (cluster.Case, error) {
	return h.say("approve", id, a)
}

func (h *house) Reject(id string, a cluster.Approval) (cluster.Case, error) {
	return h.say("reject", id, a)
}

func (h *house) Snooze(id string, a cluster.Approval, until time.Time) (cluster.Case, error) {
	a.Reason += "until " + until.UTC().Format(time.RFC3339)
	return h.say("snooze", id, a)
}

func (h *house) Gates(_ context.Context, id string) ([]cluster.Verdict, error) {
	_, err := h.Case(id)
	if h.verdicts != nil {
		return h.verdicts, err
	}
	return []cluster.Verdict{{Gate: "level", Pass: true}}, err
}

func (h *house) Request(_ context.Context, r cluster.Recommendation, a cluster.Approval) (cluster.Case, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, strings.Join([]string{"request", r.Action.String(), a.Who, a.Via, a.Reason}, " "))
	return cluster.Case{Recommendation: r, State: cluster.CaseApproved, Approval: &a, Updated: a.At}, h.decide
}

func (h *house) Try(_ context.Context, r cluster.Recommendation, word *cluster.Approval) []cluster.Verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, strings.Join([]string{"try", r.Action.String(), word.Who, word.Via, word.Reason}, " "))
	return append([]cluster.Verdict{}, h.verdicts...)
}

func (h *house) Orders() cluster.Orders { return h.standing }

func (h *house) Stops() []cluster.Verdict { return h.stops }

func (h *house) Order(o cluster.Order) error {
	return h.heard("order", o)
}

func (h *house) Lift(o cluster.Order) error {
	return h.heard("lift", o)
}

func (h *house) heard(what string, o cluster.Order) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, strings.Join([]string{what, o.ID(), "abc", o.Word.Who, o.Word.Via, o.Word.Reason}, " "))
	return h.decide
}

func (h *house) Promises() []cluster.Promise {
	if h.promises != nil {
		return h.promises
	}
	return []cluster.Promise{{ID: "older", At: at()}, {ID: "newer", At: at().Add(time.Hour), Kept: true}}
}

func (h *house) Standings() []trust.Standing {
	if h.trusted != nil {
		return h.trusted
	}
	return []trust.Standing{{Policy: "balance", Level: cluster.LevelManual, Wants: "more"}}
}

// The errors of a desk.
func errNotOpen() error  { return fmt.Errorf("%w: it was approved by alice", actuator.ErrNotOpen) }
func errNotFound() error { return fmt.Errorf("x: %w", actuator.ErrNotFound) }
func errDisk() error     { return errors.New("write the journal: no space left on device") }

func serve(t testing.TB, h *house, reload func() error) (*api.Server, *httptest.Server) {
	t.Helper()
	if h.cases == nil {
		h.cases = []cluster.Case{
			{Recommendation: cluster.Recommendation{ID: "abc", Action: cluster.Action{Kind: cluster.Migrate, VM: "1111", Name: "web1", From: "h1", To: "h2"}}},
			{Recommendation: cluster.Recommendation{ID: "old"}, State: cluster.CaseDone, Updated: at(), Outcome: &cluster.Outcome{Result: cluster.ResultDone}},
			{Recommendation: cluster.Recommendation{ID: "older"}, State: cluster.CaseFailed, Updated: at().Add(-time.Hour)},
			{Recommendation: cluster.Recommendation{ID: "gone"}, State: cluster.CaseWithdrawn},
		}
	}
	s := api.New(h, h, "1.2.3", reload, slog.New(slog.DiscardHandler))
	s.Configure(api.Access{Anonymous: api.Viewer, Certificates: map[string]api.Role{"carol": api.Approver}, Tokens: []api.Token{
		{Name: "alice", Secret: secret, Role: api.Admin}, {Name: "bob", Secret: secret + "bob", Role: api.Approver}, {Name: "eve", Secret: secret + "eve", Role: api.Viewer}}}, cluster.LevelManual)
	s.SetRunner(h)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv
}

func TestTheClientSeesWhatTheServerHolds(t *testing.T) {
	h := &house{}
	_, srv := serve(t, h, nil)
	c, ctx := api.NewClient(srv.URL, secret, nil), context.Background()
	if s, err := c.Status(ctx); err != nil || s.Cluster != "prod" || s.Level != cluster.LevelManual || s.Open != 1 || s.Version != "1.2.3" || len(s.Gaps) != 1 {
		t.Errorf("status: %v %+v", err, s)
	}
	if b, err := c.Board(ctx); err != nil || len(b.Snapshot.VMs) != 2 {
		t.Errorf("board: %v %+v", err, b)
	}
	for state, want := range map[string]int{"": 1, "open": 1, "all": 4, "done": 1, "rejected": 0} {
		if got, err := c.Recommendations(ctx, state); err != nil || len(got) != want {
			t.Errorf("state %q: %v, %d cases, want %d", state, err, len(got), want)
		}
	}
	if got, err := c.History(ctx, "", 10); err != nil || len(got) != 2 || got[0].Recommendation.ID != "old" {
		t.Errorf("history: %v %+v", err, got)
	}
	if got, err := c.History(ctx, "", 1); err != nil || len(got) != 1 {
		t.Errorf("history of one: %v %+v", err, got)
	}
	if p, err := c.Plan(ctx, at()); err != nil || p.StoppedBecause == "" || !h.asked.Equal(at()) {
		t.Errorf("plan as of %v: %v %+v", h.asked, err, p)
	}
	b, err := c.Snapshot(ctx, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := cluster.DecodeSnapshot(b); err != nil || s.Cluster != "prod" {
		t.Errorf("snapshot: %v %+v", err, s)
	}
	if got, err := c.Where(ctx, "web1", time.Time{}); err != nil || len(got) != 1 || got[0].Host != "h1" {
		t.Errorf("where: %v %+v", err, got)
	}
	if got, err := c.Where(ctx, "", time.Time{}); err != nil || len(got) != 2 || got[1].Gap != "in flight" {
		t.Errorf("where all: %v %+v", err, got)
	}
	if _, err := c.Where(ctx, "nobody", time.Time{}); err == nil || !strings.Contains(err.Error(), `no VM has the name or UUID "nobody"`) {
		t.Errorf("where nobody: %v", err)
	}
}

func TestDecisionsBearTheNameOfTheToken(t *testing.T) {
	h := &house{}
	_, srv := serve(t, h, nil)
	ctx := context.Background()
	if _, err := api.NewClient(srv.URL, secret, nil).Approve(ctx, "abc", "looks good"); err != nil {
		t.Error(err)
	}
	if _, err := api.NewClient(srv.URL, secret+"bob", nil).Reject(ctx, "abc", ""); err != nil {
		t.Error(err)
	}
	if got := strings.Join(h.said, "|"); got != "approve abc alice api looks good|reject abc bob api " {
		t.Errorf("heard %q", got)
	}
}

func TestNobodyChangesStateWithoutAToken(t *testing.T) {
	h := &house{}
	_, srv := serve(t, h, func() error { t.Error("reloaded"); return nil })
	for _, token := range []string{"", "guess", secret[:len(secret)-1], secret + "x"} {
		c := api.NewClient(srv.URL, token, nil)
		_, approve := c.Approve(context.Background(), "abc", "")
		_, reject := c.Reject(context.Background(), "abc", "")
		for _, err := range []error{approve, reject} {
			var r *api.RefusedError
			if !errors.As(err, &r) || r.Status != http.StatusUnauthorized {
				t.Errorf("token %q: %v", token, err)
			}
		}
	}
	resp, err := http.Post(srv.URL+"/-/reload", "", nil)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("reload: %v %v", err, resp.Status)
	}
	if len(h.said) > 0 {
		t.Errorf("heard %q", h.said)
	}
}

func TestEveryNoHasItsStatusAndReason(t *testing.T) {
	for name, c := range map[string]struct {
		decide error
		id     string
		status int
	}{
		"unknown": {nil, "nonsense", http.StatusNotFound},
		"closed":  {fmt.Errorf("%w: it was approved by alice", actuator.ErrNotOpen), "abc", http.StatusConflict},
		"refused": {fmt.Errorf("%w: freshness: too old", actuator.ErrRefused), "abc", http.StatusConflict},
		"journal": {errors.New("write the journal: no space left on device"), "abc", http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			_, srv := serve(t, &house{decide: c.decide}, nil)
			_, err := api.NewClient(srv.URL, secret, nil).Approve(context.Background(), c.id, "")
			var r *api.RefusedError
			if !errors.As(err, &r) || r.Status != c.status || c.decide != nil && r.Error() != c.decide.Error() {
				t.Errorf("%v", err)
			}
			if c.status == http.StatusConflict && (r.Problem.Case == nil || r.Problem.Case.Recommendation.ID != "abc") {
				t.Errorf("the case does not come with the no: %+v", r.Problem)
			}
		})
	}
}

func TestBadRequestsAreToldWhatIsWrong(t *testing.T) {
	_, srv := serve(t, &house{}, nil)
	for path, want := range map[string]string{
		"/api/v1/recommendations?state=weird":                  `state: \"weird\" is none`,
		"/api/v1/history?limit=0":                              "limit:",
		"/api/v1/history?limit=many":                           "limit:",
		"/api/v1/plan?at=yesterday":                            `at: \"yesterday\" is no time`,
		"/api/v1/nothing":                                      "there is no GET /api/v1/nothing",
		"/api/v1/recommendations/x":                            "no such recommendation",
		"/api/v1/recommendations/" + strings.Repeat("x", 5000): "no such recommendation",
	} {
		resp, err := http.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(resp.Body); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode < 400 || resp.StatusCode >= 500 || !strings.Contains(b.String(), want) {
			t.Errorf("%s: %s %s", path, resp.Status, b.String())
		}
	}
}

func TestReadiness(t *testing.T) {
	h := &house{boardErr: errors.New("connection refused")}
	_, srv := serve(t, h, nil)
	for _, step := range []struct {
		err   error
		board *analyzer.Judgement
		plan  int
	}{{h.boardErr, nil, 503}, {nil, &analyzer.Judgement{}, 200}} { // it failed, and it is under way
		h.boardErr, h.board = step.err, step.board
		for path, want := range map[string]int{"/-/healthy": 200, "/-/ready": 503, "/api/v1/board": 503, "/api/v1/plan": step.plan} {
			if resp, err := http.Get(srv.URL + path); err != nil || resp.StatusCode != want {
				t.Errorf("%v: %s: %v %v, want %d", step.err, path, err, resp.Status, want)
			}
		}
	}
	h.board = nil
	if resp, err := http.Get(srv.URL + "/-/ready"); err != nil || resp.StatusCode != 200 {
		t.Errorf("ready: %v %v", err, resp.Status)
	}
}

func TestReload(t *testing.T) {
	result := errors.New("evenkeel.yml:3: hosts: is empty")
	_, srv := serve(t, &house{}, func() error { return result })
	post := func() *http.Response {
		req, err := http.NewRequest(http.MethodPost, srv.URL+"/-/reload", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+secret)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	if resp := post(); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a bad file: %s", resp.Status)
	}
	if result = nil; post().StatusCode != http.StatusOK {
		t.Error("a good file is refused")
	}
}

func TestTheClientSaysWhatIsWrongWithAServer(t *testing.T) {
	if _, err := api.NewClient("http://127.0.0.1:1", "", nil).Status(context.Background()); err == nil || !strings.Contains(err.Error(), "no server at http://127.0.0.1:1") {
		t.Errorf("%v", err)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	if _, err := api.NewClient(other.URL, "", nil).Status(context.Background()); err == nil || !strings.Contains(err.Error(), "is it an evenkeel server?") {
		t.Errorf("%v", err)
	}
}

// FuzzRequests sends hostile requests: whatever comes, the answer is a JSON object or array, never
// a crash, and nothing is decided without a token.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "/api/v1/recommendations/abc/approve", "", `{"reason": "x"}`, true)
	f.Add("POST", "/api/v1/recommendations/abc/approve", "", `{"reason": 1}`, true)
	f.Add("POST", "/api/v1/recommendations/abc/reject", "", `{"who": "root"}`, true)
	f.Add("POST", "/api/v1/recommendations/../approve", "", strings.Repeat("[", 10000), true)
	f.Add("GET", "/api/v1/where", "vm=%00&at=2026-11-22T10:00:00Z", "", false)
	f.Add("GET", "/api/v1/history", "limit=-1", "", false)
	f.Add("DELETE", "/api/v1/recommendations", "state=open", "", false)
	f.Add("POST", "/api/v1/orders", "", `{"kind": "pause", "subject": "vm/web1"}`, true)
	f.Add("POST", "/api/v1/orders", "", `{"kind": "approve", "subject": "cluster", "policy": "balance", "until": "2099-01-01T00:00:00Z", "reason": "x"}`, true)
	f.Add("DELETE", "/api/v1/orders", "", `{"kind": "pause", "subject": "cluster", "until": null}`, true)
	f.Add("POST", "/-/reload", "", `{}`, true)
	f.Add("GET", "/api/v1/place", `vm={"id":"new","vcpus":2,"memory_bytes":1073741824,"dirty_bytes_per_second":null}`, "", false)
	f.Add("GET", "/api/v1/place", `vm={"id":"new","vcpus":-1,"memory_bytes":1e30}`, "", false)
	f.Add("GET", "/api/v1/explain", "subject=web1&at=0001-01-01T00:00:00Z", "", false)
	f.Add("GET", "/api/v1/journal/verify", "head=18446744073709551616:00", "", false)
	f.Add("GET", "/api/v1/recommendations", "state=all&limit=1001", "", false)
	f.Add("DELETE", "/api/v1/orders", "", `{"kind": "approve", "subject": "host/h1", "policy": "balance", "until": "2026-11-22T10:00:00Z"}`, true)
	f.Add("POST", "/api/v1/recommendations/abc/snooze", "", `{"until": "2099-01-01T00:00:00Z", "reason": "later"}`, true)
	f.Add("POST", "/api/v1/recommendations/abc/snooze", "", `{"until": "tomorrow"}`, true)
	h := &house{}
	s, _ := serve(f, h, func() error { return nil })
	s.SetLedger(&ledger{})
	f.Fuzz(func(t *testing.T, method, path, query, body string, token bool) {
		req, err := http.NewRequest(method, "http://x/", strings.NewReader(body))
		if err != nil {
			return // no HTTP method
		}
		req.URL.Path, req.URL.RawQuery = path, query
		if token {
			req.Header.Set("Authorization", "Bearer "+secret)
		}
		h.mu.Lock()
		h.said = nil
		h.mu.Unlock()
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if w.Code >= 500 {
			t.Errorf("%s %s?%s with %q answers %d %s", method, path, query, body, w.Code, w.Body)
		}
		if !token && len(h.said) > 0 {
			t.Errorf("decided without a token: %q", h.said)
		}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s answers with broken JSON: %s", method, path, w.Body)
		}
	})
}

// A plan of now is of an instant of which everything has come in, so that it can be had again; where a VM is, is wanted as of now.
func TestNowIsWhatCanBeHadAgain(t *testing.T) {
	h := &house{policy: analyzer.Policy{Delay: time.Minute}}
	s, _ := serve(t, h, nil)
	s.SetPast(past{house: h})
	for path, age := range map[string]time.Duration{"plan": time.Minute, "snapshot": time.Minute, "where": 0} {
		if got := status(t, s, "GET", "/api/v1/"+path, secret, ""); got != 200 {
			t.Fatalf("%s answers %d", path, got)
		}
		if off := time.Since(h.asked) - age; off < 0 || off > 10*time.Second {
			t.Errorf("%s asks for %s", path, h.asked)
		}
	}
}

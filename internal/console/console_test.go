package console_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/actuator/trust"
	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/console"
	"golang.org/x/net/html"
)

// house is a cluster that is seen, and a desk on which one recommendation lies.
type house struct {
	api.Desk
	judged analyzer.Judgement
	mu     sync.Mutex
	cases  []cluster.Case
	said   []string
	orders cluster.Orders
	stops  []cluster.Verdict
	// waiting are the failures about which nothing is done.
	waiting []recovery.Waiting
	name    func(what string) string
	// past is what is known of each subject over time.
	past map[string]cluster.Trends
}

func (h *house) Board() (analyzer.Judgement, error) {
	if h.judged.Snapshot.At.IsZero() {
		return h.judged, errors.New("the first pass has not ended yet")
	}
	return h.judged, nil
}

func (h *house) Rehearse(context.Context, time.Time) (analyzer.Judgement, error) {
	return h.judged, nil
}

func (h *house) Policy() analyzer.Policy {
	return analyzer.Policy{Plan: plan.Policy{Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.9}}}
}

func (h *house) List(want func(cluster.Case) bool) []cluster.Case {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.cases), func(c cluster.Case) bool { return !want(c) })
}

func (h *house) Case(id string) (cluster.Case, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.cases {
		if c.Recommendation.ID == id {
			return c, nil
		}
	}
	return cluster.Case{}, actuator.ErrNotFound
}

func (h *house) say(id, what string, word cluster.Approval, state cluster.CaseState) (cluster.Case, error) {
	c, err := h.Case(id)
	if err != nil {
		return c, err
	}
	if c.State != cluster.CaseOpen {
		return c, actuator.ErrNotOpen
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, fmt.Sprintf("%s %s %s %q", word.Who, what, id, word.Reason))
	h.cases[0].State, h.cases[0].Approval = state, &word
	return h.cases[0], nil
}

func (h *house) Approve(_ context.Context, id string, word cluster.Approval) (cluster.Case, error) {
	return h.say(id, "approve", word, cluster.CaseApproved)
}

func (h *house) Reject(id string, word cluster.Approval) (cluster.Case, error) {
	return h.say(id, "reject", word, cluster.CaseRejected)
}

func (h *house) Snooze(id string, word cluster.Approval, until time.Time) (cluster.Case, error) {
	return h.say(id, "snooze for "+time.Until(until).Round(time.Minute).String(), word, cluster.CaseOpen)
}

func (h *house) Gates(context.Context, string) ([]cluster.Verdict, error) {
	return []cluster.Verdict{{Gate: "freshness", Pass: true, Detail: "seen a second ago"}, {Gate: "budget", Detail: "eight moves were done"}}, nil
}

func (h *house) Try(_ context.Context, r cluster.Recommendation, word *cluster.Approval) []cluster.Verdict {
	return []cluster.Verdict{{Gate: "capacity", Pass: true, Detail: "it fits"}, {Gate: "level", Detail: "nothing may be done to " + r.Action.Subject()}}
}

func (h *house) Request(_ context.Context, r cluster.Recommendation, word cluster.Approval) (cluster.Case, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, fmt.Sprintf("%s asks to %s %q", word.Who, r.Action, word.Reason))
	c := cluster.Case{Recommendation: r, State: cluster.CaseApproved, Approval: &word, Updated: word.At}
	h.cases = append(h.cases, c)
	return c, nil
}

func (h *house) Stops() []cluster.Verdict { return h.stops }

func (h *house) Orders() cluster.Orders {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.orders)
}

func (h *house) Order(o cluster.Order) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.orders = append(h.orders, o)
	return nil
}

func (h *house) Lift(o cluster.Order) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.orders = slices.DeleteFunc(h.orders, func(old cluster.Order) bool { return old.ID() == o.ID() })
	return nil
}

// Versions has two definitions of every VM.
func (h *house) Versions(vm string) ([]cluster.Definition, error) {
	return []cluster.Definition{{VM: vm, Name: h.name("renamed"), Host: h.name("h0000"), At: time.Now(), Version: 2}, {VM: vm, Name: h.name("first"), Host: h.name("h0000"), At: time.Now(), Version: 1}}, nil
}

func (h *house) Standings() []trust.Standing { return nil }

func (h *house) Counts() map[cluster.CaseState]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	unknown := 0
	for _, c := range h.cases {
		if c.State == cluster.CaseUnknown {
			unknown++
		}
	}
	return map[cluster.CaseState]int{cluster.CaseOpen: len(h.cases) - unknown, cluster.CaseUnknown: unknown}
}

// newHouse has hosts, each with two VMs, whose names are made by name, and a recommendation about the first.
func newHouse(hosts int, name func(what string) string) *house { return newHouseOf(hosts, 2, name) }

// newHouseOf has so many VMs on each host.
func newHouseOf(hosts, vms int, name func(what string) string) *house {
	now := time.Now().UTC().Truncate(time.Second)
	s := cluster.Snapshot{Cluster: name("demo"), At: now}
	for i := range hosts {
		host := name(fmt.Sprintf("h%04d", i))
		s.Hosts = append(s.Hosts, cluster.Host{ID: host, State: cluster.HostUp, CPUCores: 16, MemoryBytes: 64 << 30, ReservedCPUCores: 0.5, CPUPressureRatio: cluster.Known(0.36), IOPressureRatio: cluster.Known(0.01), Hypervisor: name("QEMU"), Tags: []string{name("rack")}, FailureDomain: name("row")})
		for j := range vms {
			s.VMs = append(s.VMs, cluster.VM{ID: name(fmt.Sprintf("id-%d-%d", i, j)), Name: name(fmt.Sprintf("web%d-%d", i, j)), Host: host, State: cluster.VMRunning, VCPUs: 4,
				MemoryBytes: 8 << 30, MemoryDemandBytes: 4 << 30, CPUDemandCores: 1 + float64(j%2), Tags: []string{name("tag")}, Movable: i > 0, ImmovableReason: name("it has a local disk"), CPUStealRatio: cluster.Known(0.1)})
		}
	}
	s.Machines = []cluster.Machine{{ID: name("backup1"), State: cluster.HostDown, Reason: name("it is silent")}}
	s.Gaps = []cluster.Gap{{Subject: cluster.HostSubject(s.Hosts[0].ID), Reason: name("its exporter is silent")}}
	s.Rules = []cluster.Rule{{Name: name("apart"), Kind: cluster.VMVMAntiAffinity, Strength: cluster.Must, VMs: []string{s.VMs[0].ID, s.VMs[1].ID}},
		{Name: name("licensed"), Kind: cluster.VMHostAffinity, Strength: cluster.Should, VMs: []string{s.VMs[0].ID}, Hosts: []string{s.Hosts[0].ID}}}
	placement := cluster.NewPlacement(s)
	found := cluster.Finding{Detector: name("imbalance"), Subject: cluster.HostSubject(s.Hosts[0].ID), Reason: name("it stands out"),
		Evidence: []cluster.Evidence{{Name: name("cpu_utilisation"), Value: 0.9, Unit: "ratio", Limit: cluster.Known(0.8), Query: name(`sum(x{a="b"})`)}}}
	j := analyzer.Judgement{Snapshot: s, Loads: append(placement.Loads(), s.Machines[0].Load()), Findings: []cluster.Finding{found, {Detector: "x", Subject: cluster.VMSubject(s.VMs[0].ID), Reason: name("y")}}, Plan: plan.Plan{StoppedBecause: name("enough")}}
	j.Scores, j.Lost = placement.Scores()
	r := cluster.Recommendation{Policy: name("balance"), Priority: 2, Reason: name("takes 2 cores away"), Because: []cluster.Finding{found}, Made: now, Expires: now.Add(time.Hour), PredictedSeconds: 3,
		Action:     cluster.Action{Kind: cluster.Migrate, VM: s.VMs[0].ID, Name: s.VMs[0].Name, From: s.Hosts[0].ID, To: name("to")},
		Candidates: []cluster.Candidate{{Host: name("to"), Reason: name("it has room"), Constraint: name("cpu")}},
		Effects:    []cluster.Effect{{Host: s.Hosts[0].ID, Name: cluster.CPUUtilisation, Before: 1.8, After: 0.9}, {Host: name("to"), Name: cluster.MemoryUtilisation, Before: 0.1, After: 0.2}}}.Identified()
	done := cluster.Case{Recommendation: r, State: cluster.CaseDone, Updated: now, Approval: &cluster.Approval{Who: name("bob"), Via: name("api"), Reason: name("because")},
		Outcome:  &cluster.Outcome{Result: cluster.ResultDone, Reason: name("fine"), Started: now, Finished: now.Add(time.Second), RunsOn: name("to"), Job: cluster.Progress{TotalBytes: 1, TransferredBytes: 1}},
		Measured: &cluster.Measurement{At: now, Effects: r.Effects}, Verdicts: []cluster.Verdict{{Gate: name("world"), Detail: name("it is as it was")}}}
	done.Recommendation.ID = "done"
	gone := cluster.Case{Recommendation: r, State: cluster.CaseWithdrawn, Updated: now}
	gone.Recommendation.ID = "gone"
	return &house{judged: j, name: name, past: pasts(name, s), cases: []cluster.Case{{Recommendation: r, State: cluster.CaseOpen, Updated: now}, done, gone}}
}

func plainly(what string) string { return what }

// people are those who have tokens.
func people() []api.Token {
	return []api.Token{{Name: "vera", Secret: "viewer-token", Role: api.Viewer}, {Name: "anna", Secret: "approver-token", Role: api.Approver}, {Name: "otto", Secret: "operator-token", Role: api.Operator}}
}

// open serves a console of the house, and returns a browser for it.
func open(t testing.TB, h *house, anonymous api.Role) (*httptest.Server, *http.Client, *api.Server) {
	t.Helper()
	s := api.New(h, h, "test", nil, slog.New(slog.DiscardHandler))
	s.SetTrender(h)
	s.SetDefinitions(h)
	s.Configure(api.Access{Anonymous: anonymous, Tokens: people()}, cluster.LevelManual)
	h.remembers(s)
	c, err := console.New(console.Options{API: s, Queries: true, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		srv.Close() // it waits for the streams
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return srv, browser(t), s
}

func browser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func body(t *testing.T, resp *http.Response, err error) (int, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func get(t *testing.T, b *http.Client, address string) (int, string) {
	t.Helper()
	resp, err := b.Get(address)
	return body(t, resp, err)
}

func post(t *testing.T, b *http.Client, address string, pairs ...string) (int, string) {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	resp, err := b.PostForm(address, form)
	return body(t, resp, err)
}

// formToken picks the token out of a page's form.
func formToken(t *testing.T, page string) string {
	t.Helper()
	m := regexp.MustCompile(`name="csrf" value="([0-9a-f]+)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no form with a token:\n%s", page)
	}
	return m[1]
}

func has(t *testing.T, page string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(page, w) {
			t.Errorf("%q is missing:\n%s", w, page)
		}
	}
}

func TestWhoMayReadSeesThePagesAndCannotDecide(t *testing.T) {
	h := newHouse(3, plainly)
	srv, b, _ := open(t, h, api.Viewer)
	id := h.cases[0].Recommendation.ID
	for path, words := range map[string][]string{
		"/":                      {"! 1 of 4 machines is in trouble", "backup1</a>: it is down", "3 recommendations wait for a decision", "Tasks wait for CPU 36 %, disks 1 % of the time", "of it 0.5 its own", `class="own"`, "Score", "h0000", "web0-0", "backup1", "physical machine", "manual", "it stands out", "takes 2 cores away", "The last 24 hours", `href="/vms/id-0-1"`},
		"/?q=H0001":              {"h0001", "Machines"},
		"/recommendations":       {"To be decided", "migrate web0-0 from h0000 to to", "bob"},
		"/recommendations/" + id: {"the role approver; you have viewer", "180 % – over", "freshness", "1 of 2 refuse", "eight moves were done", "/prometheus/api/v1/query?query=sum%28x%7ba%3d%22b%22%7d%29"},
		"/recommendations/done":  {"What became of it", "Score measured", "bob", "was done, and the hypervisors confirm"},
		"/recommendations/gone":  {"not advised any more", "Advised in its place", "/recommendations/" + id},
		"/hosts/h0000":           {"web0-1", "Why it is as it is", "its exporter is silent"},
		"/hosts/backup1":         {"physical machine", "it is silent"},
		"/vms/id-0-0":            {"web0-0", "What it gets", "web0-1", "h0000"},
	} {
		code, page := get(t, b, srv.URL+path)
		if code != http.StatusOK {
			t.Errorf("%s: %d\n%s", path, code, page)
		}
		has(t, page, words...)
		if strings.Contains(page, `value="approve"`) {
			t.Errorf("%s offers to approve", path)
		}
	}
	if _, page := get(t, b, srv.URL+"/?q=H0001"); strings.Contains(page, `href="/hosts/h0002"`) {
		t.Error("the filter lets through what it should not")
	}
	if _, page := get(t, b, srv.URL+"/?state=down"); strings.Contains(page, `class="tile up"`) || !strings.Contains(page, `class="tile down"`) {
		t.Error("the filter by state does not filter")
	}
	for _, path := range []string{"/nope", "/hosts/nope", "/vms/nope", "/recommendations/nope", "/assets/nope.js", "/assets/"} {
		if code, _ := get(t, b, srv.URL+path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestWithoutReadingForAllThePagesAskForAToken(t *testing.T) {
	srv, b, s := open(t, newHouse(1, plainly), api.Nobody)
	for _, path := range []string{"/", "/recommendations", "/hosts/h0000", "/vms/id-0-0", "/map", "/journal", "/autonomy", "/settings"} {
		code, page := get(t, b, srv.URL+path)
		if code != http.StatusUnauthorized || strings.Contains(page, "h0000</a>") || !strings.Contains(page, `name="back" value="`+path+`"`) {
			t.Errorf("%s: %d\n%s", path, code, page)
		}
	}
	if code, page := post(t, b, srv.URL+"/login", "token", "wrong", "back", "/"); code != http.StatusUnauthorized || !strings.Contains(page, "does not know this token") {
		t.Errorf("a wrong token: %d\n%s", code, page)
	}
	if code, _ := post(t, b, srv.URL+"/login", "token", "", "back", "/"); code != http.StatusBadRequest {
		t.Errorf("no token: %d", code)
	}
	code, page := post(t, b, srv.URL+"/login", "token", " viewer-token\n", "back", "/hosts/h0000")
	if code != http.StatusOK || !strings.Contains(page, "vera, viewer") || !strings.Contains(page, "What it carries") {
		t.Errorf("logged in: %d\n%s", code, page)
	}
	if strings.Contains(page, "viewer-token") {
		t.Error("the page has the token in it")
	}
	if code, _ := post(t, b, srv.URL+"/logout", "csrf", "0000"); code != http.StatusForbidden {
		t.Errorf("a foreign logout: %d", code)
	}
	kept := formToken(t, page)
	s.Configure(api.Access{}, cluster.LevelManual) // the token is taken away
	if code, _ := get(t, b, srv.URL+"/"); code != http.StatusUnauthorized {
		t.Errorf("with a token that was taken away: %d", code)
	}
	s.Configure(api.Access{Tokens: people()}, cluster.LevelManual)
	if code, _ := post(t, b, srv.URL+"/logout", "csrf", kept); code != http.StatusUnauthorized {
		t.Errorf("after the logout the overview answers %d", code)
	}
	if code, _ := get(t, b, srv.URL+"/"); code != http.StatusUnauthorized {
		t.Errorf("logged out: %d", code)
	}
}

func TestADecisionTakesTheRoleAndTheFormOfTheSession(t *testing.T) {
	h := newHouse(1, plainly)
	srv, b, _ := open(t, h, api.Viewer)
	at := srv.URL + "/recommendations/" + h.cases[0].Recommendation.ID
	if code, _ := post(t, b, at, "decision", "approve"); code != http.StatusForbidden {
		t.Errorf("without a form's token: %d", code)
	}
	_, page := post(t, b, srv.URL+"/login", "token", "viewer-token", "back", "/")
	if code, page := post(t, b, at, "decision", "approve", "csrf", formToken(t, page)); code != http.StatusForbidden || !strings.Contains(page, "vera is viewer, and this takes the role approver") {
		t.Errorf("a viewer's yes: %d\n%s", code, page)
	}
	foreign := formToken(t, page)
	_, page = post(t, b, srv.URL+"/login", "token", "approver-token", "back", "/")
	mine := formToken(t, page)
	for form, fields := range map[string][]string{
		"another session's form": {"decision", "approve", "csrf", foreign}, "no decision": {"decision", "perhaps", "csrf", mine},
		"no time": {"decision", "snooze", "for", "soon", "csrf", mine}, "too much": {"decision", "approve", "csrf", mine, "reason", strings.Repeat("x", 1001)},
	} {
		if code, _ := post(t, b, at, fields...); code != http.StatusForbidden && code != http.StatusBadRequest {
			t.Errorf("%s: %d", form, code)
		}
	}
	r, err := http.NewRequest(http.MethodPost, at, strings.NewReader(url.Values{"decision": {"approve"}, "csrf": {mine}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := b.Do(r)
	if code, _ := body(t, resp, err); code != http.StatusForbidden {
		t.Errorf("from another site: %d", code)
	}
	if len(h.said) > 0 {
		t.Fatalf("said already: %q", h.said)
	}
	if code, _ := post(t, b, at, "decision", "snooze", "for", "8h", "csrf", mine, "reason", "later"); code != http.StatusOK {
		t.Errorf("snooze: %d", code)
	}
	if code, page := post(t, b, at, "decision", "approve", "csrf", mine, "reason", `it is "fine"`); code != http.StatusOK || !strings.Contains(page, "Decided by <strong>anna</strong>") {
		t.Errorf("approve: %d\n%s", code, page)
	}
	if code, page := post(t, b, at, "decision", "reject", "csrf", mine); code != http.StatusConflict || !strings.Contains(page, "That did not work.") || !strings.Contains(page, "What became of it") {
		t.Errorf("too late: %d\n%s", code, page)
	}
	want := []string{"anna snooze for 8h0m0s", "anna approve"}
	for i, said := range h.said {
		if len(h.said) != len(want) || !strings.HasPrefix(said, want[i]) {
			t.Errorf("said %q", h.said)
		}
	}
}

func TestEveryAnswerHasTheHeadersAndCookiesAreGuarded(t *testing.T) {
	srv, b, _ := open(t, newHouse(1, plainly), api.Viewer)
	for _, path := range []string{"/", "/login", "/nope", "/assets/console.css", "/recommendations"} {
		resp, err := b.Get(srv.URL + path)
		body(t, resp, err)
		csp := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, resp.Header)
		}
	}
	for _, encrypted := range []bool{false, true} {
		r := httptest.NewRequest(http.MethodPost, "http://x/login", strings.NewReader("token=viewer-token"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if encrypted {
			r.TLS = &tls.ConnectionState{}
		}
		w := httptest.NewRecorder()
		srv.Config.Handler.ServeHTTP(w, r)
		c := w.Result().Cookies()
		if len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || c[0].Secure != encrypted || strings.Contains(c[0].Value, "token") {
			t.Errorf("%+v", c)
		}
	}
	for back, want := range map[string]string{"https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/", "javascript:alert(1)": "/", "/hosts/a?b=c": "/hosts/a?b=c", "": "/"} {
		r := httptest.NewRequest(http.MethodPost, "http://x/theme", strings.NewReader(url.Values{"theme": {"dark"}, "back": {back}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		srv.Config.Handler.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); got != want {
			t.Errorf("back to %q leads to %q", back, got)
		}
	}
}

func TestTheChosenColoursStay(t *testing.T) {
	srv, b, _ := open(t, newHouse(1, plainly), api.Viewer)
	for theme, want := range map[string]string{"dark": `data-theme="dark"`, "light": `data-theme="light"`, "auto": `data-theme="auto"`, `"><script>`: `data-theme="auto"`} {
		if _, page := post(t, b, srv.URL+"/theme", "theme", theme, "back", "/"); !strings.Contains(page, want) {
			t.Errorf("%s: %.200s", theme, page)
		}
	}
}

// hostile names are such that somebody gives a VM who wants to run a script in the browser of who looks after it.
func hostile() []func(string) string {
	return []func(string) string{
		func(s string) string { return s + `<script>alert(1)</script>` },
		func(s string) string { return s + `"><img src=x onerror=alert(1)>` },
		func(s string) string { return s + `' autofocus onfocus='alert(1)` },
		func(s string) string { return s + `{{.Form}}</title></main><style>*{display:none}</style>` },
		func(s string) string { return "javascript:alert(1)//" + s },
		func(s string) string { return s + "/../../login?x=%2e%2e#y" },
		func(s string) string { return s + strings.Repeat("very long ", 500) },
		func(s string) string { return s + "\u202e\u0000\n\r\t" },
	}
}

func TestWhoLeadsAndWhyNothingHappensStandsOnThePages(t *testing.T) {
	srv, b, s := open(t, newHouse(3, plainly), api.Viewer)
	s.SetServers(func(context.Context) api.Servers {
		return api.Servers{Store: "etcd", Answers: "s1", Holds: "etcd does not answer", Error: "no quorum", All: []api.Peer{{ID: "s1", Leads: true}}}
	})
	_, page := get(t, b, srv.URL+"/")
	has(t, page, "The server holds, and changes nothing:</strong> etcd does not answer", "is not known:</strong> no quorum", "No other server waits to lead", "answered by the server s1")
	s.SetServers(func(context.Context) api.Servers {
		return api.Servers{Store: "etcd", Answers: "s1", All: []api.Peer{{ID: "s1", Leads: true}, {ID: "s2"}}}
	})
	if _, page = get(t, b, srv.URL+"/"); strings.Contains(page, "No other server") || strings.Contains(page, "The server holds") {
		t.Errorf("all is well, and the page complains:\n%s", page)
	}
}

func TestHostileNamesAreNeverMarkup(t *testing.T) {
	for i, name := range hostile() {
		h := newHouse(1, name)
		srv, b, _ := open(t, h, api.Viewer)
		post(t, b, srv.URL+"/login", "token", "operator-token", "back", "/")
		h.orders = cluster.Orders{{Kind: cluster.OrderPause, Subject: cluster.HostSubject(h.judged.Snapshot.Hosts[0].ID), Word: cluster.Approval{Who: name("carl"), Reason: name("rest")}}}
		paths := []string{"/try?kind=shutdown&vm=" + url.QueryEscape(h.judged.Snapshot.VMs[0].ID), "/try?kind=maintenance&host=" + url.QueryEscape(h.judged.Snapshot.Hosts[0].ID), "/try?kind=" + url.QueryEscape(name("x")) + "&vm=" + url.QueryEscape(name("y")), "/map", "/map?at=" + url.QueryEscape(time.Now().Add(-time.Minute).Format(time.RFC3339)) + "&from=2h&q=" + url.QueryEscape(name("web")), "/journal", "/journal?verify=1&q=" + url.QueryEscape(name("a")) + "&about=" + url.QueryEscape(name("b")), "/autonomy", "/settings", "/settings?q=" + url.QueryEscape(name("x")), "/", "/recommendations", "/recommendations/done", "/recommendations/gone", "/recommendations/" + h.cases[0].Recommendation.ID, "/?group=tag", "/?group=tag&in=" + url.QueryEscape(name("rack")), "/?group=tag&in=" + url.QueryEscape(name("x")), "/?group=failure+domain", "/?group=state&hours=6", "/?q=" + url.QueryEscape(name("h")) + "&state=" + url.QueryEscape(name("up")), "/" + url.PathEscape(name("nope")),
			"/hosts/" + url.PathEscape(h.judged.Snapshot.Hosts[0].ID), "/vms/" + url.PathEscape(h.judged.Snapshot.VMs[0].ID)}
		for _, path := range paths {
			code, page := get(t, b, srv.URL+path)
			if code != http.StatusOK && code != http.StatusNotFound && code != http.StatusBadRequest {
				t.Errorf("name %d, %s: %d", i, path, code)
			}
			harmless(t, fmt.Sprintf("name %d, %s", i, path), page)
		}
	}
}

// harmless holds a page against what the templates may contain.
func harmless(t *testing.T, where, page string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	scripts := 0
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script":
			scripts++
			if n.FirstChild != nil {
				t.Errorf("%s: a script stands in the page", where)
			}
		case "img", "style", "iframe", "object", "base":
			t.Errorf("%s: there is an element %s", where, n.Data)
		}
		for _, a := range n.Attr {
			local := strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "//") || strings.HasPrefix(a.Val, "#")
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || (a.Key == "href" || a.Key == "src" || a.Key == "action") && !local {
				t.Errorf("%s: %s has %s=%q", where, n.Data, a.Key, a.Val)
			}
		}
	}
	if scripts != 4 {
		t.Errorf("%s: %d scripts", where, scripts)
	}
}

func TestAThousandHostsAreUsable(t *testing.T) {
	srv, b, _ := open(t, newHouse(1000, plainly), api.Viewer)
	begun := time.Now()
	code, page := get(t, b, srv.URL+"/")
	if tiles := strings.Count(page, `<li class="tile`); code != http.StatusOK || tiles != 240 || len(page) > 512<<10 {
		t.Errorf("%d, %d tiles in %d bytes", code, tiles, len(page))
	}
	has(t, page, "those in trouble first and then the fullest", "761 more match")
	if _, page := get(t, b, srv.URL+"/?q=h07"); strings.Count(page, `<li class="tile`) != 100 {
		t.Error("the filter does not filter")
	}
	if _, page := get(t, b, srv.URL+"/?q=h0700"); !strings.Contains(page, `href="/vms/id-700-0"`) {
		t.Error("few hosts do not show their VMs")
	}
	t.Logf("three pages of 1,000 hosts took %v", time.Since(begun))
	for _, grouping := range []string{"failure+domain", "tag", "state"} {
		begun = time.Now()
		code, page := get(t, b, srv.URL+"/?group="+grouping)
		if tiles := strings.Count(page, `<li class="tile`); code != http.StatusOK || tiles == 0 || tiles > 240 || len(page) > 512<<10 {
			t.Errorf("by %s: %d, %d tiles in %d bytes", grouping, code, tiles, len(page))
		}
		t.Logf("by %s: %v", grouping, time.Since(begun))
	}
	if _, page := get(t, b, srv.URL+"/?group=tag&in=rack"); strings.Count(page, `<li class="tile`) != 240 || !strings.Contains(page, `group=tag&amp;hours=&amp;in=rack`) {
		t.Error("a group by itself does not have all tiles of the page")
	}
}

func TestBeforeTheFirstLookThePageSaysSo(t *testing.T) {
	srv, b, _ := open(t, &house{}, api.Viewer)
	if code, page := get(t, b, srv.URL+"/"); code != http.StatusOK || !strings.Contains(page, "the first pass has not ended yet") {
		t.Errorf("%d\n%s", code, page)
	}
}

func TestAStreamTellsOfChanges(t *testing.T) {
	h := newHouse(1, plainly)
	srv, b, _ := open(t, h, api.Viewer)
	_, page := get(t, b, srv.URL+"/")
	shown := regexp.MustCompile(`data-state="(\w+)"`).FindStringSubmatch(page)[1]
	resp, err := b.Get(srv.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func() string {
		for lines.Scan() {
			if state, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return state
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	if first := next(); first != shown {
		t.Errorf("the stream begins with %s, the page has %s", first, shown)
	}
	post(t, b, srv.URL+"/login", "token", "approver-token", "back", "/")
	_, page = get(t, b, srv.URL+"/recommendations/"+h.cases[0].Recommendation.ID)
	post(t, b, srv.URL+"/recommendations/"+h.cases[0].Recommendation.ID, "decision", "approve", "csrf", formToken(t, page))
	if then := next(); then == shown {
		t.Error("nothing changed")
	}
}

// One who watches with many pages leaves room for others, and who may not look takes none.
func TestTooManyStreamsAreRefused(t *testing.T) {
	stream := func(b *http.Client, address string, want int) {
		t.Helper()
		resp, err := b.Get(address + "/events")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		if resp.StatusCode != want {
			t.Fatalf("%d, want %d", resp.StatusCode, want)
		}
	}
	srv, b, _ := open(t, newHouse(1, plainly), api.Viewer)
	post(t, b, srv.URL+"/login", "token", "approver-token", "back", "/")
	for _, one := range []*http.Client{http.DefaultClient, b} {
		for range 25 {
			stream(one, srv.URL, http.StatusOK)
		}
		stream(one, srv.URL, http.StatusServiceUnavailable)
	}
	closed, _, _ := open(t, newHouse(1, plainly), api.Nobody)
	for range 26 {
		stream(http.DefaultClient, closed.URL, http.StatusUnauthorized)
	}
}

func TestTheScriptsAreSmallAndTheirLicencesStandBeside(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join("assets", "*.js"))
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	total := 0
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		total += len(text)
		if name, foreign := strings.CutSuffix(path, ".min.js"); foreign {
			if _, err := os.Stat(name + ".LICENSE"); err != nil {
				t.Error(err)
			}
		}
	}
	if total > 100_000 {
		t.Errorf("the scripts are %d bytes, more than 100 KB", total)
	}
}

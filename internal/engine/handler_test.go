package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/prometheus/promql"
)

// TestServed asks for all that is served and for what must not be.
func TestServed(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{})
	if err := e.SetTargets([]Target{{Job: "hosts", Address: exporter(t, constant("# TYPE alive gauge\nalive 1\n"))}}); err != nil {
		t.Fatal(err)
	}
	start(t, e)
	eventually(t, client(t, e), `sum(alive)`, `{} 1`)
	params := map[string]string{
		"/api/v1/query":           "query=alive",
		"/api/v1/query_range":     "query=alive&start=1&end=2&step=1",
		"/api/v1/query_exemplars": "query=alive&start=1&end=2",
		"/api/v1/format_query":    "query=alive",
		"/api/v1/parse_query":     "query=alive",
		"/api/v1/series":          "match[]=alive",
	}
	for _, path := range served {
		got := get(e, strings.Replace(path, "{name}", "job", 1)+"?"+params[path])
		var body struct{ Status string }
		if err := json.Unmarshal(got.Body.Bytes(), &body); err != nil || got.Code != http.StatusOK || body.Status != "success" {
			t.Errorf("%s: status %d, %s", path, got.Code, got.Body)
		}
	}
	for _, path := range []string{
		"/", "/metrics", "/federate", "/-/quit", "/api/v1/status/config", "/api/v1/status/flags", "/api/v1/write",
		"/api/v1/read", "/api/v1/otlp/v1/metrics", "/api/v1/admin/tsdb/snapshot", "/api/v1/notifications/live",
	} {
		for _, method := range []string{"GET", "POST", "PUT"} {
			rec := httptest.NewRecorder()
			e.Handler().ServeHTTP(rec, httptest.NewRequest(method, path, nil))
			if rec.Code != http.StatusNotFound {
				t.Errorf("%s %s: status %d, want 404", method, path, rec.Code)
			}
		}
	}
	if got := get(e, "/api/v1/targets").Header().Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("any site may read us: Access-Control-Allow-Origin: %s", got)
	}
}

func get(e *Engine, target string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	req := httptest.NewRequest("GET", target, nil)
	req.Header.Set("Origin", "https://elsewhere.example")
	e.Handler().ServeHTTP(rec, req)
	return rec
}

// TestVersionIsThatOfTheModule fails when go.mod moves on without the constant.
func TestVersionIsThatOfTheModule(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	want := "github.com/prometheus/prometheus v0.3" + strings.TrimPrefix(prometheusVersion, "3.")
	if !strings.Contains(string(mod), want) {
		t.Errorf("go.mod does not say %q", want)
	}
	info, err := client(t, openEngine(t, Options{})).Buildinfo(t.Context())
	if err != nil || info.Version != prometheusVersion {
		t.Errorf("buildinfo says %q, error %v", info.Version, err)
	}
}

func TestBothWaysInGiveTheSame(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{})
	srv := httptest.NewServer(http.StripPrefix(pathPrefix, e.Handler()))
	defer srv.Close()
	form := url.Values{"query": {"vector(1)"}, "time": {"1"}}
	fetch := func(c *http.Client, base string) (answers []string) {
		for _, path := range []string{"/api/v1/query?" + form.Encode(), "/api/v1/nothing"} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(""))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				answers = append(answers, resp.Status+" "+resp.Header.Get("Content-Type")+" "+string(body))
			}
		}
		return answers
	}
	outside := fetch(srv.Client(), srv.URL+pathPrefix)
	inside := &http.Client{Transport: e.RoundTripper()}
	for _, base := range []string{"http://embedded/prometheus", "http://embedded"} {
		if diff := cmp.Diff(outside, fetch(inside, base)); diff != "" {
			t.Errorf("over HTTP and in process under %s differ:\n%s", base, diff)
		}
	}
}

func TestPanicBecomes500(t *testing.T) {
	t.Parallel()
	var log logBuffer
	e := openEngine(t, Options{Logger: log.logger()})
	e.door.api = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"status":"succ`)) // even halfway through
		panic("planted")
	})
	if got := get(e, "/api/v1/query?query=1"); got.Code != http.StatusInternalServerError || strings.Contains(got.Body.String(), "succ") {
		t.Errorf("Handler: status %d, %s", got.Code, got.Body)
	}
	_, _, _, err := client(t, e).Query(t.Context(), "1", time.Now())
	if err == nil || !strings.Contains(err.Error(), "server error: 500") {
		t.Errorf("RoundTripper: %v", err)
	}
	if !strings.Contains(log.String(), "planted") {
		t.Errorf("the log does not tell: %s", log.String())
	}
}

func TestQueryTimeout(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{QueryTimeout: 200 * time.Millisecond})
	_, _, _, err := client(t, e).Query(t.Context(), slowQuery, time.Now())
	if !strings.Contains(detail(err), "timed out in expression evaluation") {
		t.Errorf("slow query: %v, %s", err, detail(err))
	}
}

// detail returns what the server said; client_golang's Error() leaves that out.
func detail(err error) string {
	var e *promv1.Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Detail
}

func TestMaxSamples(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{MaxSamples: 1000})
	_, _, _, err := client(t, e).Query(t.Context(), `sum_over_time(vector(1)[2000s:1s])`, time.Now())
	if err == nil || !strings.Contains(err.Error(), "too many samples") {
		t.Errorf("large query: %v", err)
	}
}

// TestCancelledRequestReturnsAtOnce has an API that does not look at its context.
func TestCancelledRequestReturnsAtOnce(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{})
	blocked := make(chan struct{})
	release := sync.OnceFunc(func() { close(blocked) })
	defer release()
	entered := make(chan struct{})
	e.door.api = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-blocked })
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := client(t, e).Targets(ctx)
		failed <- err
	}()
	<-entered
	cancel()
	select {
	case err := <-failed:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context canceled", err)
		}
	case <-time.After(patience):
		t.Error("the request does not return")
	}
	// Closing waits for what still runs inside.
	closed := make(chan error, 1)
	go func() { closed <- e.Run(closedContext()) }()
	select {
	case <-closed:
		t.Fatal("the database was closed under a request")
	case <-time.After(100 * time.Millisecond):
	}
	release()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestCancelledQueryStops(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, _, _, err := client(t, e).Query(ctx, slowQuery, time.Now())
		failed <- err
	}()
	poll(t, func() bool { return activeQueries(t, e) > 0 }, func() string { return "query has not begun" })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context canceled", err)
	}
	poll(t, func() bool { return activeQueries(t, e) == 0 }, func() string { return "the query goes on" })
}

func TestTurnstile(t *testing.T) {
	t.Parallel()
	places := make(turnstile, 1)
	if _, err := places.Insert(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	timeout, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := places.Insert(timeout, "second"); !errors.As(err, new(promql.ErrQueryTimeout)) {
		t.Errorf("a query that waited too long: %v", err)
	}
	if _, err := places.Insert(closedContext(), "third"); !errors.As(err, new(promql.ErrQueryCanceled)) {
		t.Errorf("a query that was cancelled: %v", err)
	}
	places.Delete(0)
	if _, err := places.Insert(t.Context(), "fourth"); err != nil {
		t.Errorf("a query after the first had gone: %v", err)
	}
}

package engine

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
)

func TestDataSurviveReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := openEngine(t, Options{Dir: dir})
	address := exporter(t, constant("alive{vm=\"a\"} 42\n"))
	if err := e.SetTargets([]Target{{Job: "hosts", Address: address}}); err != nil {
		t.Fatal(err)
	}
	stop := start(t, e)
	eventually(t, client(t, e), `sum by (vm) (alive)`, `{vm="a"} 42`)
	// The time of the sample itself: on a busy machine the next scrape may fail, and end the series before now.
	told, _, _, err := client(t, e).Query(t.Context(), `alive[1m]`, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	at := told.(model.Matrix)[0].Values[0].Timestamp.Time()
	stop()

	again := openEngine(t, Options{Dir: dir})
	if got, want := vector(t, client(t, again), `sum by (vm, job) (alive)`, at), `{job="hosts", vm="a"} 42`; got != want {
		t.Errorf("after reopening: got %s, want %s", got, want)
	}
}

func TestSecondEngineOnOneDirIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := openEngine(t, Options{Dir: dir})
	// Opening must not touch what the first process is working on.
	working := filepath.Join(dir, "01ARZ3NDEKTSV4RRFFQ69G5FAV.tmp-for-creation")
	if err := os.Mkdir(working, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Options{Dir: dir})
	if err == nil {
		t.Fatal("a second engine opened the same directory")
	}
	for _, want := range []string{dir, "in use by another process (is a server running already?), stop that or choose another directory"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if _, err := os.Stat(working); err != nil {
		t.Errorf("the refused engine removed a file of the first: %v", err)
	}
	if err := first.Run(closedContext()); err != nil {
		t.Fatal(err)
	}
	openEngine(t, Options{Dir: dir}) // free again
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"storage directory is not set":        {},
		"choose another directory":            {Dir: filepath.Join(file, "data")},
		"retention is -1s":                    {Dir: "d", Retention: -time.Second},
		"scrape interval is 1µs":              {Dir: "d", ScrapeInterval: time.Microsecond},
		"scrape timeout 2s is longer than":    {Dir: "d", ScrapeInterval: time.Second, ScrapeTimeout: 2 * time.Second},
		"max samples is -1":                   {Dir: "d", MaxSamples: -1},
		`scheme is "ftp", want http or https`: {Dir: "d", Scheme: "ftp"},
		"/nonexistent/ca.pem: no such file":   {Dir: "d", HTTPClient: promconfig.HTTPClientConfig{TLSConfig: promconfig.TLSConfig{CAFile: "/nonexistent/ca.pem"}}},
		"at most one of basic_auth password":  {Dir: "d", HTTPClient: promconfig.HTTPClientConfig{BasicAuth: &promconfig.BasicAuth{Password: "a", PasswordFile: "b"}}},
	} {
		e, err := Open(o)
		if err == nil {
			_ = e.Run(closedContext())
			t.Errorf("opened, want an error with %q", want)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

func TestDirectoryErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		syscall.EACCES: "make it writable",
		syscall.EROFS:  "make it writable",
		syscall.ENOSPC: "free some space",
		syscall.EDQUOT: "free some space",
		syscall.EIO:    "if its data are damaged",
	} {
		got := explainDir("/data", &fs.PathError{Op: "open", Path: "/data/wal", Err: err})
		if !strings.Contains(got.Error(), want) || !errors.Is(got, err) {
			t.Errorf("%v: %q does not say %q", err, got, want)
		}
	}
}

func TestRetentionReachesTheDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	old, fresh := now.Add(-30*24*time.Hour), now.Add(-3*time.Hour)
	writeBlock(t, dir, old)
	writeBlock(t, dir, fresh)

	for _, step := range []struct {
		retention time.Duration
		old       string
	}{
		{60 * 24 * time.Hour, `old 1`}, // in this order: what is deleted stays deleted
		{24 * time.Hour, ``},
	} {
		reg := prometheus.NewRegistry()
		e := openEngine(t, Options{Dir: dir, Retention: step.retention, Registerer: reg})
		c := client(t, e)
		if got := vector(t, c, `old`, old); got != step.old {
			t.Errorf("retention %s: sample of 30 days ago is %q, want %q", step.retention, got, step.old)
		}
		if got := vector(t, c, `old`, fresh); got != "old 1" {
			t.Errorf("retention %s: sample of 3 hours ago is %q", step.retention, got)
		}
		if err := e.Run(closedContext()); err != nil {
			t.Fatal(err)
		}
	}
}

// writeBlock writes a block with one sample of 1 at the given time.
func writeBlock(t *testing.T, dir string, at time.Time) {
	t.Helper()
	w, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), dir, 2*time.Hour.Milliseconds())
	if err != nil {
		t.Fatal(err)
	}
	app := w.Appender(t.Context())
	if _, err := app.Append(0, labels.FromStrings("__name__", "old"), at.UnixMilli(), 1); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMetricsGoToTheRegistererOnly(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	e := openEngine(t, Options{Registerer: reg, Retention: time.Hour})
	const want = `
# HELP prometheus_tsdb_retention_limit_seconds How long to retain samples in storage.
# TYPE prometheus_tsdb_retention_limit_seconds gauge
prometheus_tsdb_retention_limit_seconds 3600
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "prometheus_tsdb_retention_limit_seconds"); err != nil {
		t.Error(err)
	}
	if _, err := Open(Options{Dir: t.TempDir(), Registerer: reg}); err == nil || !strings.Contains(err.Error(), "register metrics") {
		t.Errorf("second engine with the same registerer: %v", err)
	}
	if err := e.Run(closedContext()); err != nil {
		t.Fatal(err)
	}
	if got, err := reg.Gather(); err != nil || len(got) > 0 {
		t.Errorf("after closing there are %d metrics left, error %v", len(got), err)
	}
}

func TestScrapeWithBasicAuth(t *testing.T) {
	t.Parallel()
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "evenkeel" || password != "secret" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte("alive 1\n")) // no version in the Content-Type
	})
	e := openEngine(t, Options{HTTPClient: promconfig.HTTPClientConfig{
		BasicAuth: &promconfig.BasicAuth{Username: "evenkeel", Password: "secret"},
	}})
	if err := e.SetTargets([]Target{{Job: "hosts", Address: address}}); err != nil {
		t.Fatal(err)
	}
	start(t, e)
	eventually(t, client(t, e), `sum(alive)`, `{} 1`)
}

func TestClosedEngine(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{})
	start(t, e)()
	if err := e.SetTargets(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("SetTargets: %v, want ErrClosed", err)
	}
	if err := e.Run(context.Background()); err == nil {
		t.Error("Run could be called twice")
	}
	rec := httptest.NewRecorder()
	e.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/api/v1/query?query=1", nil))
	if rec.Code != http.StatusServiceUnavailable {
		t.Errorf("query: status %d, want 503", rec.Code)
	}
}

func TestCloseEndsRunningQueries(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{QueryTimeout: time.Minute})
	stop := start(t, e)
	failed := make(chan error, 1)
	go func() {
		_, _, _, err := client(t, e).Query(context.Background(), slowQuery, time.Now())
		failed <- err
	}()
	poll(t, func() bool { return activeQueries(t, e) > 0 }, func() string { return "query has not begun" })
	stop()
	if err := <-failed; err == nil {
		t.Error("the query succeeded on a closed engine")
	}
}

// slowQuery takes far longer than a test may, but little memory. Prometheus
// looks at the context between the terms, of some 50 ms each.
var slowQuery = strings.Repeat(`count_over_time((sum_over_time(vector(1)[10m:1s]))[6h:1s])+`, 250) + "0"

func activeQueries(t *testing.T, e *Engine) float64 {
	t.Helper()
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "prometheus_engine_queries" {
			return f.Metric[0].GetGauge().GetValue()
		}
	}
	t.Fatal("no metric prometheus_engine_queries")
	return 0
}

package engine

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// testInterval is short, so that tests are, but long enough for a busy machine.
const testInterval = 100 * time.Millisecond

// patience is how long a test waits for what should come soon.
const patience = 30 * time.Second

// TestMain lets more tests run at once than there are processors: most of the
// time they wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "5"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// openEngine opens an engine that is closed when the test ends.
func openEngine(t *testing.T, o Options) *Engine {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.ScrapeInterval == 0 {
		o.ScrapeInterval = testInterval
	}
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Run(closedContext()) }) // an error if it ran before
	return e
}

func closedContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// start runs e and returns how to stop it, which also happens when the test ends.
func start(t *testing.T, e *Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not return")
		}
	})
	t.Cleanup(stop)
	return stop
}

// client reads e as the analyzer does.
func client(t *testing.T, e *Engine) promv1.API {
	t.Helper()
	c, err := api.NewClient(api.Config{Address: "http://embedded/prometheus", RoundTripper: e.RoundTripper()})
	if err != nil {
		t.Fatal(err)
	}
	return promv1.NewAPI(c)
}

// vector returns the answer to an instant query as text, one series a line,
// in alphabetical order.
func vector(t *testing.T, c promv1.API, query string, at time.Time) string {
	t.Helper()
	v, _, _, err := c.Query(context.Background(), query, at)
	if err != nil {
		t.Fatalf("query %s: %v", query, err)
	}
	var lines []string
	for _, s := range v.(model.Vector) {
		lines = append(lines, fmt.Sprintf("%s %s", s.Metric, s.Value))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// eventually polls until the answer to query is want.
func eventually(t *testing.T, c promv1.API, query, want string) {
	t.Helper()
	var got string
	poll(t, func() bool {
		got = vector(t, c, query, time.Now())
		return got == want
	}, func() string { return fmt.Sprintf("query %s\n got: %s\nwant: %s", query, got, want) })
}

// poll waits until ok, or fails the test with what complaint says.
func poll(t *testing.T, ok func() bool, complaint func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so after %s: %s", patience, complaint())
		}
	}
}

// exporter serves what content returns and returns its host:port.
func exporter(t *testing.T, content func() string) string {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, content())
	})
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.CloseClientConnections() // some handlers never end by themselves
		srv.Close()
	})
	return srv.Listener.Addr().String()
}

func constant(s string) func() string { return func() string { return s } }

// logBuffer is a log that tests can read while it is being written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

package engine

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestSetTargetsAddsAndRemoves(t *testing.T) {
	t.Parallel()
	a, b := exporter(t, constant("alive 1\n")), exporter(t, constant("alive 2\n"))
	hostA := Target{Job: "hosts", Address: a, Labels: map[string]string{"instance": "h1", "rack": "A"}}
	hostB := Target{Job: "hosts", Address: b, Labels: map[string]string{"instance": "h2"}}
	other := Target{Job: "other", Address: b, Labels: map[string]string{"instance": "h2"}}
	e := openEngine(t, Options{})
	c := client(t, e)
	set := func(ts ...Target) {
		t.Helper()
		if err := e.SetTargets(ts); err != nil {
			t.Fatal(err)
		}
	}
	const alive = `sum by (job, instance, rack) (alive)`
	const line1, line2, line3 = `{instance="h1", job="hosts", rack="A"} 1`, `{instance="h2", job="hosts"} 2`, `{instance="h2", job="other"} 2`

	set(hostB) // before Run, and replaced before it was ever read
	set(hostA)
	start(t, e)
	eventually(t, c, alive, line1)
	set(hostA, hostB)
	eventually(t, c, alive, line1+"\n"+line2)
	// The lookback of a query is five minutes, so only a stale marker can take
	// the series of a target away within this test.
	set(hostB)
	eventually(t, c, alive, line2)
	set(other) // the last target of a job is gone, and with it the job
	eventually(t, c, alive, line3)
	set(hostA) // and back again
	eventually(t, c, alive, line1)
	set()
	eventually(t, c, alive, "")
}

func TestSetTargetsKeepsScrapingWhatStays(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{})
	stay := Target{Job: "hosts", Address: exporter(t, constant("alive 1\n"))}
	if err := e.SetTargets([]Target{stay}); err != nil {
		t.Fatal(err)
	}
	start(t, e)
	c := client(t, e)
	eventually(t, c, `sum(alive)`, "{} 1")
	for i := range 3 {
		if err := e.SetTargets([]Target{{Job: fmt.Sprint("job", i), Address: "127.0.0.1:1"}, stay}); err != nil {
			t.Fatal(err)
		}
		eventually(t, c, fmt.Sprintf(`count(up{job="job%d"})`, i), "{} 1")
	}
	// A scrape loop that begins anew adds its series anew.
	eventually(t, c, `sum(sum_over_time(scrape_series_added{job="hosts"}[1m]))`, "{} 1")
}

func TestDeadTargetsSeriesGoStale(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "alive 1\n") }))
	defer srv.Close()
	e := openEngine(t, Options{})
	if err := e.SetTargets([]Target{{Job: "hosts", Address: srv.Listener.Addr().String()}}); err != nil {
		t.Fatal(err)
	}
	start(t, e)
	c := client(t, e)
	eventually(t, c, `sum by (job) (up) + sum by (job) (alive)`, `{job="hosts"} 2`)
	srv.Close()
	eventually(t, c, `sum by (job) (up)`, `{job="hosts"} 0`)
	eventually(t, c, `alive`, ``)
}

func TestSetTargetsRefuses(t *testing.T) {
	t.Parallel()
	good := Target{Job: "hosts", Address: exporter(t, constant("alive 1\n"))}
	e := openEngine(t, Options{})
	if err := e.SetTargets([]Target{good}); err != nil {
		t.Fatal(err)
	}
	for want, bad := range map[string]Target{
		`job is ""`:                           {Address: "h1:9177"},
		`want host:port`:                      {Job: "hosts", Address: "h1"},
		`address is "http://h1:9177"`:         {Job: "hosts", Address: "http://h1:9177"},
		`"h1:9177/metrics"`:                   {Job: "hosts", Address: "h1:9177/metrics"},
		`address is ":9177"`:                  {Job: "hosts", Address: ":9177"},
		`label name "__scheme__" is`:          {Job: "hosts", Address: "h1:9177", Labels: map[string]string{"__scheme__": "ftp"}},
		`label name "a-b" is`:                 {Job: "hosts", Address: "h1:9177", Labels: map[string]string{"a-b": "c"}},
		`label job is set by the job`:         {Job: "hosts", Address: "h1:9177", Labels: map[string]string{"job": "other"}},
		`label a has a value that is not UTF`: {Job: "hosts", Address: "h1:9177", Labels: map[string]string{"a": "\xff"}},
	} {
		err := e.SetTargets([]Target{bad})
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), `\"`, `"`), want) {
			t.Errorf("target %+v: error %v does not say %s", bad, err, want)
		}
	}
	start(t, e) // the good set is still in force
	eventually(t, client(t, e), `sum(alive)`, `{} 1`)
}

// TestHostileExporters lets a healthy exporter and all kinds of bad ones run in
// one engine. The bad ones must be down with a reason, the healthy one up.
func TestHostileExporters(t *testing.T) {
	t.Parallel()
	var endless atomic.Int64
	hostile := map[string]http.HandlerFunc{
		"garbage": respond("\xff\xfe{{{ not metrics\x00\n"),
		"html":    respond("<html><body>It works!</body></html>\n"),
		"hang":    func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			line := []byte(strings.Repeat("# an endless comment\n", 1000))
			for {
				n, err := w.Write(line)
				endless.Add(int64(n))
				if err != nil {
					return
				}
			}
		},
		"drip": func(w http.ResponseWriter, _ *http.Request) {
			for range time.Tick(10 * time.Millisecond) {
				if _, err := w.Write([]byte("#\n")); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		},
		"bomb":       bomb(),
		"many":       respond(manySeries(maxTargetSamples + 1)),
		"labels":     respond("m{" + manyLabels(maxLabels+1) + "} 1\n"),
		"long_name":  respond("m{a" + strings.Repeat("a", maxLabelNameBytes) + "=\"x\"} 1\n"),
		"long_value": respond("m{a=\"" + strings.Repeat("a", maxLabelValueBytes+1) + "\"} 1\n"),
		"error":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "m 1", http.StatusInternalServerError) },
		"truncated": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "m 1\n")
		},
		"redirecting": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/metrics", http.StatusFound) },
	}
	e := openEngine(t, Options{ScrapeInterval: time.Second})
	targets := []Target{{Job: "healthy", Address: exporter(t, constant("alive 1\nalive_at 1 1000\n"))}}
	for name, h := range hostile {
		targets = append(targets, Target{Job: name, Address: serve(t, h)})
	}
	if err := e.SetTargets(targets); err != nil {
		t.Fatal(err)
	}
	start(t, e)
	c := client(t, e)
	eventually(t, c, `count(count_over_time(up[1m]) >= 2)`, fmt.Sprintf("{} %d", len(hostile)+1))
	eventually(t, c, `sum by (job) (up == 1)`, `{job="healthy"} 1`)
	eventually(t, c, `count by (job) ({__name__!~"up|scrape_.+", job!=""})`, `{job="healthy"} 2`) // own timestamps ignored
	eventually(t, c, `max_over_time(up{job!="healthy"}[1m]) > 0`, ``)

	result, err := c.Targets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range result.Active {
		if job := string(target.Labels["job"]); (target.LastError == "") != (job == "healthy") {
			t.Errorf("target %s has the error %q", job, target.LastError)
		}
	}
	scrapes := scrapesOf(t, e, "endless")
	if sent := endless.Load(); sent > int64(scrapes+1)*(maxWireBytes+maxBodyBytes) {
		t.Errorf("the endless exporter could send %d MiB in %d scrapes", sent>>20, scrapes)
	}
}

func scrapesOf(t *testing.T, e *Engine, job string) int {
	t.Helper()
	var n int
	got := vector(t, client(t, e), fmt.Sprintf(`sum(count_over_time(up{job=%q}[1m]))`, job), time.Now())
	if _, err := fmt.Sscanf(got, "{} %d", &n); err != nil {
		t.Fatalf("scrapes of %s: %q: %v", job, got, err)
	}
	return n
}

func respond(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

// bomb is small on the wire and larger than maxBodyBytes when unpacked.
func bomb() http.HandlerFunc {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	line := []byte(strings.Repeat("# nothing\n", 1000))
	for sent := 0; sent <= maxBodyBytes; sent += len(line) {
		_, _ = z.Write(line)
	}
	_ = z.Close()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(buf.Bytes())
	}
}

func manySeries(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "m{i=\"%d\"} 1\n", i)
	}
	return b.String()
}

func manyLabels(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "l%d=\"x\",", i)
	}
	return b.String()
}

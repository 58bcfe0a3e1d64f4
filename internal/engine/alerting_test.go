package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
)

const testRules = `groups:
  - name: test
    interval: 100ms
    rules:
      - record: double
        expr: alive * 2
      - alert: Alive
        expr: alive > 1
        labels: {severity: info}
        annotations: {summary: "{{ $labels.vm }} has {{ $value }} of {{ $externalLabels.site }}"}
`

// told is what an Alertmanager was told, by alert and VM: the newest notification.
type told struct {
	mu    sync.Mutex
	about map[string]notification
}

type notification struct {
	Labels, Annotations map[string]string
	GeneratorURL        string
	EndsAt              time.Time
}

func (l *told) get(key string) notification {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.about[key]
}

// alertmanager is a server that takes alerts.
func alertmanager(t *testing.T) (string, *told) {
	t.Helper()
	l := &told{about: map[string]notification{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var all []notification
		if err := json.NewDecoder(r.Body).Decode(&all); err != nil || r.URL.Path != "/under/api/v2/alerts" {
			t.Errorf("%s: %v", r.URL, err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, n := range all {
			l.about[n.Labels["alertname"]+" "+n.Labels["vm"]] = n
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/under", l
}

func TestRulesAreEvaluatedAndAlertsSent(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{})
	if err := e.SetTargets([]Target{{Job: "hosts", Address: exporter(t, constant("alive{vm=\"a\"} 42\nalive{vm=\"b\"} 1\n"))}}); err != nil {
		t.Fatal(err)
	}
	address, heard := alertmanager(t)
	given := Alerting{Rules: []RuleFile{{Name: "test.yml", Text: []byte(testRules)}}, Alertmanagers: []Endpoint{{URL: address}},
		ExternalLabels: map[string]string{"site": "north"}, ExternalURL: "http://here:9178/prometheus"}
	if err := e.SetAlerting(given); err != nil {
		t.Fatal(err)
	}
	start(t, e)
	c := client(t, e)
	eventually(t, c, `double`, "double{instance=\""+strings.TrimPrefix(instance(t, e), "http://")+"\", job=\"hosts\", vm=\"a\"} 84\ndouble{instance=\""+strings.TrimPrefix(instance(t, e), "http://")+"\", job=\"hosts\", vm=\"b\"} 2")
	eventually(t, c, `sum by (alertname, alertstate, vm) (ALERTS)`, `{alertname="Alive", alertstate="firing", vm="a"} 1`)
	poll(t, func() bool { return heard.get("Alive a").Labels != nil }, func() string { return "Alertmanager was told nothing" })
	got := heard.get("Alive a")
	if got.Annotations["summary"] != "a has 42 of north" || got.Labels["site"] != "north" || got.Labels["severity"] != "info" || !strings.HasPrefix(got.GeneratorURL, "http://here:9178/prometheus/graph?g0.expr=alive") {
		t.Errorf("it was told %+v", got)
	}
	known, err := c.Rules(context.Background(), nil)
	if err != nil || len(known.Groups) != 1 || len(known.Groups[0].Rules) != 2 {
		t.Errorf("the API knows %+v %v", known, err)
	}
	if ams, err := c.AlertManagers(context.Background()); err != nil || len(ams.Active) != 1 || ams.Active[0].URL != address+"/api/v2/alerts" {
		t.Errorf("the API knows of Alertmanagers %+v %v", ams, err)
	}

	// What is wrong changes nothing.
	for text, want := range map[string]string{
		"groups:\n  - name: x\n    rules:\n      - record: bad\n        expr: 'sum('\n": "bad.yml: 5:15", "groups:\n  - nam: x\n": "bad.yml: yaml: unmarshal errors:\n  line 2: field nam not found",
	} {
		err := e.SetAlerting(Alerting{Rules: []RuleFile{{Name: "bad.yml", Text: []byte(text)}}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	for _, bad := range []string{"localhost:9093", "ftp://x", "http://"} {
		if err := e.SetAlerting(Alerting{Alertmanagers: []Endpoint{{URL: bad}}}); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	twice := append(given.Rules, given.Rules...)
	if err := e.SetAlerting(Alerting{Rules: twice}); err == nil || !strings.Contains(err.Error(), "test.yml: stands twice") {
		t.Errorf("%v", err)
	}
	if known, err := c.Rules(context.Background(), nil); err != nil || len(known.Groups) != 1 {
		t.Errorf("bad rules changed those in force: %+v %v", known, err)
	}

	// A rule that is taken away fires no more.
	if err := e.SetAlerting(Alerting{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, c, `ALERTS`, ``)
}

// instance is the address of the engine's only target.
func instance(t *testing.T, e *Engine) string {
	t.Helper()
	var at string
	poll(t, func() bool {
		all, err := client(t, e).Targets(context.Background())
		if err == nil && len(all.Active) == 1 {
			at = string(all.Active[0].Labels["instance"])
		}
		return at != ""
	}, func() string { return "there is no target" })
	return at
}

// The link in an alert is made for Prometheus' own pages.
func TestTheLinkOfAnAlertShowsItsQuery(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{})
	server := httptest.NewServer(http.StripPrefix("/prometheus", e.Handler()))
	defer server.Close()
	resp, err := http.Get(server.URL + "/prometheus/graph?g0.expr=1%2B1&g0.tab=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), `"2"`) {
		t.Errorf("%s %s %v", resp.Status, body, err)
	}
}

func TestSamplesAreWrittenToRemoteServers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]float64{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, err := decodeWrite(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if user, password, _ := r.BasicAuth(); user != "" || password != "" || err != nil {
			t.Error(user, err)
		}
		for _, s := range got.Timeseries {
			var name, site string
			for _, l := range s.Labels {
				switch l.Name {
				case "__name__":
					name = l.Value
				case "site":
					site = l.Value
				}
			}
			for _, v := range s.Samples {
				seen[name+" "+site] = v.Value
			}
		}
	}))
	defer server.Close()
	e := openEngine(t, Options{})
	if err := e.SetTargets([]Target{{Job: "hosts", Address: exporter(t, constant("alive{vm=\"a\"} 42\n"))}}); err != nil {
		t.Fatal(err)
	}
	if err := e.SetAlerting(Alerting{Rules: []RuleFile{{Name: "test.yml", Text: []byte(testRules)}}, RemoteWrite: []Endpoint{{URL: server.URL}}, ExternalLabels: map[string]string{"site": "north"}}); err != nil {
		t.Fatal(err)
	}
	start(t, e)
	poll(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return seen["alive north"] == 42 && seen["double north"] == 84 && seen["ALERTS north"] == 1
	}, func() string {
		mu.Lock()
		defer mu.Unlock()
		return fmt.Sprint(seen)
	})
}

func decodeWrite(body io.Reader) (prompb.WriteRequest, error) {
	var w prompb.WriteRequest
	packed, err := io.ReadAll(body)
	if err != nil {
		return w, err
	}
	text, err := snappy.Decode(nil, packed)
	return w, errors.Join(err, w.Unmarshal(text))
}

// Rules must not fill the disk that scrapes are kept from filling.
func TestRulesStoreNothingOnAFullDisk(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{})
	full := errors.New("the disk is full")
	e.store.guard.refusal.Store(&full)
	app := e.store.guard.Appender(context.Background())
	if _, err := app.Append(0, labels.FromStrings("__name__", "double"), time.Now().UnixMilli(), 1); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if err := app.Commit(); err != nil {
		t.Error(err)
	}
}

func TestAlertingAfterTheEnd(t *testing.T) {
	t.Parallel()
	e := openEngine(t, Options{})
	start(t, e)()
	if err := e.SetAlerting(Alerting{}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// What the process tells of itself needs no socket, so that TLS and passwords of the targets are nothing to it, and is stored however much it is.
func TestItsOwnMetricsAreScrapedWithoutASocket(t *testing.T) {
	t.Parallel()
	page := &strings.Builder{}
	for i := range maxTargetSamples + 1 {
		fmt.Fprintf(page, "many{i=\"%d\"} 1\n", i)
	}
	e := openEngine(t, Options{Scheme: "https", ScrapeInterval: time.Second, Own: Own{Job: "server", Instance: "here", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, page.String())
	})}})
	if err := e.SetTargets(nil); err != nil {
		t.Fatal(err)
	}
	stop := start(t, e)
	eventually(t, client(t, e), `count by (job, instance) (many)`, fmt.Sprintf(`{instance="here", job="server"} %d`, maxTargetSamples+1))
	stop()
	if _, err := e.hallway.dial(t.Context(), "tcp", ownAddress); !errors.Is(err, ErrClosed) {
		t.Errorf("afterwards it is dialled: %v", err)
	}
}

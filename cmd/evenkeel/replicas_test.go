package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/evenkeel/evenkeel/internal/relaytest"
	"github.com/evenkeel/evenkeel/internal/simulator"
)

// scraped is a simulated cluster whose exporters answer.
type scraped struct {
	live      *simulator.Live
	addresses []string
	config    config.Config
	path      string
}

func startScraped(t *testing.T) scraped {
	t.Helper()
	live, hosts, err := demoCluster(60)
	if err != nil {
		t.Fatal(err)
	}
	exporters, err := listenExporters(live, hosts, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := scraped{live: live, addresses: exporters.addresses()}
	s.path = write(t, filepath.Join(t.TempDir(), "evenkeel.yml"), demoConfig(hosts, s.addresses))
	if s.config, err = config.Load(s.path); err != nil {
		t.Fatal(err)
	}
	inBackground(t, exporters.run, clockwork(live))
	return s
}

// scraping is Debian's Prometheus that scrapes them, through a proxy if one is given.
func scraping(addresses []string, proxy string) other {
	return other{name: "Prometheus that scrapes", program: "/usr/bin/prometheus", answers: "/api/v1/query?query=1", args: func(dir, address string) []string {
		through := ""
		if proxy != "" {
			through = fmt.Sprintf("proxy_url: %q, ", proxy)
		}
		targets, err := json.Marshal(addresses)
		if err != nil {
			panic(err)
		}
		file := filepath.Join(dir, "prometheus.yml")
		text := fmt.Sprintf("{global: {scrape_interval: 1s, scrape_timeout: 1s}, scrape_configs: [{job_name: all, %sstatic_configs: [{targets: %s}]}]}", through, targets)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			panic(err)
		}
		return []string{"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address}
	}}
}

// barrier is a proxy to exporters that can be shut.
type barrier struct {
	url  string
	shut atomic.Bool
}

func newBarrier(t *testing.T) *barrier {
	t.Helper()
	g, pass := &barrier{}, &httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.shut.Load() {
			http.Error(w, "no route", http.StatusBadGateway)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	g.url = srv.URL
	return g
}

// Two of Debian's Prometheus scrape the same exporters. Whatever happens to one, the server reads the other and tells why.
func TestTwoReplicasOfPrometheus(t *testing.T) {
	long(t)
	t.Parallel()
	s, g := startScraped(t), newBarrier(t)
	a, first := runOther(t, scraping(s.addresses, ""))
	b, second := runOther(t, scraping(s.addresses, g.url))
	listen := relaytest.FreeAddress(t)
	n, err := buildNode(serverFlags{web: command.Web{Listen: []string{listen}}, config: s.path, storage: filepath.Join(t.TempDir(), "data"), level: "error",
		prometheusURL: []string{"http://" + a, "http://" + b}}, simulated{s.live}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, n.run)
	state := func(what, used string, words ...string) {
		t.Helper()
		await(t, what, func() error {
			out, err := execute(t, t.Context(), "status", "--server", "http://"+listen)
			if err != nil {
				return err
			}
			for _, w := range append(words, "read from the Prometheus http://"+used) {
				if !strings.Contains(out, w) {
					return fmt.Errorf("status does not say %q: %.1500s", w, out)
				}
			}
			if strings.Contains(out, "LAST PASS FAILED") {
				return errors.New(out)
			}
			_, page, err := fetch(http.DefaultClient, "http://"+listen+"/metrics", "")
			if err != nil {
				return err
			}
			for _, one := range []string{a, b} {
				line := fmt.Sprintf("evenkeel_prometheus_replica_used{url=\"http://%s\"} %d\n", one, map[bool]int{true: 1}[one == used])
				if !strings.Contains(page, line) {
					return fmt.Errorf("no %s", line)
				}
			}
			return nil
		})
	}
	state("both are good", a, "the Prometheus http://"+b+" is not needed: it is as good as http://"+a)
	await(t, "the whole cluster without a gap", func() error {
		seen, err := n.leads.Load().source.Snapshot(t.Context(), time.Now().Add(-2*time.Second))
		return errors.Join(err, complete(seen))
	})

	send(t, first, syscall.SIGSTOP)
	if signs, err := n.leads.Load().source.Signs(t.Context(), time.Now().Add(-time.Second)); err != nil || len(signs) == 0 {
		t.Errorf("signs of life while one hangs: %v %v", signs, err)
	}
	state("the first hangs", b, "THE PROMETHEUS http://"+a+" CANNOT BE USED: it did not answer within 5s")
	send(t, first, syscall.SIGCONT)
	state("the first is back", a, "the Prometheus http://"+b+" is not needed")

	g.shut.Store(true)
	state("the second reaches no exporter", a, "THE PROMETHEUS http://"+b+" CANNOT BE USED: it holds no present data of any host")
	g.shut.Store(false)
	state("the second reaches them again", a, "the Prometheus http://"+b+" is not needed")

	send(t, first, syscall.SIGKILL)
	state("the first is dead", b, "THE PROMETHEUS http://"+a+" CANNOT BE USED: it cannot answer")
	send(t, second, syscall.SIGKILL)
	await(t, "both are dead", func() error {
		out, err := execute(t, t.Context(), "status", "--server", "http://"+listen)
		if err == nil && !strings.Contains(out, "THE LAST PASS FAILED") {
			err = errors.New(out)
		}
		return err
	})
}

func send(t *testing.T, p *os.Process, s syscall.Signal) {
	t.Helper()
	if err := p.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// complete says what is missing of the simulated cluster.
func complete(s cluster.Snapshot) error {
	if len(s.Hosts) != 8 || len(s.VMs) != 60 || len(s.Gaps) > 0 {
		return fmt.Errorf("%d hosts, %d VMs, gaps %v", len(s.Hosts), len(s.VMs), s.Gaps)
	}
	return nil
}

// A replica that lies about one VM, and one that is behind by five minutes.
func TestReplicasThatLieAndLag(t *testing.T) {
	long(t)
	t.Parallel()
	s := startScraped(t)
	base, o := "http://"+startOther(t, scraping(s.addresses, "")), sourceOptions(s.config)
	honest, err := othersSource([]string{base}, "", o)
	if err != nil {
		t.Fatal(err)
	}
	var seen cluster.Snapshot
	await(t, "the whole cluster", func() error {
		var err error
		seen, err = honest.Snapshot(t.Context(), time.Now().Add(-2*time.Second))
		return errors.Join(err, complete(seen))
	})
	victim := seen.VMs[0]
	elsewhere := seen.Hosts[slices.IndexFunc(seen.Hosts, func(h cluster.Host) bool { return h.ID != victim.Host })].ID
	object := regexp.MustCompile(`\{[^{}]*"vm":"` + victim.ID + `"[^{}]*\}`)
	liar := proxied(t, base, nil, func(answer []byte) []byte {
		return object.ReplaceAllFunc(answer, func(metric []byte) []byte {
			return bytes.ReplaceAll(metric, []byte(`"host":"`+victim.Host+`"`), []byte(`"host":"`+elsewhere+`"`))
		})
	})
	laggard := proxied(t, base, func(form url.Values) {
		at, err := strconv.ParseFloat(form.Get("time"), 64)
		if err != nil {
			t.Errorf("time: %v", err)
		}
		form.Set("time", strconv.FormatFloat(at-300, 'f', -1, 64))
	}, nil)
	all, err := othersSource([]string{laggard, base, liar}, "", o)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("two replicas contradict each other: by %s it runs on %s, by %s on %s", base, victim.Host, liar, elsewhere)
	await(t, "what the liar and the laggard say", func() error { // a scrape that is late is a gap of its own, for a moment
		got, err := all.Snapshot(t.Context(), time.Now().Add(-2*time.Second))
		if err != nil {
			return err
		}
		if r := got.Replicas; len(r) != 3 || r[0].Usable || !r[1].Used || !r[2].Usable || !strings.Contains(r[0].Reason, "no present data") {
			return fmt.Errorf("%+v", r)
		}
		if len(got.Gaps) != 1 || got.Gaps[0].Subject != cluster.VMSubject(victim.ID) || got.Gaps[0].Reason != want {
			return fmt.Errorf("gaps %v, want one of %s: %s", got.Gaps, victim.ID, want)
		}
		return nil
	})

	out, err := execute(t, t.Context(), "snapshot", "--config.file", s.path, "--prometheus.url", laggard, "--prometheus.url", base)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := cluster.DecodeSnapshot([]byte(out)); err != nil || len(got.Replicas) != 2 || got.Replicas[0].Used || !got.Replicas[1].Used {
		t.Errorf("without a server: %+v, %v", got.Replicas, err)
	}
}

// proxied is a server in front of another that does something to queries and answers; both may be nil.
func proxied(t *testing.T, to string, asked func(url.Values), answered func([]byte) []byte) string {
	t.Helper()
	srv := httptest.NewServer(passing(t, to, asked, answered))
	t.Cleanup(srv.Close)
	return srv.URL
}

func passing(t *testing.T, to string, asked func(url.Values), answered func([]byte) []byte) http.Handler {
	t.Helper()
	behind, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			if err := p.In.ParseForm(); err != nil {
				t.Error(err)
			}
			form := p.In.Form
			if asked != nil {
				asked(form)
			}
			p.Out.Method, p.Out.Body, p.Out.ContentLength = http.MethodGet, nil, 0
			p.Out.URL.RawQuery = form.Encode()
			p.SetURL(behind)
			p.Out.Header = http.Header{} // what is for the proxy
		},
		ModifyResponse: func(r *http.Response) error {
			if answered == nil {
				return nil
			}
			text, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			text = answered(text)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			r.Header.Set("Content-Length", strconv.Itoa(len(text)))
			return nil
		},
	}
}

// recorder notes what every query came with.
type recorder struct {
	mu   sync.Mutex
	seen []*http.Request
}

func (r *recorder) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.seen = append(r.seen, req.Clone(context.Background()))
		r.mu.Unlock()
		next.ServeHTTP(w, req)
	})
}

// every says which query did not fit.
func (r *recorder) every(t *testing.T, fits func(*http.Request) bool) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) == 0 {
		t.Error("it was not asked")
	}
	for _, req := range r.seen {
		if !fits(req) {
			t.Errorf("%s %s came with %v", req.Method, req.URL, req.Header)
			return
		}
	}
}

// What Thanos, Mimir and VictoriaMetrics want beside a query goes with every one of them. Behind the recorder is Debian's Prometheus, which is none of them.
func TestWhatOthersWantGoesWithEveryQuery(t *testing.T) {
	long(t)
	t.Parallel()
	s := startScraped(t)
	base, o := "http://"+startOther(t, scraping(s.addresses, "")), sourceOptions(s.config)
	tenant := write(t, filepath.Join(t.TempDir(), "client.yml"), "http_headers: {X-Scope-OrgID: {values: [ops]}}\n")
	for name, c := range map[string]struct {
		suffix, file string
		fits         func(*http.Request) bool
	}{
		"Thanos": {"/?dedup=true&partial_response=false", "", func(r *http.Request) bool {
			return r.URL.Query().Get("dedup") == "true" && r.URL.Query().Get("partial_response") == "false"
		}},
		"Mimir": {"/prometheus", tenant, func(r *http.Request) bool {
			return strings.HasPrefix(r.URL.Path, "/prometheus/api/v1/query") && r.Header.Get("X-Scope-Orgid") == "ops"
		}},
		"VictoriaMetrics": {"?nocache=1", "", func(r *http.Request) bool { return r.URL.Query().Get("nocache") == "1" }},
	} {
		t.Run(name, func(t *testing.T) {
			var seen recorder
			srv := httptest.NewServer(seen.wrap(http.StripPrefix(strings.TrimSuffix(regexp.MustCompile(`\?.*`).ReplaceAllString(c.suffix, ""), "/"), passing(t, base, nil, nil))))
			t.Cleanup(srv.Close)
			source, err := othersSource([]string{srv.URL + c.suffix}, c.file, o)
			if err != nil {
				t.Fatal(err)
			}
			await(t, "the whole cluster", func() error {
				got, err := source.Snapshot(t.Context(), time.Now().Add(-2*time.Second))
				return errors.Join(err, complete(got))
			})
			if _, err := source.Moves(t.Context(), time.Now().Add(-10*time.Second), time.Now(), ""); err != nil {
				t.Error(err)
			}
			seen.every(t, c.fits)
		})
	}
	t.Run("an answer in part", func(t *testing.T) {
		part := proxied(t, base, nil, func(answer []byte) []byte {
			return bytes.Replace(answer, []byte(`{"status":"success",`), []byte(`{"status":"success","warnings":["No StoreAPIs matched for this query"],`), 1)
		})
		source, err := othersSource([]string{part}, "", o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := source.Snapshot(t.Context(), time.Now().Add(-2*time.Second)); err == nil || !strings.Contains(err.Error(), part+" warns that its answer may not be whole: No StoreAPIs matched for this query") {
			t.Errorf("%v", err)
		}
		both, err := othersSource([]string{part, base}, "", o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := both.Snapshot(t.Context(), time.Now().Add(-2*time.Second))
		if err != nil || !got.Replicas[1].Used || !strings.Contains(got.Replicas[0].Reason, "No StoreAPIs matched") {
			t.Errorf("%+v %v", got.Replicas, err)
		}
	})
}

// VictoriaMetrics as it comes hides the last 30 s; with nocache=1 in the URL it does not.
func TestVictoriaMetricsAsItComes(t *testing.T) {
	long(t)
	t.Parallel()
	address := startOther(t, other{name: "VictoriaMetrics", program: "/usr/bin/victoria-metrics", answers: "/api/v1/query?query=1", args: func(dir, address string) []string {
		return []string{"-storageDataPath=" + filepath.Join(dir, "data"), "-httpListenAddr=" + address, "-memory.allowedBytes=64MiB"}
	}})
	at := time.Now()
	var page strings.Builder
	for age := 0; age <= 120; age++ { // the value is how old the sample is
		fmt.Fprintf(&page, "evenkeel_host_cpus{host=\"h1\"} %d %d\n", age, at.Add(-time.Duration(age)*time.Second).UnixMilli())
	}
	resp, err := http.Post("http://"+address+"/api/v1/import/prometheus", "text/plain", strings.NewReader(page.String()))
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s %v", resp.Status, err)
	}
	holds := func(suffix, query string) (bool, error) {
		source, err := othersSource([]string{"http://" + address + suffix}, "", promql.Options{Timeout: 10 * time.Second})
		if err != nil {
			return false, err
		}
		return source.Holds(t.Context(), query, at)
	}
	await(t, "the newest sample with nocache", func() error {
		yes, err := holds("/?nocache=1", `evenkeel_host_cpus < bool 2`)
		if err == nil && !yes {
			err = errors.New("it is older than 2 s")
		}
		return err
	})
	if time.Since(at) < 25*time.Second { // later there is nothing to hide
		if yes, err := holds("", `evenkeel_host_cpus < bool 2`); err != nil || yes {
			t.Errorf("without nocache the newest sample is told as well (%v, %v): the documentation is wrong", yes, err)
		}
	} else {
		t.Log("this machine was too slow to see what VictoriaMetrics hides without nocache")
	}
}

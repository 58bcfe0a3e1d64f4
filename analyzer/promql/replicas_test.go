package promql_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// front is what stands in front of a server and does something to its queries or its answers.
type front struct {
	url string
	// off has it answer 503, stuck not at all.
	off, stuck atomic.Bool
	queries    atomic.Int64
}

// inFront passes queries on after change, which may be nil, was done to them.
func inFront(t *testing.T, to string, change func(url.Values)) *front {
	t.Helper()
	behind, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	f, proxy, ended := &front{}, httputil.NewSingleHostReverseProxy(behind), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.queries.Add(1)
		if f.stuck.Load() {
			select {
			case <-r.Context().Done():
			case <-ended:
			}
			return
		}
		if f.off.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		form := r.Form
		if change != nil {
			change(form)
		}
		next := r.Clone(r.Context())
		next.Method, next.Body, next.ContentLength, next.URL.RawQuery = http.MethodGet, http.NoBody, 0, form.Encode()
		proxy.ServeHTTP(w, next)
	}))
	t.Cleanup(func() { close(ended); srv.Close() })
	f.url = srv.URL
	return f
}

// late answers as of five minutes before.
func late(form url.Values) {
	for _, key := range []string{"time", "start", "end"} {
		if seconds, err := strconv.ParseFloat(form.Get(key), 64); err == nil {
			form.Set(key, strconv.FormatFloat(seconds-300, 'f', -1, 64))
		}
	}
}

func replicas(t *testing.T, o promql.Options, urls ...string) *promql.Replicas {
	t.Helper()
	var all []*promql.Source
	for _, u := range urls {
		s, err := promql.New(u, nil, o)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	r, err := promql.NewReplicas(all...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// found takes a snapshot of the replicas, and checks which was used, and what is said of each.
func found(t *testing.T, r *promql.Replicas, used int, reasons ...string) cluster.Snapshot {
	t.Helper()
	s, err := r.Snapshot(t.Context(), time.Unix(0, 0).Add(20*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Replicas) != len(reasons) {
		t.Fatalf("%d replicas are told of, want %d: %+v", len(s.Replicas), len(reasons), s.Replicas)
	}
	for i, one := range s.Replicas {
		if one.Used != (i == used) || !strings.Contains(one.Reason, reasons[i]) {
			t.Errorf("replica %d: %+v; the one to use is %d, the reason %q", i, one, used, reasons[i])
		}
	}
	return s
}

func twoHosts() string {
	return "load 15s\n" + strings.TrimLeft(host("h1", 80, 1)+host("h2", 80, 1)+vm("a", "h1", "running", 0, 80, 1, 0)+vm("b", "h2", "running", 0, 80, 1, 0), "\n")
}

func TestOneOfTheReplicasIsChosenByEvidence(t *testing.T) {
	whole := prometheus(t, twoHosts())
	half := prometheus(t, strings.ReplaceAll(twoHosts(), `evenkeel_host_cpus{instance="h2:9177",host="h2"} 4x80`, `evenkeel_host_cpus{instance="h2:9177",host="h2"} 4x40`))
	first, second, stale := inFront(t, whole, nil), inFront(t, whole, nil), inFront(t, whole, late)
	o := options()

	s := found(t, replicas(t, o, first.url, second.url), 0, "it sees 2 hosts up, none that is usable sees more, and its newest sample is 0s old", "as good as "+first.url)
	if len(s.Gaps) > 0 || len(s.VMs) != 2 || !s.Replicas[1].Usable || s.Replicas[1].HostsUp != 2 || !s.Replicas[0].NewestAgeSeconds.Known {
		t.Errorf("%+v, gaps %v", s.Replicas, s.Gaps)
	}
	if s := found(t, replicas(t, o, half, second.url), 1, "it sees 1 host up, and "+second.url+" sees 2", "it sees 2 hosts up"); len(s.Gaps) > 0 || s.VMs[1].Host != "h2" {
		t.Errorf("gaps %v, VMs %+v", s.Gaps, s.VMs)
	}
	if s := found(t, replicas(t, o, stale.url, second.url), 1, "it sees no host up; its newest sample is 5m0s old", "it sees 2 hosts up"); s.Replicas[0].Usable || s.Replicas[0].NewestAgeSeconds.Value != 300 {
		t.Errorf("%+v", s.Replicas)
	}
	// However old data may be, who has newer ones is asked.
	patient := o
	patient.MaxDataAge = time.Hour
	found(t, replicas(t, patient, stale.url, second.url), 1, "its newest sample is 5m0s older than that of "+second.url, "it sees 2 hosts up")

	// Where none is good what is too old is told as such.
	s = found(t, replicas(t, o, stale.url, inFront(t, whole, func(v url.Values) { late(v); late(v) }).url), 0, "none is usable, and this one was asked all the same", "10m0s old")
	if len(s.Gaps) < 2 || !strings.Contains(s.GapOf("host/h1"), "5m0s old") {
		t.Errorf("gaps %v", s.Gaps)
	}

	first.off.Store(true)
	found(t, replicas(t, o, first.url, second.url), 1, "it cannot answer", "it sees 2 hosts up")
	second.off.Store(true)
	_, err := replicas(t, o, first.url, second.url).Snapshot(t.Context(), time.Unix(1200, 0))
	if err == nil || !strings.Contains(err.Error(), first.url) || !strings.Contains(err.Error(), second.url) {
		t.Errorf("%v; want both named", err)
	}
}

func TestAReplicaThatHangsIsNotWaitedForWithoutEnd(t *testing.T) {
	whole := prometheus(t, twoHosts())
	first, second := inFront(t, whole, nil), inFront(t, whole, nil)
	o := options()
	o.Timeout = 4 * time.Second
	r := replicas(t, o, first.url, second.url)
	found(t, r, 0, "it sees 2 hosts up", "as good")
	at := time.Unix(1200, 0)
	signs := func(want *front) {
		t.Helper()
		before := want.queries.Load()
		all, err := r.Signs(t.Context(), at)
		if err != nil || len(all) != 2 || want.queries.Load() == before {
			t.Errorf("signs %v, %v; asked %d times", all, err, want.queries.Load()-before)
		}
	}
	signs(first)

	first.stuck.Store(true)
	signs(second) // between two snapshots
	asked := first.queries.Load()
	signs(second)
	if first.queries.Load() != asked {
		t.Error("one that hung a moment ago is waited for again, though another answers")
	}
	found(t, r, 1, "it did not answer within 4s", "it sees 2 hosts up")

	first.stuck.Store(false)
	found(t, r, 0, "it sees 2 hosts up", "as good")
	signs(first)

	// One that cannot be used is not asked between snapshots either: what it does not see would look as if it were gone.
	second.off.Store(true)
	found(t, r, 0, "it sees 2 hosts up", "it cannot answer")
	second.off.Store(false)
	first.off.Store(true)
	asked = second.queries.Load()
	if _, err := r.Signs(t.Context(), at); err == nil || second.queries.Load() != asked {
		t.Errorf("%v; want an error without asking the other", err)
	}
	signs(second) // who can answer was looked at again
}

// What is asked beside snapshots goes the same way as they.
func TestEveryQuestionGoesToTheNextReplica(t *testing.T) {
	whole := prometheus(t, twoHosts())
	first, second := inFront(t, whole, nil), inFront(t, whole, nil)
	r := replicas(t, options(), first.url, second.url)
	found(t, r, 0, "it sees 2 hosts up", "as good")
	first.off.Store(true)
	from, to := time.Unix(600, 0), time.Unix(1200, 0)
	for name, ask := range map[string]func() error{
		"moves":  func() error { _, err := r.Moves(t.Context(), from, to, ""); return err },
		"trends": func() error { _, err := r.Trends(t.Context(), "host/h1", from, to); return err },
		"guests": func() error { _, err := r.Guests(t.Context(), to, time.Minute, nil); return err },
		"usage":  func() error { _, err := r.Usage(t.Context(), to, 10*time.Minute); return err },
		"holds": func() error {
			yes, err := r.Holds(t.Context(), "evenkeel_host_cpus == 4", to)
			if err == nil && !yes {
				return fmt.Errorf("it does not hold")
			}
			return err
		},
	} {
		if err := ask(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Trends(t.Context(), "nothing", from, to); err == nil || err.Error() != promql.ErrNoSubject.Error() {
		t.Errorf("%v, want %v", err, promql.ErrNoSubject)
	}
}

// A replica that fails in the middle is left for another, and no snapshot is made of two.
func TestAReplicaThatFailsInTheMiddle(t *testing.T) {
	whole := prometheus(t, twoHosts())
	second := inFront(t, whole, nil)
	broken := inFront(t, whole, func(v url.Values) {
		if strings.HasPrefix(v.Get("query"), "evenkeel_storage_pool_info") {
			v.Set("query", "1 +")
		}
	})
	s := found(t, replicas(t, options(), broken.url, second.url), 1, "it was asked, and failed", "it sees 2 hosts up")
	if s.Replicas[0].Usable || len(s.Hosts[0].Storage) == 0 {
		t.Errorf("%+v", s)
	}
}

func TestReplicasThatContradictEachOther(t *testing.T) {
	o := options()
	honest := prometheus(t, twoHosts())
	lying := prometheus(t, strings.ReplaceAll(twoHosts(), `name="name-a",host="h1"`, `name="name-a",host="h2"`))
	hiding := prometheus(t, "load 15s\n"+strings.TrimLeft(host("h1", 80, 1)+host("h2", 80, 1)+vm("a", "h1", "running", 0, 80, 1, 0), "\n"))
	blind := prometheus(t, "load 15s\n"+strings.TrimLeft(host("h1", 80, 1)+vm("a", "h1", "running", 0, 80, 1, 0), "\n"))
	for name, c := range map[string]struct {
		first, second string
		gaps          map[string]string
	}{
		"the other says elsewhere": {honest, lying, map[string]string{"vm/a": fmt.Sprintf("by %s it runs on h1, by %s on h2", honest, lying)}},
		"the one that is used":     {lying, honest, map[string]string{"vm/a": fmt.Sprintf("by %s it runs on h2, by %s on h1", lying, honest)}},
		"the other does not know":  {honest, hiding, map[string]string{"vm/b": fmt.Sprintf("by %s it runs on h2, by %s nowhere", honest, hiding)}},
		"the one used knows not":   {hiding, honest, map[string]string{"vm/b": fmt.Sprintf("by %s it runs nowhere, by %s on h2", hiding, honest)}},
		"the other cannot see h2":  {honest, blind, nil},
	} {
		s, err := replicas(t, o, c.first, c.second).Snapshot(t.Context(), time.Unix(1200, 0))
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Gaps) != len(c.gaps) {
			t.Errorf("%s: gaps %v", name, s.Gaps)
		}
		for subject, want := range c.gaps {
			if got := s.GapOf(subject); !strings.Contains(got, want) {
				t.Errorf("%s: gap of %s %q, want %q", name, subject, got, want)
			}
		}
	}
}

// What is said of replicas is of the newest instant, also when the past was looked at since.
func TestThePastDoesNotSayWhoIsUsableNow(t *testing.T) {
	whole := prometheus(t, twoHosts())
	first, second := inFront(t, whole, nil), inFront(t, whole, nil)
	r := replicas(t, options(), first.url, second.url)
	found(t, r, 0, "it sees 2 hosts up", "as good")
	first.off.Store(true)
	if s, err := r.Snapshot(t.Context(), time.Unix(900, 0)); err != nil || !s.Replicas[1].Used {
		t.Fatalf("%+v %v", s.Replicas, err)
	}
	if said := r.Said(); len(said) != 2 || !said[0].Used || said[1].Used {
		t.Errorf("%+v", said)
	}
}

// Who asks and goes away says nothing of the replicas.
func TestAQuestionThatIsGivenUpSaysNothingOfTheReplicas(t *testing.T) {
	whole := prometheus(t, twoHosts())
	first, second := inFront(t, whole, nil), inFront(t, whole, nil)
	r := replicas(t, options(), first.url, second.url)
	found(t, r, 0, "it sees 2 hosts up", "as good")
	first.stuck.Store(true)
	second.stuck.Store(true)
	before := first.queries.Load()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for first.queries.Load() == before {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := r.Snapshot(ctx, time.Unix(1200, 0)); err == nil {
		t.Error("there is a snapshot without an answer")
	}
	if said := r.Said(); !said[0].Used || !said[1].Usable {
		t.Errorf("%+v", said)
	}
}

func TestOneSourceIsReadAsItIs(t *testing.T) {
	only := inFront(t, prometheus(t, twoHosts()), nil)
	r := replicas(t, options(), only.url)
	if s, err := r.Snapshot(t.Context(), time.Unix(1200, 0)); err != nil || s.Replicas != nil || len(s.VMs) != 2 || r.Said() != nil {
		t.Errorf("%+v %v", s, err)
	}
}

func TestAddressesAreShownWithoutSecrets(t *testing.T) {
	whole, asked := prometheus(t, twoHosts()), make(chan string, 1000)
	behind, err := url.Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		asked <- user + ":" + password + " " + r.URL.Query().Get("token")
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	address := strings.Replace(srv.URL, "http://", "http://ada:hunter2@", 1) + "/?token=hunter3"
	r := replicas(t, options(), address, whole)
	s := found(t, r, 0, "it sees 2 hosts up", "as good")
	if got := <-asked; got != "ada:hunter2 hunter3" {
		t.Errorf("it was asked with %q", got)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	srv.Close()
	s = found(t, r, 1, "it cannot answer", "it sees 2 hosts up")
	gone := replicas(t, options(), address)
	_, lone := gone.Snapshot(t.Context(), time.Unix(1200, 0))
	_, moves := gone.Moves(t.Context(), time.Unix(600, 0), time.Unix(1200, 0), "")
	for _, shown := range []string{string(text), s.Replicas[0].Reason, fmt.Sprint(lone), fmt.Sprint(moves)} {
		if strings.Contains(shown, "hunter") || !strings.Contains(shown, "http://ada:xxxxx@") {
			t.Errorf("shown: %.1000s", shown)
		}
	}
	for _, bad := range []string{"http://ada:hunter2@host:port", "ada:hunter2@host", "http://", "http://ada:hunter2%zz@host"} {
		if _, err := promql.New(bad, nil, options()); err == nil || strings.Contains(err.Error(), "hunter") || !strings.Contains(err.Error(), "is no address") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestTheSameReplicaTwice(t *testing.T) {
	a, err := promql.New("http://ada:x@one:9090", nil, options())
	if err != nil {
		t.Fatal(err)
	}
	b, err := promql.New("http://ada:y@one:9090?dedup=false", nil, options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := promql.NewReplicas(a, b); err == nil || !strings.Contains(err.Error(), "http://ada:xxxxx@one:9090 is named twice") {
		t.Errorf("%v", err)
	}
	if _, err := promql.NewReplicas(); err == nil {
		t.Error("none is not refused")
	}
}

// A server that warns that its answer is not whole gave none.
func TestWarningsAreErrors(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := "vector"
		if strings.HasSuffix(r.URL.Path, "/query_range") {
			kind = "matrix"
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":%q,"result":[]},"warnings":["receive series from store-3: connection refused"]}`, kind)
	}))
	t.Cleanup(srv.Close)
	s, err := promql.New(srv.URL, nil, options())
	if err != nil {
		t.Fatal(err)
	}
	from, to := time.Unix(600, 0), time.Unix(1200, 0)
	for name, ask := range map[string]func(context.Context) error{
		"snapshot": func(ctx context.Context) error { _, err := s.Snapshot(ctx, to); return err },
		"moves":    func(ctx context.Context) error { _, err := s.Moves(ctx, from, to, "a"); return err },
		"signs":    func(ctx context.Context) error { _, err := s.Signs(ctx, to); return err },
		"trends":   func(ctx context.Context) error { _, err := s.Trends(ctx, "cluster", from, to); return err },
		"usage":    func(ctx context.Context) error { _, err := s.Usage(ctx, to, time.Hour); return err },
		"holds":    func(ctx context.Context) error { _, err := s.Holds(ctx, "up", to); return err },
	} {
		if err := ask(t.Context()); err == nil || !strings.Contains(err.Error(), "receive series from store-3: connection refused") || !strings.Contains(err.Error(), srv.URL) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

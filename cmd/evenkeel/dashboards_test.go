package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/dashboards"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/relaytest"
)

// asked is one query of a dashboard, and where it stands. Marks need not be there.
type asked struct {
	Where, Expr         string
	Instant, MayBeEmpty bool
}

// questions are all queries of a dashboard: those of its panels and of its annotations.
func questions(t *testing.T, d dashboards.Dashboard) []asked {
	t.Helper()
	var model struct {
		Panels []struct {
			Title   string
			Targets []struct {
				RefID   string `json:"refId"`
				Expr    string
				Instant bool
			}
		}
		Annotations struct {
			List []struct{ Name, Expr string }
		}
	}
	if err := json.Unmarshal(d.JSON, &model); err != nil {
		t.Fatal(err)
	}
	var all []asked
	for _, p := range model.Panels {
		for _, q := range p.Targets {
			all = append(all, asked{fmt.Sprintf("%s, panel %q, query %s", d.Title, p.Title, q.RefID), q.Expr, q.Instant, false})
		}
	}
	for _, a := range model.Annotations.List {
		if a.Expr != "" {
			all = append(all, asked{Where: fmt.Sprintf("%s, annotation %q", d.Title, a.Name), Expr: a.Expr, MayBeEmpty: true})
		}
	}
	return all
}

// answers asks the demo's Prometheus as Grafana would and returns how many series came back.
func answers(base, expr string, instant bool) (int, error) {
	now := time.Now()
	at := func(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
	path, values := "query_range", url.Values{"query": {expr}, "start": {at(now.Add(-20 * time.Second))}, "end": {at(now)}, "step": {"4"}}
	if instant {
		path, values = "query", url.Values{"query": {expr}, "time": {at(now)}}
	}
	_, body, err := fetch(http.DefaultClient, base+"/prometheus/api/v1/"+path+"?"+values.Encode(), "")
	if err != nil {
		return 0, err
	}
	var answer struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return 0, err
	}
	if answer.Status != "success" {
		return 0, errors.New(answer.Error)
	}
	return len(answer.Data.Result), nil
}

// Every panel shows something on a cluster that is well, be it that there is nothing to be shown.
func TestEveryQueryOfTheDashboardsIsAnsweredByTheDemo(t *testing.T) {
	long(t)
	t.Setenv("TMPDIR", t.TempDir())
	address := relaytest.FreeAddress(t)
	base := "http://" + address
	background(t, "demo", "--yes", "--web.listen-address", address)
	client := api.NewClient(base, "", nil)
	var moved cluster.Action
	await(t, "a move that was done", func() error {
		cases, err := client.History(t.Context(), "", 50)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(cases, func(c cluster.Case) bool { return c.State == cluster.CaseDone })
		if at < 0 {
			return errors.New("none so far")
		}
		moved = cases[at].Recommendation.Action
		return nil
	})
	var hosts []string
	for i := range 8 {
		hosts = append(hosts, fmt.Sprintf("node%d", i+1))
	}
	words := strings.NewReplacer("${datasource}", "demo", "$cluster", "demo", "$server", strings.ReplaceAll(regexp.QuoteMeta(address), `\`, `\\`), "$hosts", "("+strings.Join(hosts, "|")+")",
		"$host", moved.To, "$uuid", moved.VM, "$vm", moved.Name, "$__range_s", "60", "$__range", "1m", "$__rate_interval", "20s")
	all, err := dashboards.All()
	if err != nil {
		t.Fatal(err)
	}
	var open []asked
	for _, d := range all {
		open = append(open, questions(t, d)...)
	}
	var unanswered []string
	for deadline := time.Now().Add(20 * time.Second); len(open) > 0; {
		var again []asked
		unanswered = nil
		for _, q := range open {
			n, err := answers(base, words.Replace(q.Expr), q.Instant)
			if err == nil && (n > 0 || q.MayBeEmpty) {
				continue
			}
			again, unanswered = append(again, q), append(unanswered, fmt.Sprintf("%s shows nothing (%v):\n%s", q.Where, err, words.Replace(q.Expr)))
		}
		if open = again; time.Now().After(deadline) {
			break // what takes two scrapes is there by now
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, u := range unanswered {
		t.Error(u)
	}
	pushes(t, base)
}

func TestDashboardsAreWrittenIntoADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	out, err := execute(t, t.Context(), "dashboards", "write", dir)
	if err != nil || !strings.HasPrefix(out, filepath.Join(dir, "evenkeel-cluster.json")+"\n") {
		t.Errorf("%v\n%s", err, out)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 8 {
		t.Errorf("%d files, %v", len(files), err)
	}
}

func TestPushTakesItsSecretsFromFilesAndSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	token, open := write(t, filepath.Join(dir, "token"), "secret\n"), write(t, filepath.Join(dir, "open"), "secret")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		err  string
	}{
		{nil, "--grafana.url: say where Grafana is"},
		{[]string{"--grafana.url=http://127.0.0.1:1"}, "who writes to Grafana? give --grafana.token-file"},
		{[]string{"--grafana.url=http://127.0.0.1:1", "--grafana.user=admin"}, "who writes to Grafana?"},
		{[]string{"--grafana.url=http://127.0.0.1:1", "--grafana.user=admin", "--grafana.token-file=" + token}, "one of them is enough"},
		{[]string{"--grafana.url=http://127.0.0.1:1", "--grafana.token-file=" + open}, "everybody on this machine may use it"},
		{[]string{"--grafana.url=http://127.0.0.1:1", "--grafana.user=admin", "--grafana.password-file=" + filepath.Join(dir, "none")}, "--grafana.password-file: open"},
		{[]string{"--grafana.url=http://127.0.0.1:1", "--grafana.token-file=" + token, "--grafana.ca-file=" + filepath.Join(dir, "none")}, "--grafana.ca-file"},
		{[]string{"--grafana.url=grafana", "--grafana.token-file=" + token}, "is no URL of a Grafana"},
		{[]string{"--grafana.url=http://127.0.0.1:1", "--grafana.token-file=" + token, "--annotations=soon"}, "--annotations: not a valid duration"},
		{[]string{"--grafana.url=http://127.0.0.1:1", "--grafana.token-file=" + token}, "list data sources: Get \"http://127.0.0.1:1/api/datasources\""},
	} {
		if _, err := execute(t, t.Context(), append([]string{"dashboards", "push"}, c.args...)...); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v: %v, want %s", c.args, err, c.err)
		}
	}
}

// takes is a Grafana that takes everything, from who gives the password.
type takes struct {
	mu          sync.Mutex
	annotations []map[string]any
}

func (g *takes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if user, password, _ := r.BasicAuth(); user != "admin" || password != "secret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var answer any = map[string]any{"id": 1, "uid": "f", "url": "/d/x"}
	switch r.Method + " " + r.URL.Path {
	case "GET /api/datasources":
		answer = []any{map[string]any{"uid": "p", "name": "Metrics", "type": "prometheus"}}
	case "GET /api/folders":
		answer = []any{}
	case "GET /api/annotations":
		answer = g.annotations
	case "POST /api/annotations":
		var a map[string]any
		if json.NewDecoder(r.Body).Decode(&a) == nil {
			g.annotations = append(g.annotations, a)
		}
	}
	_ = json.NewEncoder(w).Encode(answer) // who has gone away needs no answer
}

// pushes pushes to a Grafana what the server has done, twice.
func pushes(t *testing.T, server string) {
	t.Helper()
	fake := &takes{annotations: []map[string]any{}}
	to := httptest.NewServer(fake)
	defer to.Close()
	args := []string{"dashboards", "push", "--grafana.url=" + to.URL, "--grafana.user=admin", "--grafana.password-file=" + write(t, filepath.Join(t.TempDir(), "password"), "secret"), "--server=" + server, "--annotations=1h"}
	for range 2 {
		if out, err := execute(t, t.Context(), args...); err != nil || !strings.Contains(out, "annotations written") {
			t.Errorf("push: %v\n%s", err, out)
		}
	}
	seen := map[string]bool{}
	for _, a := range fake.annotations {
		tags := fmt.Sprint(a["tags"])
		if seen[tags] || !strings.HasPrefix(tags, "[evenkeel migrate result:") || !strings.Contains(tags, " id:") || !strings.Contains(tags, " vm:") || !strings.Contains(tags, " host:node") {
			t.Errorf("an annotation has the tags %s, or there are two", tags)
		}
		seen[tags] = true
	}
	if len(seen) == 0 {
		t.Error("something was done, and no annotation was written")
	}
}

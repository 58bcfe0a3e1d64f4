package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/dashboards"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// asked is one query of a dashboard, and where it stands.
type asked struct {
	Where, Expr string
	Instant     bool
}

// questions are all queries of a dashboard: those of its panels, its annotations and its variables.
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
			all = append(all, asked{fmt.Sprintf("%s, panel %q, query %s", d.Title, p.Title, q.RefID), q.Expr, q.Instant})
		}
	}
	for _, a := range model.Annotations.List {
		if a.Expr != "" {
			all = append(all, asked{Where: fmt.Sprintf("%s, annotation %q", d.Title, a.Name), Expr: a.Expr})
		}
	}
	return all
}

// answers asks the demo's Prometheus as Grafana would and returns how many series came back.
func answers(base string, q asked) (int, error) {
	now := time.Now()
	at := func(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
	path, values := "query_range", url.Values{"query": {q.Expr}, "start": {at(now.Add(-20 * time.Second))}, "end": {at(now)}, "step": {"4"}}
	if q.Instant {
		path, values = "query", url.Values{"query": {q.Expr}, "time": {at(now)}}
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
	t.Setenv("TMPDIR", t.TempDir())
	address := freePort(t)
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
	for _, d := range all {
		for _, q := range questions(t, d) {
			q.Expr = words.Replace(q.Expr)
			n, err := answers(base, q)
			switch {
			case err != nil:
				t.Errorf("%s: %v\n%s", q.Where, err, q.Expr)
			case n == 0 && !strings.Contains(q.Where, "annotation"):
				t.Errorf("%s shows nothing:\n%s", q.Where, q.Expr)
			}
		}
	}
}

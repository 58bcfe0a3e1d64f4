package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// hourOf is the past of a subject: half an hour of nothing, and a score that rises from 20 to 80.
func hourOf(subject string) cluster.Trends {
	from := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	s := cluster.Trend{Name: "score", Unit: "points", Query: "max(x)"}
	for i := range 31 {
		s.Points = append(s.Points, cluster.TrendPoint{At: from.Add(time.Duration(30+i) * time.Minute), Value: 20 + 2*float64(i)})
	}
	used := cluster.Trend{Name: "memory_demand", Part: "x", Unit: "bytes", Points: []cluster.TrendPoint{{At: from, Value: 3 << 30}}}
	return cluster.Trends{Subject: subject, From: from, To: from.Add(time.Hour), StepSeconds: 60, Series: []cluster.Trend{s, used}}
}

func TestNumbersOverTimeAreDrawn(t *testing.T) {
	asked := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := time.Parse(time.RFC3339, r.URL.Query().Get("from"))
		to, wrong := time.Parse(time.RFC3339, r.URL.Query().Get("to"))
		if err != nil || wrong != nil {
			t.Error(err, wrong)
		}
		asked = fmt.Sprintf("%s %.0f", r.URL.Query().Get("subject"), to.Sub(from).Hours())
		trends := hourOf(r.URL.Query().Get("subject"))
		if strings.HasSuffix(trends.Subject, "gone") {
			trends.Series, trends.Note = []cluster.Trend{}, "nothing is known of it"
		}
		if err := json.NewEncoder(w).Encode(trends); err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	for _, c := range []struct {
		args  []string
		asked string
		words []string
	}{
		{nil, "cluster 24", []string{"cluster from", "a point each 1m0s", "NUMBER", "score", "20.00 points", "50.00 points", "80.00 points", "                ▁▂▂▃▃▃▄▄▅▅▆▆▆▇▇█", "memory demand x", "3.00 GiB"}},
		{[]string{"host", "h/1", "--hours=2"}, "host/h/1 2", []string{"host/h/1"}},
		{[]string{"vm", "web 1"}, "vm/web 1 24", []string{"vm/web 1"}},
		{[]string{"vm", "gone"}, "vm/gone 24", []string{"nothing is known of it"}},
	} {
		out, err := execute(t, t.Context(), append([]string{"trends", "--server", srv.URL}, c.args...)...)
		if err != nil || asked != c.asked {
			t.Errorf("%q: asks for %q, %v", c.args, asked, err)
		}
		for _, w := range c.words {
			if !strings.Contains(out, w) {
				t.Errorf("%q: %q is missing in\n%s", c.args, w, out)
			}
		}
	}
	var got cluster.Trends
	out, err := execute(t, t.Context(), "trends", "--server", srv.URL, "-o", "json")
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || len(got.Series) != 2 || len(got.Series[0].Points) != 31 {
		t.Errorf("as JSON: %s, %v", out, err)
	}
	for _, wrong := range [][]string{{"pool", "x"}, {"host"}, {"host", ""}, {"--hours=0"}, {"--hours=745"}} {
		asked = ""
		if _, err := execute(t, t.Context(), append([]string{"trends", "--server", srv.URL}, wrong...)...); err == nil || asked != "" {
			t.Errorf("%q is asked for: %q", wrong, asked)
		}
	}
}

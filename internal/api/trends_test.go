package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// spans remembers what was asked of it.
type spans struct {
	subject string
	length  time.Duration
	to      time.Time
}

func (s *spans) Trends(_ context.Context, subject string, from, to time.Time) (cluster.Trends, error) {
	*s = spans{subject, to.Sub(from), to}
	return cluster.Trends{Subject: subject, From: from, To: to, Series: []cluster.Trend{}}, nil
}

func TestOverWhichTimeNumbersAreAsked(t *testing.T) {
	judged := analyzer.Judge([]cluster.Snapshot{{At: at(), VMs: []cluster.VM{{ID: "1111", Name: "web1"}, {ID: "2222", Name: "twin"}, {ID: "3333", Name: "twin"}}}}, analyzer.Policy{})
	s, srv := serve(t, &house{board: &judged}, nil)
	asked := &spans{}
	s.SetTrender(asked)
	client := api.NewClient(srv.URL, secret, nil)
	for subject, want := range map[string]string{"cluster": "cluster", "host/a/b": "host/a/b", "vm/1111": "vm/1111", "vm/web1": "vm/1111", "vm/gone": "vm/gone"} {
		if _, err := client.Trends(t.Context(), subject, time.Now().Add(-3*time.Hour), time.Now()); err != nil || asked.subject != want || asked.length != 3*time.Hour || time.Since(asked.to) > time.Minute {
			t.Errorf("%s: %+v, %v", subject, asked, err)
		}
	}
	for query, want := range map[string]time.Duration{"": 24 * time.Hour, "&from=2026-11-01T00:00:00Z&to=2026-12-02T00:00:00Z": 31 * 24 * time.Hour, "&to=2026-11-01T00:00:00Z": 24 * time.Hour, "&hours=744": 744 * time.Hour} {
		resp, err := http.Get(srv.URL + "/api/v1/trends?subject=cluster" + query)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || asked.length != want {
			t.Errorf("%s: %d, over %v", query, resp.StatusCode, asked.length)
		}
	}
	for query, word := range map[string]string{
		"subject=cluster&hours=0": "hours", "subject=cluster&hours=745": "hours", "subject=cluster&hours=1&to=2026-11-01T00:00:00Z": "one of the two",
		"subject=cluster&from=2026-11-01T00:00:00Z&to=2026-11-01T00:00:00Z": "not before", "subject=cluster&from=2026-10-01T00:00:00Z&to=2026-11-02T00:00:00Z": "31 days",
		"subject=cluster&from=yesterday": "from", "subject=cluster&to=now": "to", "subject=vm/twin": "2222, 3333", "subject=vm/": "subject", "subject=pool/x": "subject",
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/trends?"+query, nil))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), word) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	s.SetTrender(trending{errors.New("Prometheus is away")})
	if _, err := client.Trends(t.Context(), "cluster", time.Now().Add(-time.Hour), time.Now()); err == nil || !strings.Contains(err.Error(), "is away") {
		t.Errorf("%v", err)
	}
}

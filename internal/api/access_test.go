package api_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// status asks and returns the answer's status.
func status(t *testing.T, h http.Handler, method, path, token, body string, change ...func(*http.Request)) int {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set(api.TokenHeader, token)
	}
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestEachRoleMayDoItsPartAndNoMore(t *testing.T) {
	pause := `{"kind": "pause", "subject": "cluster"}`
	for _, c := range []struct {
		method, path, body string
		// want are the statuses for nobody, a viewer, an approver and an admin.
		want [4]int
	}{
		{"GET", "/api/v1/status", "", [4]int{200, 200, 200, 200}},
		{"GET", "/api/v1/recommendations/abc/gates", "", [4]int{200, 200, 200, 200}},
		{"GET", "/api/v1/orders", "", [4]int{200, 200, 200, 200}},
		{"POST", "/api/v1/recommendations/abc/approve", "", [4]int{401, 403, 200, 200}},
		{"POST", "/api/v1/recommendations/abc/reject", "", [4]int{401, 403, 200, 200}},
		{"POST", "/api/v1/recommendations/abc/snooze", `{"until": "2026-11-30T00:00:00Z"}`, [4]int{401, 403, 200, 200}},
		{"POST", "/api/v1/orders", pause, [4]int{401, 403, 403, 200}},
		{"DELETE", "/api/v1/orders", pause, [4]int{401, 403, 403, 200}},
		{"POST", "/-/reload", "", [4]int{401, 403, 403, 200}},
	} {
		s, _ := serve(t, &house{}, func() error { return nil })
		for i, token := range []string{"", secret + "eve", secret + "bob", secret} {
			if got := status(t, s, c.method, c.path, token, c.body); got != c.want[i] {
				t.Errorf("%s %s as %d answers %d, want %d", c.method, c.path, i, got, c.want[i])
			}
		}
	}
}

func TestReadingCanTakeATokenToo(t *testing.T) {
	s, _ := serve(t, &house{}, nil)
	s.Configure(api.Access{Tokens: []api.Token{{Name: "eve", Secret: secret, Role: api.Viewer}}}, cluster.LevelManual)
	for token, want := range map[string]int{"": 401, "wrong": 401, secret: 200} {
		if got := status(t, s, "GET", "/api/v1/board", token, ""); got != want {
			t.Errorf("with the token %q: %d, want %d", token, got, want)
		}
	}
}

func TestACertificateIsAsGoodAsAToken(t *testing.T) {
	h := &house{}
	s, _ := serve(t, h, nil)
	with := func(name string, verified bool) func(*http.Request) {
		cert := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
		return func(r *http.Request) {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
			if verified {
				r.TLS.VerifiedChains = [][]*x509.Certificate{{cert}}
			}
		}
	}
	for name, c := range map[string]struct {
		who      string
		verified bool
		want     int
	}{"carol": {"carol", true, 200}, "carol, not verified": {"carol", false, 401}, "a stranger": {"mallory", true, 401}} {
		if got := status(t, s, "POST", "/api/v1/recommendations/abc/approve", "", "", with(c.who, c.verified)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if len(h.said) != 1 || !strings.HasPrefix(h.said[0], "approve abc carol api (certificate)") {
		t.Errorf("heard %q", h.said)
	}
}

func TestWhoAsksTooOftenWaits(t *testing.T) {
	s, _ := serve(t, &house{}, nil)
	last := map[string]int{}
	for range 200 {
		for _, token := range []string{"guess", secret + "bob"} {
			last[token] = status(t, s, "POST", "/api/v1/recommendations/abc/approve", token, "")
		}
	}
	if last["guess"] != http.StatusTooManyRequests || last[secret+"bob"] != http.StatusTooManyRequests {
		t.Errorf("after 200 requests at once: %v", last)
	}
	if got := status(t, s, "POST", "/api/v1/recommendations/abc/approve", secret, ""); got != 200 {
		t.Errorf("somebody else gets %d", got)
	}
	if got := status(t, s, "GET", "/api/v1/status", "", ""); got != 200 {
		t.Errorf("reading gets %d", got)
	}
}

func TestOrdersNameWhatIsThere(t *testing.T) {
	h := &house{standing: cluster.Orders{{Kind: cluster.OrderPause, Subject: "host/h1"}}}
	_, srv := serve(t, h, nil)
	c := api.NewClient(srv.URL, secret, nil)
	ctx := context.Background()
	if o, err := c.Order(ctx, api.OrderRequest{Kind: cluster.OrderPause, Subject: "vm/web1", Reason: "backup"}); err != nil || o.Subject != "vm/1111" || o.Word.Who != "alice" {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := c.Lift(ctx, api.OrderRequest{Kind: cluster.OrderPause, Subject: "host/h2"}); err != nil {
		t.Error(err)
	}
	if o, err := c.Orders(ctx); err != nil || len(o) != 1 || o[0].Subject != "host/h1" {
		t.Errorf("%+v, %v", o, err)
	}
	if e, err := c.Effects(ctx, 1); err != nil || e.Kept != 1 || e.Of != 2 || len(e.Promises) != 1 || e.Promises[0].ID != "newer" || len(e.Standings) != 1 {
		t.Errorf("%+v, %v", e, err)
	}
	if v, err := c.Gates(ctx, "abc"); err != nil || len(v) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := c.Snooze(ctx, "abc", "later ", at()); err != nil {
		t.Error(err)
	}
	want := "order pause vm/1111 abc alice api backup|lift pause host/h2 abc alice api |snooze abc alice api later until 2026-11-22T10:00:00Z"
	if got := strings.Join(h.said, "|"); got != want {
		t.Errorf("heard %q", got)
	}
	h.standing = append(h.standing, cluster.Order{Kind: cluster.OrderPause, Subject: "vm/9999"})
	if _, err := c.Lift(ctx, api.OrderRequest{Kind: cluster.OrderPause, Subject: "vm/9999"}); err != nil {
		t.Errorf("the pause of a VM that is gone: %v", err)
	}
	for _, subject := range []string{"", "host/h9", "vm/nobody", "rack/r1", "clusters"} {
		var r *api.RefusedError
		if _, err := c.Order(ctx, api.OrderRequest{Kind: cluster.OrderPause, Subject: subject}); !errors.As(err, &r) || r.Status != http.StatusBadRequest {
			t.Errorf("%q: %v", subject, err)
		}
	}
	if _, err := c.Order(ctx, api.OrderRequest{Kind: cluster.OrderPause, Subject: "cluster", Reason: strings.Repeat("x", 2000), Until: time.Now()}); err == nil {
		t.Error("a reason of 2,000 bytes was taken")
	}
}

func TestTheClusterCanBePausedBeforeItIsSeen(t *testing.T) {
	h := &house{boardErr: errors.New("no Prometheus")}
	_, srv := serve(t, h, nil)
	c := api.NewClient(srv.URL, secret, nil)
	if _, err := c.Order(context.Background(), api.OrderRequest{Kind: cluster.OrderPause, Subject: "cluster"}); err != nil {
		t.Error(err)
	}
	if o, err := c.Order(context.Background(), api.OrderRequest{Kind: cluster.OrderPause, Subject: "vm/web1"}); err == nil || !strings.Contains(err.Error(), "the whole cluster can be paused") {
		t.Errorf("a VM by a name that nobody knows: %+v, %v", o, err)
	}
}

func TestAPauseWaitsForNoSightOfTheCluster(t *testing.T) {
	h := &house{boardErr: errors.New("connection refused")}
	s, _ := serve(t, h, nil)
	for body, want := range map[string]int{`{"kind": "pause", "subject": "cluster"}`: 200, `{"kind": "pause", "subject": "host/h9"}`: 200, `{"kind": "pause", "subject": "rack/r1"}`: 400} {
		if got := status(t, s, "POST", "/api/v1/orders", secret, body); got != want {
			t.Errorf("%s answers %d, want %d", body, got, want)
		}
	}
}

func TestWhoAmISaysWhomTheServerTakesACallerFor(t *testing.T) {
	s, srv := serve(t, &house{}, nil)
	s.Configure(api.Access{Anonymous: api.Viewer, Tokens: []api.Token{{Name: "alice", Secret: secret, Role: api.Approver}}}, cluster.LevelManual)
	for token, want := range map[string]api.Me{secret: {Name: "alice", Role: "approver"}, "": {Role: "viewer"}, "guess": {Role: "viewer"}} {
		if me, err := api.NewClient(srv.URL, token, nil).WhoAmI(t.Context()); err != nil || me != want {
			t.Errorf("with the token %q: %+v, %v; want %+v", token, me, err, want)
		}
	}
}

// console is called as the key that marks what the console asks, and is another.
type console struct{}

func TestWhatTheConsoleAsksIsAskedByItsPerson(t *testing.T) {
	h := &house{}
	s, _ := serve(t, h, nil)
	access := api.Access{Issuer: "https://login", Groups: map[string]api.Role{"staff": api.Viewer, "virtualisation": api.Approver}, Tokens: []api.Token{{Name: "alice", Secret: secret, Role: api.Approver}}}
	s.Configure(access, cluster.LevelManual)
	from := func(p *api.Person) func(*http.Request) {
		return func(r *http.Request) { *r = *r.WithContext(api.FromConsole(r.Context(), p)) }
	}
	anna := &api.Person{Issuer: "https://login", Name: "anna", Groups: []string{"virtualisation", "staff", "guests"}}
	for name, c := range map[string]struct {
		token  string
		change func(*http.Request)
		want   int
		said   string
	}{
		"a person":                     {"", from(anna), 200, "approve abc anna console (oidc) "},
		"a person, whatever token":     {secret, from(anna), 200, "approve abc anna console (oidc) "},
		"a token on the console":       {secret, from(nil), 200, "approve abc alice console "},
		"a token":                      {secret, func(*http.Request) {}, 200, "approve abc alice api "},
		"a person with a lower role":   {"", from(&api.Person{Issuer: "https://login", Name: "otto", Groups: []string{"staff"}}), 403, ""},
		"a person without a role":      {"", from(&api.Person{Issuer: "https://login", Name: "otto", Groups: []string{"guests"}}), 401, ""},
		"a person of another provider": {"", from(&api.Person{Issuer: "https://other", Name: "anna", Groups: anna.Groups}), 401, ""},
		"a person of no provider":      {"", from(&api.Person{Name: "anna", Groups: anna.Groups}), 401, ""},
		"a context with another's key": {"", func(r *http.Request) { *r = *r.WithContext(context.WithValue(r.Context(), console{}, anna)) }, 401, ""},
	} {
		h.said = nil
		if got := status(t, s, "POST", "/api/v1/recommendations/abc/approve", c.token, "", c.change); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
		if said := strings.Join(h.said, ";"); said != c.said {
			t.Errorf("%s: %q, want %q", name, said, c.said)
		}
	}
	access.Issuer = "" // OpenID is not used any more
	s.Configure(access, cluster.LevelManual)
	if got := status(t, s, "GET", "/api/v1/board", "", "", from(&api.Person{Name: "anna", Groups: anna.Groups})); got != 401 {
		t.Errorf("without a provider a person is let in: %d", got)
	}
}

package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pair is a server that leads and one that hands on to it.
type pair struct {
	leads, follows *httptest.Server
	// leader is who is said to lead.
	leader atomic.Pointer[string]
	// asked is the last request that came to the one that leads.
	asked atomic.Pointer[http.Request]
	// answer answers it, in place of the server.
	answer http.HandlerFunc
}

func newPair(t *testing.T, secrets ...string) *pair {
	t.Helper()
	p := &pair{}
	name := "one"
	p.leader.Store(&name)
	log := slog.New(slog.DiscardHandler)
	secret := func(i int) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) { return []byte(secrets[i]), nil }
	}
	one := New(nil, nil, "test", func() error { return nil }, log)
	one.SetPeers(NewPeers(secret(0), nil, nil, log))
	one.Configure(Access{}, 0)
	p.leads = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Store(r)
		if p.answer != nil {
			p.answer(w, r)
			return
		}
		one.ServeHTTP(w, r)
	}))
	peers := NewPeers(secret(1), func(context.Context) (string, *url.URL, error) {
		if *p.leader.Load() == "" {
			return "", nil, errors.New("nobody leads")
		}
		u, err := url.Parse(p.leads.URL)
		return *p.leader.Load(), u, err
	}, nil, log)
	two := NewFollower(peers, "test", func() error { return nil }, log)
	two.Configure(Access{Tokens: []Token{{Name: "vera", Secret: "v", Role: Viewer}, {Name: "adam", Secret: "a", Role: Admin}}}, 0)
	p.follows = httptest.NewServer(two)
	t.Cleanup(func() {
		p.follows.Close()
		p.leads.Close()
	})
	return p
}

// ask asks the one that hands on, and returns the status and what it said.
func (p *pair) ask(t *testing.T, method, path, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.follows.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestWhatIsHandedOnIsAskedInTheNameOfWhoAsked(t *testing.T) {
	p := newPair(t, "shared", "shared")
	if code, said := p.ask(t, "POST", "/api/v1/actions", "v", "{}"); code != http.StatusForbidden || !strings.Contains(said, "vera is viewer") || p.asked.Load() != nil {
		t.Errorf("vera gets %d: %s", code, said)
	}
	code, said := p.ask(t, "POST", "/api/v1/actions", "a", "{}") // adam may, and it makes no sense
	if code != http.StatusBadRequest || !strings.Contains(said, "kind: is missing") {
		t.Errorf("adam gets %d: %s", code, said)
	}
	got := p.asked.Load()
	if got == nil || got.Header.Get("Authorization") != "" || got.Header.Get(forwardedHeader) == "" {
		t.Errorf("with it came %v", got.Header)
	}
	if code, said := p.ask(t, "POST", "/-/reload", "a", ""); code != http.StatusOK || p.asked.Load() != got {
		t.Errorf("a reload is each server's own, and gives %d: %s", code, said)
	}
}

func TestASealIsForOneRequestAndAWhile(t *testing.T) {
	p := newPair(t, "shared", "shared")
	p.ask(t, "POST", "/api/v1/actions", "a", "{}")
	seal := p.asked.Load().Header.Get(forwardedHeader)
	again := func(path, body, seal string) string {
		req := httptest.NewRequest("POST", p.leads.URL+path, strings.NewReader(body))
		req.Header.Set(forwardedHeader, seal)
		by, err := NewPeers(func(context.Context) ([]byte, error) { return []byte("shared"), nil }, nil, nil, slog.New(slog.DiscardHandler)).forwarded(req)
		if err != nil {
			return err.Error()
		}
		return by.name
	}
	if got := again("/api/v1/actions", "{}", seal); got != "adam" {
		t.Errorf("as it came it is %s's", got)
	}
	for what, got := range map[string]string{
		"for another path": again("/api/v1/orders", "{}", seal), "with another body": again("/api/v1/actions", `{"kind":"migrate"}`, seal),
		"with another name": again("/api/v1/actions", "{}", "e30= "+strings.Split(seal, " ")[1]), "without a seal": again("/api/v1/actions", "{}", strings.Split(seal, " ")[0]),
	} {
		if !strings.Contains(got, "its seal is wrong") {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// Two servers' clocks may be half a minute apart, and not ten.
func TestClocksMayBeApartALittle(t *testing.T) {
	p := NewPeers(func(context.Context) ([]byte, error) { return []byte("shared"), nil }, nil, nil, slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		skew time.Duration
		want string
	}{{30 * time.Second, ""}, {-30 * time.Second, ""}, {10 * time.Minute, "set the servers' clocks"}, {-10 * time.Minute, "set the servers' clocks"}} {
		req := httptest.NewRequest("GET", "/api/v1/status", http.NoBody)
		who, err := identity{Who: "adam", Role: "admin", At: time.Now().Add(c.skew)}.encoded()
		if err != nil {
			t.Fatal(err)
		}
		seal, err := p.seal(who, req, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(forwardedHeader, who+" "+seal)
		_, err = p.forwarded(req)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s apart: %v", c.skew, err)
		}
	}
}

func TestServersThatShareNoSecretBelieveEachOtherNothing(t *testing.T) {
	p := newPair(t, "one", "another")
	if code, said := p.ask(t, "GET", "/api/v1/status", "a", ""); code != http.StatusUnauthorized || !strings.Contains(said, "do both use the same --store?") {
		t.Errorf("it gives %d: %s", code, said)
	}
}

// Who was handed a request and answers nothing is not waited for when another leads.
func TestAStoppedLeaderIsNotWaitedFor(t *testing.T) {
	p := newPair(t, "shared", "shared")
	came := make(chan struct{})
	p.answer = func(_ http.ResponseWriter, r *http.Request) {
		close(came)
		<-r.Context().Done()
	}
	go func() {
		<-came
		other := "two"
		p.leader.Store(&other)
	}()
	if code, said := p.ask(t, "GET", "/api/v1/status", "a", ""); code != http.StatusServiceUnavailable || !strings.Contains(said, "it leads no more") {
		t.Errorf("it gives %d: %s", code, said)
	}
	none := ""
	p.leader.Store(&none)
	if code, said := p.ask(t, "GET", "/api/v1/status", "a", ""); code != http.StatusServiceUnavailable || !strings.Contains(said, "nobody leads") {
		t.Errorf("without a leader it gives %d: %s", code, said)
	}
}

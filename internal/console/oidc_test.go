package console_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/console"
	"github.com/evenkeel/evenkeel/internal/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// issuer is an OpenID provider that can be made to misbehave.
type issuer struct {
	*httptest.Server
	key, foreign *ecdsa.PrivateKey

	mu     sync.Mutex
	asked  url.Values // what the last browser came with
	claims map[string]any
	info   map[string]any
	signs  *ecdsa.PrivateKey
	down   bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{info: map[string]any{}}
	for _, key := range []**ecdsa.PrivateKey{&i.key, &i.foreign} {
		made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		*key = made
	}
	i.signs = i.key
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.down {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		answer(w, map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys", "userinfo_endpoint": i.URL + "/me", "id_token_signing_alg_values_supported": []string{"ES256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		answer(w, i.info)
	})
	mux.HandleFunc("POST /token", i.token)
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	i.become("anna", "virtualisation")
	return i
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client says what it misses
}

// become has the next person who logs in be that one.
func (i *issuer) become(name string, groups ...string) {
	i.claims = map[string]any{"iss": i.URL, "sub": "id-of-" + name, "aud": "evenkeel", "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "preferred_username": name, "groups": groups}
}

// token takes a code, and wants that it comes from who began: the verifier and the secret.
func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	verified := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	_, secret, _ := r.BasicAuth()
	if i.asked.Get("code_challenge_method") != "S256" || i.asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(verified[:]) || secret != "the-secret" || r.PostFormValue("redirect_uri") != i.asked.Get("redirect_uri") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		answer(w, map[string]string{"error": "invalid_grant"})
		return
	}
	says := map[string]any{"nonce": i.asked.Get("nonce")}
	maps.Copy(says, i.claims)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.signs}, (&jose.SignerOptions{}).WithHeader("kid", "one"))
	if err == nil {
		var signed string
		if signed, err = jwt.Signed(signer).Claims(says).Serialize(); err == nil {
			answer(w, map[string]any{"access_token": "access", "token_type": "Bearer", "id_token": signed})
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// door is a console where one logs in at an issuer.
type door struct {
	*issuer
	t       *testing.T
	house   *house
	api     *api.Server
	console *console.Console
	srv     *httptest.Server
	browser *http.Client
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{issuer: newIssuer(t), t: t, house: newHouse(1, plainly)}
	d.api = api.New(d.house, d.house, "test", nil, slog.New(slog.DiscardHandler))
	d.trust("virtualisation")
	c, err := console.New(console.Options{API: d.api, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	d.console = c
	d.console.SetProvider(d.provider(oidc.Options{}))
	d.srv = httptest.NewServer(c)
	t.Cleanup(d.srv.Close)
	d.browser = browser(t)
	d.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), d.issuer.URL) { // the person reads it there
			return http.ErrUseLastResponse
		}
		return nil
	}
	return d
}

func (d *door) provider(o oidc.Options) *oidc.Provider {
	d.t.Helper()
	o.Issuer, o.ClientID, o.ClientSecret, o.RolesClaim, o.Scopes = d.issuer.URL, "evenkeel", "the-secret", "groups", []string{"openid"}
	p, err := oidc.New(o)
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

func (d *door) trust(group string) {
	d.api.Configure(api.Access{Issuer: d.issuer.URL, Groups: map[string]api.Role{group: api.Approver, "staff": api.Nobody}, Tokens: people()}, cluster.LevelManual)
}

// begins goes to the provider, and returns the address to which it would send the browser back.
func (d *door) begins(back string) string {
	d.t.Helper()
	resp, err := d.browser.Get(d.srv.URL + "/login/oidc?back=" + url.QueryEscape(back))
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = to.Query()
	return d.asked.Get("redirect_uri") + "?" + url.Values{"code": {"the-code"}, "state": {d.asked.Get("state")}}.Encode()
}

func TestALoginAtAProviderBecomesASession(t *testing.T) {
	d := newDoor(t)
	if _, page := get(t, d.browser, d.srv.URL+"/login?back=/try"); !strings.Contains(page, `href="/login/oidc?back=%2ftry"`) {
		t.Errorf("the page does not lead to the provider:\n%s", page)
	}
	resp, err := d.browser.Get(d.begins("/recommendations?q=1"))
	code, page := body(t, resp, err)
	if code != http.StatusOK || resp.Header.Get("Refresh") != "0; url=/recommendations?q=1" {
		t.Fatalf("%d, %q\n%s", code, resp.Header.Get("Refresh"), page)
	}
	has(t, page, "You are anna, approver", `href="/recommendations?q=1"`)
	id := d.house.cases[0].Recommendation.ID
	_, page = get(t, d.browser, d.srv.URL+"/recommendations/"+id)
	has(t, page, "anna, approver")
	post(t, d.browser, d.srv.URL+"/recommendations/"+id, "csrf", formToken(t, page), "decision", "approve", "reason", "why not")
	if c := d.house.cases[0]; c.Approval == nil || c.Approval.Who != "anna" || c.Approval.Via != "console (oidc)" {
		t.Errorf("%+v", c.Approval)
	}
	d.trust("others")
	if code, page := get(t, d.browser, d.srv.URL+"/recommendations"); code != http.StatusUnauthorized {
		t.Errorf("without the role: %d\n%s", code, page)
	}
	d.trust("virtualisation")
	if code, _ := get(t, d.browser, d.srv.URL+"/recommendations"); code != http.StatusOK {
		t.Errorf("with the role again: %d", code)
	}
	d.api.Configure(api.Access{Issuer: "https://other.example.org", Groups: map[string]api.Role{"virtualisation": api.Admin}}, cluster.LevelManual)
	if code, _ := get(t, d.browser, d.srv.URL+"/recommendations"); code != http.StatusUnauthorized {
		t.Errorf("another provider is trusted, and the session goes on: %d", code)
	}
}

func TestWhatTheProviderTellsOnlyWhenAskedCounts(t *testing.T) {
	d := newDoor(t)
	delete(d.claims, "groups")
	delete(d.claims, "preferred_username")
	d.info = map[string]any{"sub": "id-of-anna", "preferred_username": "anna", "groups": []string{"virtualisation"}}
	_, page := get(t, d.browser, d.begins("/"))
	has(t, page, "You are anna, approver")
	d.info["sub"] = "id-of-bob"
	code, page := get(t, d.browser, d.begins("/"))
	if code != http.StatusUnauthorized {
		t.Errorf("%d", code)
	}
	has(t, page, "tells of another person")
}

func TestALoginIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(d *door, address string) string
		code  int
		why   string
	}{
		"a state that was made up": {func(_ *door, address string) string { return address + "x" }, http.StatusBadRequest, "did not begin in this browser"},
		"no state":                 {func(_ *door, address string) string { return strings.Split(address, "&state")[0] }, http.StatusBadRequest, "did not begin in this browser"},
		"another browser":          {func(d *door, address string) string { d.browser.Jar = jar(d.t); return address }, http.StatusBadRequest, "did not begin in this browser"},
		"a state that was used":    {used, http.StatusBadRequest, "was used already"},
		"a provider that was replaced": {func(d *door, address string) string {
			d.console.SetProvider(d.provider(oidc.Options{}))
			return address
		}, http.StatusBadRequest, "Begin again"},
		"another's nonce":    {claim("nonce", "old"), http.StatusUnauthorized, "its nonce differs"},
		"another's audience": {claim("aud", "grafana"), http.StatusUnauthorized, "does not hold"},
		"made for another":   {claim("azp", "grafana"), http.StatusUnauthorized, "made for another client"},
		"several audiences, made for whom nobody says": {claim("aud", []string{"evenkeel", "grafana"}), http.StatusUnauthorized, "made for another client"},
		"another issuer":                {claim("iss", "https://other.example.org"), http.StatusUnauthorized, "does not hold"},
		"a token that is over":          {claim("exp", time.Now().Add(-2*time.Minute).Unix()), http.StatusUnauthorized, "does not hold"},
		"a name that cannot be shown":   {claim("preferred_username", "an\u202ena"), http.StatusUnauthorized, "cannot be shown"},
		"a foreign key":                 {func(d *door, address string) string { d.signs = d.foreign; return address }, http.StatusUnauthorized, "does not hold"},
		"a verifier of another login":   {func(d *door, address string) string { d.asked.Set("code_challenge", "other"); return address }, http.StatusUnauthorized, "400 Bad Request: invalid_grant"},
		"an answer of another provider": {func(_ *door, address string) string { return address + "&iss=https://other.example.org" }, http.StatusUnauthorized, "another provider"},
		"a provider that says no": {func(_ *door, address string) string {
			return address + "&error=access_denied&error_description=not+today"
		}, http.StatusUnauthorized, "access_denied not today"},
		"no group":             {func(d *door, address string) string { d.become("otto"); d.info["sub"] = "id-of-otto"; return address }, http.StatusForbidden, "You are otto, in no group"},
		"no group with a role": {func(d *door, address string) string { d.become("<b>", "staff", "<i>guests"); return address }, http.StatusForbidden, "You are &lt;b&gt;, in the groups staff, &lt;i&gt;guests"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t)
			code, page := get(t, d.browser, c.spoil(d, d.begins("/")))
			if code != c.code {
				t.Errorf("%d, want %d", code, c.code)
			}
			has(t, page, c.why, `id="token"`)
			if strings.Contains(page, "the-code") {
				t.Error("the page holds the code")
			}
			if code, _ := get(t, d.browser, d.srv.URL+"/recommendations"); code != http.StatusUnauthorized && name != "a state that was used" {
				t.Errorf("and a session: %d", code)
			}
		})
	}
}

func claim(name string, value any) func(*door, string) string {
	return func(d *door, address string) string {
		d.claims[name] = value
		return address
	}
}

func jar(t *testing.T) http.CookieJar {
	t.Helper()
	return browser(t).Jar
}

// used lets the answer count once, and has the browser keep the cookie that it was told to forget.
func used(d *door, address string) string {
	at, err := url.Parse(address)
	if err != nil {
		d.t.Fatal(err)
	}
	cookies := d.browser.Jar.Cookies(at)
	if code, page := get(d.t, d.browser, address); code != http.StatusOK {
		d.t.Errorf("the first time: %d\n%s", code, page)
	}
	for _, c := range cookies {
		c.Path = at.Path
	}
	d.browser.Jar.SetCookies(at, cookies)
	return address
}

func TestALoginLeadsNowhereElse(t *testing.T) {
	for _, back := range []string{"https://evil.example.org/", "//evil.example.org", `/\evil.example.org`, "/%0d%0aX: y", "javascript:alert(1)", "/" + strings.Repeat("a", 3000)} {
		d := newDoor(t)
		resp, err := d.browser.Get(d.begins(back))
		_, page := body(t, resp, err)
		if to := resp.Header.Get("Refresh"); to != "0; url=/" && to != "0; url=/%0d%0aX:%20y" && to != "0; url=/%0D%0AX:%20y" {
			t.Errorf("%.50q leads to %.50q", back, to)
		}
		if strings.Contains(page, "evil") {
			t.Errorf("%q is linked", back)
		}
	}
}

func TestAProviderThatIsDownLeavesTheToken(t *testing.T) {
	d := newDoor(t)
	d.down = true
	code, page := get(t, d.browser, d.srv.URL+"/login/oidc")
	if code != http.StatusServiceUnavailable {
		t.Errorf("%d", code)
	}
	has(t, page, "does not say how to log in", "502", `id="token"`, "/login/oidc")
	if code, _ := post(t, d.browser, d.srv.URL+"/login", "token", "viewer-token", "back", "/"); code != http.StatusOK {
		t.Errorf("with a token: %d", code)
	}
	d.console.SetProvider(nil)
	if code, page := get(t, d.browser, d.srv.URL+"/login/oidc"); code != http.StatusNotFound || strings.Contains(page, `href="/login/oidc`) {
		t.Errorf("without a provider: %d\n%s", code, page)
	}
}

func TestTheAddressToComeBackToIsTheOneConfigured(t *testing.T) {
	d := newDoor(t)
	d.console.SetProvider(d.provider(oidc.Options{RedirectURL: "https://evenkeel.example.org/login/oidc/callback"}))
	if address := d.begins("/"); !strings.HasPrefix(address, "https://evenkeel.example.org/login/oidc/callback?") {
		t.Errorf("the provider sends people to %s", address)
	}
}

func TestALoginReplacesTheSessionInWhichItBegan(t *testing.T) {
	d := newDoor(t)
	post(t, d.browser, d.srv.URL+"/login", "token", "viewer-token", "back", "/")
	root, err := url.Parse(d.srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	old := d.browser.Jar.Cookies(root)
	address := d.begins("/")
	for _, c := range old { // as a browser that comes from another site
		d.browser.Jar.SetCookies(root, []*http.Cookie{{Name: c.Name, Path: "/", MaxAge: -1}})
	}
	_, page := get(t, d.browser, address)
	has(t, page, "You are anna, approver")
	d.browser.Jar = jar(t)
	d.browser.Jar.SetCookies(root, old)
	if code, _ := get(t, d.browser, d.srv.URL+"/recommendations"); len(old) == 0 || code != http.StatusUnauthorized {
		t.Errorf("the old session (%d cookies) goes on: %d", len(old), code)
	}
}

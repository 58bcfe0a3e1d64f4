package console

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/oidc"
)

const (
	callbackPath = "/login/oidc/callback"
	// loginCookie binds a login that is under way to its browser. It is sent along when the provider sends the person back, which the session's is not.
	loginCookie = "evenkeel_login"
	// loginTime is how long somebody may be at the provider.
	loginTime = 10 * time.Minute
	// mostLogins bounds those under way, mostLoginsOfOne those of one address; beyond it the oldest is given up. maxBack bounds the address that one leads back to, in bytes.
	mostLogins, mostLoginsOfOne, maxBack = 1000, 100, 2000
	// longest is how long a session by OpenID lasts even while it is used: the groups are as the provider knew them when it began.
	longest = 12 * time.Hour
)

// SetProvider says at which OpenID provider people can log in; nil for none. Logins that are under way at another one are given up.
func (c *Console) SetProvider(p *oidc.Provider) { c.provider.Store(p) }

// login is one that is under way.
type login struct {
	oidc.Attempt
	provider *oidc.Provider
	browser  string
	// from is the address that it began at.
	from  string
	back  string
	began time.Time
	// replaces is the ID of the session in which it began, empty without one: its cookie is not sent along when the provider sends the person back.
	replaces string
}

// logins are those under way, by state.
type logins struct {
	mu      sync.Mutex
	byState map[string]login
}

func (l *logins) begin(one login) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byState == nil {
		l.byState = map[string]login{}
	}
	oldest, oldestOfOne, ofOne := "", "", 0
	older := func(state, than string) bool {
		return than == "" || l.byState[state].began.Before(l.byState[than].began)
	}
	for state, other := range l.byState {
		if one.began.Sub(other.began) > loginTime {
			delete(l.byState, state)
			continue
		}
		if older(state, oldest) {
			oldest = state
		}
		if other.from == one.from {
			if ofOne++; older(state, oldestOfOne) {
				oldestOfOne = state
			}
		}
	}
	switch {
	case ofOne >= mostLoginsOfOne:
		delete(l.byState, oldestOfOne) // so that nobody who begins many ends those of others
	case len(l.byState) >= mostLogins:
		delete(l.byState, oldest)
	}
	l.byState[one.State] = one
}

// end takes the login out, so that an answer counts once. It must have begun in the browser, and not too long ago.
func (l *logins) end(state, browser string, now time.Time) (login, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, ok := l.byState[state]
	if !ok || subtle.ConstantTimeCompare([]byte(one.browser), []byte(browser)) != 1 {
		return login{}, false
	}
	delete(l.byState, state)
	return one, now.Sub(one.began) <= loginTime
}

// beginOIDC sends the person to the provider.
func (c *Console) beginOIDC(w http.ResponseWriter, r *http.Request) {
	back := local(r.URL.Query().Get("back"))
	if len(back) > maxBack {
		back = "/"
	}
	provider := c.provider.Load()
	if provider == nil {
		c.offerLogin(w, r, c.person(r), http.StatusNotFound, back, "No OpenID provider is configured (api.oidc).")
		return
	}
	address, attempt, err := provider.Begin(r.Context(), callbackOf(r))
	if err != nil {
		c.options.Log.Error("no login at the OpenID provider", "err", err)
		c.offerLogin(w, r, c.person(r), http.StatusServiceUnavailable, back, err.Error()+". Try again, or use a token.")
		return
	}
	browser := rand.Text() + rand.Text()
	begun := login{Attempt: attempt, provider: provider, browser: browser, from: api.AddressOf(r), back: back, began: time.Now()}
	if old := c.sessions.of(r, time.Now(), false); old != nil {
		begun.replaces = old.id
	}
	c.logins.begin(begun)
	setLogin(w, r, browser, int(loginTime.Seconds()))
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// finishOIDC takes the person back from the provider.
func (c *Console) finishOIDC(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, back, why string) {
		c.options.Log.Warn("login refused", "audit", true, "why", why, "oidc", true, "from", r.RemoteAddr)
		c.offerLogin(w, r, person{}, status, back, why)
	}
	browser := ""
	if cookie, err := r.Cookie(loginCookie); err == nil {
		browser = cookie.Value
	}
	sent := r.URL.Query()
	one, ok := c.logins.end(sent.Get("state"), browser, time.Now())
	if !ok || one.provider != c.provider.Load() {
		refuse(http.StatusBadRequest, "/", "This login did not begin in this browser, was used already, or took longer than 10 minutes. Begin again.")
		return
	}
	setLogin(w, r, "", -1)
	identity, err := one.provider.Finish(r.Context(), one.Attempt, sent)
	if err != nil {
		refuse(http.StatusUnauthorized, one.back, err.Error()+". Begin again, or use a token.")
		return
	}
	who := &api.Person{Issuer: one.provider.Issuer(), Name: identity.Name, Groups: identity.Groups}
	me, err := c.clientFor(r, "", who).WhoAmI(r.Context())
	switch {
	case err != nil:
		refuse(statusOf(err), one.back, err.Error())
	case me.Name == "":
		refuse(http.StatusForbidden, one.back, fmt.Sprintf("You are %s, %s, and none of these has a role here. Who looks after the server can give one (api.oidc.roles).", who.Name, groupsOf(who.Groups)))
	default:
		c.sessions.end(one.replaces)
		c.enter(w, r, session{person: who, ends: time.Now().Add(longest)}, me)
		c.welcome(w, r, me, one.back)
	}
}

// welcome is a page that goes on by itself. A redirect would not do: the browser would take it for one by the provider's site, and not
// send the session's cookie.
func (c *Console) welcome(w http.ResponseWriter, r *http.Request, me api.Me, back string) {
	w.Header().Set("Refresh", "0; url="+back)
	c.render(w, r, person{me: me}, "welcome", http.StatusOK, page{Title: "Logged in", Here: "login", Body: back})
}

const mostGroups = 30

// groupsOf says a person's groups in words.
func groupsOf(groups []string) string {
	if len(groups) == 0 {
		return "in no group"
	}
	shown := groups[:min(len(groups), mostGroups)]
	words := "in the groups " + strings.Join(shown, ", ")
	if more := len(groups) - len(shown); more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}
	return words
}

// callbackOf is where the provider is to send the person back to, as their browser reaches this server.
func callbackOf(r *http.Request) string {
	u := url.URL{Scheme: "http", Host: r.Host, Path: callbackPath}
	if encrypted(r) {
		u.Scheme = "https"
	}
	return u.String()
}

// hostOf names a provider.
func hostOf(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return issuer
	}
	return u.Host
}

func setLogin(w http.ResponseWriter, r *http.Request, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Value: value, Path: "/login/oidc", MaxAge: age, HttpOnly: true, Secure: encrypted(r), SameSite: http.SameSiteLaxMode})
}

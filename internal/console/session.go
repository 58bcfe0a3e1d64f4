package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
)

const (
	sessionCookie = "evenkeel_session"
	// idle is after how long without a request of the person a session ends.
	idle = 8 * time.Hour
	// mostSessions bounds what is kept; beyond it the one that was used longest ago ends.
	mostSessions = 1000
)

// session is one browser in which somebody gave a token, or logged in at an OpenID provider: then the person is not nil.
type session struct {
	id, token string
	person    *api.Person
	used      time.Time
	// ends is when it ends although it is used; zero for never.
	ends time.Time
}

func (s session) over(now time.Time) bool {
	return now.Sub(s.used) > idle || !s.ends.IsZero() && now.After(s.ends)
}

// sessions are those open. The browser holds the ID, the token never leaves the server again.
type sessions struct {
	mu   sync.Mutex
	byID map[string]session
}

// open begins a session, and gives it its ID.
func (s *sessions) open(made session, now time.Time) session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]session{}
	}
	oldest := ""
	for id, one := range s.byID {
		if one.over(now) {
			delete(s.byID, id)
		} else if oldest == "" || one.used.Before(s.byID[oldest].used) {
			oldest = id
		}
	}
	if len(s.byID) >= mostSessions {
		delete(s.byID, oldest)
	}
	made.id, made.used = rand.Text()+rand.Text(), now
	s.byID[made.id] = made
	return made
}

// of is the session of who sent the request, or nil. With use it is kept alive.
func (s *sessions) of(r *http.Request, now time.Time, use bool) *session {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.byID[cookie.Value]
	if !ok || one.over(now) {
		delete(s.byID, cookie.Value)
		return nil
	}
	if use {
		one.used = now
		s.byID[one.id] = one
	}
	return &one
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

// formToken is what a form of this person carries, and no other site can know. Who needs no session has one by certificate.
func (c *Console) formToken(r *http.Request, s *session) string {
	mac := hmac.New(sha256.New, c.key)
	switch {
	case s != nil:
		mac.Write([]byte("session " + s.id))
	case r.TLS != nil && len(r.TLS.PeerCertificates) > 0:
		mac.Write(append([]byte("certificate "), r.TLS.PeerCertificates[0].Raw...))
	default:
		mac.Write([]byte("nobody"))
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// own tells whether the form was on a page that this person was shown.
func (c *Console) own(r *http.Request, s *session) bool {
	return hmac.Equal([]byte(r.PostFormValue("csrf")), []byte(c.formToken(r, s)))
}

var errForeign = errors.New("the form is of another session, or of before the server was started; load the page again")

// encrypted tells whether the person's connection is, also where a proxy before the server sees to that.
func encrypted(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

func (c *Console) showLogin(w http.ResponseWriter, r *http.Request) {
	c.offerLogin(w, r, c.person(r), http.StatusOK, local(r.URL.Query().Get("back")), "")
}

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	token, back := strings.TrimSpace(r.PostFormValue("token")), local(r.PostFormValue("back"))
	refuse := func(status int, why string) {
		c.offerLogin(w, r, c.person(r), status, back, why)
	}
	if token == "" {
		refuse(http.StatusBadRequest, "Give a token.")
		return
	}
	me, err := c.clientFor(r, token, nil).WhoAmI(r.Context())
	switch {
	case err != nil:
		refuse(http.StatusTooManyRequests, err.Error())
	case me.Name == "":
		refuse(http.StatusUnauthorized, "The server does not know this token.")
	default:
		c.enter(w, r, session{token: token}, me)
		http.Redirect(w, r, back, http.StatusSeeOther)
	}
}

// enter begins a session in the browser, in place of the one that it may have.
func (c *Console) enter(w http.ResponseWriter, r *http.Request, made session, me api.Me) {
	if old := c.sessions.of(r, time.Now(), false); old != nil {
		c.sessions.end(old.id)
	}
	s := c.sessions.open(made, time.Now())
	c.options.Log.Info("logged in", "audit", true, "who", me.Name, "role", me.Role, "oidc", s.person != nil, "from", r.RemoteAddr)
	setSession(w, r, s.id, 0)
}

// loginPage is what the page says on which people log in.
type loginPage struct {
	// Back is where they wanted to go, Provider the name of the OpenID provider, empty where there is none.
	Back, Provider string
}

func (c *Console) offerLogin(w http.ResponseWriter, r *http.Request, p person, status int, back, problem string) {
	body := loginPage{Back: back}
	if provider := c.provider.Load(); provider != nil {
		body.Provider = hostOf(provider.Issuer())
	}
	c.render(w, r, p, "login", status, page{Title: "Log in", Here: "login", Problem: problem, Body: body})
}

func (c *Console) logout(w http.ResponseWriter, r *http.Request) {
	s := c.sessions.of(r, time.Now(), false)
	if s != nil && !c.own(r, s) {
		c.fail(w, r, c.person(r), http.StatusForbidden, errForeign)
		return
	}
	if s != nil {
		c.sessions.end(s.id)
	}
	setSession(w, r, "", -1)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func setSession(w http.ResponseWriter, r *http.Request, id string, age int) {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: id, Path: "/", MaxAge: age, HttpOnly: true, Secure: encrypted(r), SameSite: http.SameSiteStrictMode})
}

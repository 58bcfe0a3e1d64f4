// Package console is the web face of a server: pages for people. Everything on them comes from the API, which is asked in
// this process as the person who looks: with the token of their session, or their certificate, from their address. So
// roles, limits and the audit log are the API's, and nobody can do here what they could not do with the command line. The
// package keeps sessions in memory, and judges nothing.
package console

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/oidc"
)

//go:embed assets pages
var files embed.FS

// Options are what a console is told.
type Options struct {
	// API is the server's.
	API http.Handler
	// Queries tells that /prometheus answers here, so that numbers can be linked to the queries that gave them.
	Queries bool
	Version string
	Log     *slog.Logger
}

// Console serves the pages. It is safe for concurrent use.
type Console struct {
	options   Options
	pages     map[string]*template.Template
	sessions  sessions
	key       []byte // of the tokens in forms
	listeners listeners
	handler   http.Handler
	// provider is the OpenID provider, nil where there is none; logins are those under way there.
	provider atomic.Pointer[oidc.Provider]
	logins   logins
}

// New returns a console.
func New(o Options) (*Console, error) {
	c := &Console{options: o, pages: map[string]*template.Template{}, key: make([]byte, 32)}
	c.listeners.over = make(chan struct{})
	_, _ = rand.Read(c.key) // it never fails
	names, err := fs.Glob(files, "pages/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		page, err := template.New("layout.html").Funcs(words()).ParseFS(files, "pages/layout.html", "pages/parts.html", name)
		if err != nil {
			return nil, fmt.Errorf("read the page %s: %w", name, err)
		}
		c.pages[strings.TrimSuffix(strings.TrimPrefix(name, "pages/"), ".html")] = page
	}
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", kept(http.FileServerFS(assets))))
	mux.HandleFunc("GET /{$}", c.shows(c.overview))
	mux.HandleFunc("GET /recommendations", c.shows(c.recommendations))
	mux.HandleFunc("GET /recommendations/{id}", c.shows(c.recommendation))
	mux.HandleFunc("POST /recommendations/{id}", c.decide)
	mux.HandleFunc("GET /hosts/{name}", c.shows(c.host))
	mux.HandleFunc("GET /vms/{id}", c.shows(c.vm))
	mux.HandleFunc("GET /try", c.shows(c.try))
	mux.HandleFunc("POST /act", c.act)
	mux.HandleFunc("POST /orders", c.order)
	mux.HandleFunc("GET /map", c.shows(c.pastMap))
	mux.HandleFunc("GET /journal", c.shows(c.journal))
	mux.HandleFunc("GET /autonomy", c.shows(c.autonomy))
	mux.HandleFunc("GET /settings", c.shows(c.settings))
	mux.HandleFunc("GET /events", c.events)
	mux.HandleFunc("GET /login", c.showLogin)
	mux.HandleFunc("POST /login", c.login)
	mux.HandleFunc("GET /login/oidc", c.beginOIDC)
	mux.HandleFunc("GET "+callbackPath, c.finishOIDC)
	mux.HandleFunc("POST /logout", c.logout)
	mux.HandleFunc("POST /theme", c.setTheme)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.fail(w, r, c.person(r), http.StatusNotFound, errors.New("there is no such page"))
	})
	c.handler = guarded(mux)
	return c, nil
}

// ServeHTTP answers a request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// Run keeps streams open until the context ends, so that the server need not wait for them.
func (c *Console) Run(ctx context.Context) error {
	<-ctx.Done()
	close(c.listeners.over)
	return nil
}

// policy is what a page may load and do: what stands in the assets, and nothing else. So text that got by the escaping would still be
// none that runs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

const maxForm = 16 << 10

// guarded sets the headers that every answer has, and takes forms only from pages of its own.
func guarded(h http.Handler) http.Handler {
	own := http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "same-origin")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		own.ServeHTTP(w, r)
	})
}

// kept lets browsers keep assets, but ask whether they are still the same: their names do not change with their content.
func kept(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "" { // they are not listed
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "private, max-age=300")
		h.ServeHTTP(w, r)
	})
}

// person is who looks, and how the API is asked in their name.
type person struct {
	client  *api.Client
	me      api.Me
	session *session // nil without one
	status  api.Status
	// unseen says why the status is not known.
	unseen error
	// Cases are those that wait or run.
	Cases []cluster.Case
}

// person finds out who asks. A request that the page makes by itself does not keep the session alive.
func (c *Console) person(r *http.Request) person {
	p := person{session: c.sessions.of(r, time.Now(), r.Header.Get(liveHeader) == "")}
	var who session
	if p.session != nil {
		who = *p.session
	}
	p.client = c.clientFor(r, who.token, who.person)
	ctx := r.Context()
	if p.me, p.unseen = p.client.WhoAmI(ctx); p.unseen != nil {
		return p
	}
	if p.status, p.unseen = p.client.Status(ctx); p.unseen == nil {
		p.Cases, p.unseen = p.client.Recommendations(ctx, "")
	}
	return p
}

// May tells whether the person has the role or one above it.
func (p person) May(role string) bool {
	has, err := api.ParseRole(p.me.Role)
	needs, unknown := api.ParseRole(role)
	return err == nil && unknown == nil && has >= needs
}

// clientFor asks the API in the name of who sent the request.
func (c *Console) clientFor(r *http.Request, token string, who *api.Person) *api.Client {
	return api.NewClient("http://console.invalid", token, inside{api: c.options.API, from: r, who: who})
}

// inside hands requests to the API without a socket.
type inside struct {
	api  http.Handler
	from *http.Request
	// who is vouched for by the OpenID provider; nil for who shows a token or a certificate.
	who *api.Person
}

// RoundTrip is part of http.RoundTripper.
func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := r.Clone(api.FromConsole(r.Context(), i.who))
	asked.RemoteAddr, asked.TLS = i.from.RemoteAddr, i.from.TLS
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	a := &answer{header: http.Header{}, status: http.StatusOK}
	i.api.ServeHTTP(a, asked)
	return &http.Response{
		StatusCode: a.status, Header: a.header, Body: readCloser{bytes.NewReader(a.body.Bytes())}, ContentLength: int64(a.body.Len()),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
	}, nil
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// answer keeps what a handler answers.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is part of http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader is part of http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write is part of http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// page is what every page is made from.
type page struct {
	Title string
	// Here is the page's place in the navigation.
	Here     string
	Person   person
	Me       api.Me
	LoggedIn bool
	Status   api.Status
	// State changes when what is shown does.
	State string
	// Still pages are not asked for again by themselves.
	Still bool
	// Form is the token that forms carry, Back where they lead back to.
	Form, Back string
	Theme      string
	Version    string
	Queries    bool
	// Problem is what went wrong with what the person asked for.
	Problem string
	Body    any
}

// Paused are the orders by which nothing at all is done.
func (p page) Paused() []cluster.Order {
	return slices.DeleteFunc(slices.Clone(p.Status.Orders), func(o cluster.Order) bool { return o.Kind != cluster.OrderPause || o.Subject != "cluster" })
}

// Themes are those that a person can choose.
func (page) Themes() []string { return []string{"auto", "light", "dark"} }

// numbers are evidence, of which instant it is, and whether its queries can be asked here.
type numbers struct {
	List    []cluster.Evidence
	At      time.Time
	Queries bool
}

// Numbers hands evidence of an instant to the part that draws it.
func (p page) Numbers(list []cluster.Evidence, at time.Time) numbers {
	return numbers{list, at, p.Queries}
}

// shows makes a handler of what fills a page.
func (c *Console) shows(fill func(r *http.Request, p person) (name, title, here string, body any, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := c.person(r)
		err := p.unseen
		if err == nil && r.Header.Get(liveHeader) == "frame" { // what the page shows does not change, and is not asked for again
			c.render(w, r, p, "frame", http.StatusOK, page{})
			return
		}
		if err == nil {
			name, title, here, body, failed := fill(r, p)
			if failed == nil {
				c.render(w, r, p, name, http.StatusOK, page{Title: title, Here: here, Body: body})
				return
			}
			err = failed
		}
		status := statusOf(err)
		if status == http.StatusUnauthorized {
			c.offerLogin(w, r, p, status, r.URL.RequestURI(), "")
			return
		}
		c.fail(w, r, p, status, err)
	}
}

// cameFrom is the page of this server on which a form was sent, or "".
func cameFrom(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host || r.Method == http.MethodGet {
		return ""
	}
	return local(u.RequestURI())
}

// statusOf is what the API answered, or that it did not.
func statusOf(err error) int {
	if refused := (*api.RefusedError)(nil); errors.As(err, &refused) {
		return refused.Status
	}
	return http.StatusServiceUnavailable
}

func (c *Console) fail(w http.ResponseWriter, r *http.Request, p person, status int, err error) {
	c.render(w, r, p, "problem", status, page{Title: http.StatusText(status), Problem: err.Error(), Body: cameFrom(r)})
}

func (c *Console) render(w http.ResponseWriter, r *http.Request, p person, name string, status int, v page) {
	v.Person, v.Me, v.Status, v.LoggedIn = p, p.me, p.status, p.session != nil
	v.Form, v.Theme, v.Version, v.Queries = c.formToken(r, p.session), theme(r), c.options.Version, c.options.Queries
	v.Back = local(r.URL.RequestURI())
	v.Still = strings.HasPrefix(r.URL.Path, "/login") || status == http.StatusUnauthorized // a provider's answer counts once, and a refusal is to be read
	if r.Method != http.MethodGet || r.URL.Path == callbackPath {
		v.Back = "/"
	}
	if p.unseen == nil {
		v.State = stateOf(p.status, p.Cases)
	}
	var b bytes.Buffer
	if err := c.pages[name].Execute(&b, v); err != nil {
		c.options.Log.Error("page not made", "page", name, "err", err)
		http.Error(w, "the page cannot be made; the server's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser may be gone; there is nobody to tell
}

// local is the address if it leads to this server, or the overview's.
func local(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(address, "\\") {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}

const themeCookie = "evenkeel_theme"

// theme is light or dark where the person chose one.
func theme(r *http.Request) string {
	if cookie, err := r.Cookie(themeCookie); err == nil && (cookie.Value == "light" || cookie.Value == "dark") {
		return cookie.Value
	}
	return "auto"
}

func (c *Console) setTheme(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: themeCookie, Value: url.QueryEscape(r.PostFormValue("theme")), Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: encrypted(r), SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, local(r.PostFormValue("back")), http.StatusSeeOther)
}

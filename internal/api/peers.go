package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// forwardedHeader says in whose name a server hands a request on, sealed with what the servers share.
const forwardedHeader = "X-Evenkeel-Forwarded"

// maxSkew is how far the clocks of two servers may be apart, and how old a request may be that is handed on.
const maxSkew = 2 * time.Minute

// Peers are the servers that look after one cluster together: one leads, and the others hand on to it what they are asked, in the name
// of who asks them. It is safe for concurrent use.
type Peers struct {
	secret func(context.Context) ([]byte, error)
	leader func(context.Context) (id string, at *url.URL, err error)
	proxy  httputil.ReverseProxy
}

// NewPeers returns the peers that share the secret, which is asked for each time. Leader says where the server is that leads, or why none is known; the transport
// is what it is reached by, nil for the usual one.
func NewPeers(secret func(context.Context) ([]byte, error), leader func(context.Context) (id string, at *url.URL, err error), transport http.RoundTripper, log *slog.Logger) *Peers {
	p := &Peers{secret: secret, leader: leader}
	p.proxy = httputil.ReverseProxy{
		Transport: transport,
		ErrorLog:  slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		Rewrite: func(r *httputil.ProxyRequest) {
			to := leaderOf(r.In)
			r.SetURL(to.at)
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			w.Header().Set("Retry-After", "2")
			fail(w, http.StatusServiceUnavailable, fmt.Errorf("%s was asked, and there is no answer: %w; if it is gone another leads in a few seconds: see what came of it, and ask again", leaderOf(r), cmp.Or(context.Cause(r.Context()), err)), nil)
		},
	}
	return p
}

// Servers are the servers that look after a cluster together.
type Servers struct {
	// Store is what they share.
	Store string `json:"store"`
	// Answers is the ID of the server that answered.
	Answers string `json:"answers"`
	// Holds says why it does nothing although it led last: it cannot be sure that it still does. Empty where it leads.
	Holds string `json:"holds,omitempty"`
	// All are those that are known, the one that leads first; Error says why they are not.
	All   []Peer `json:"all,omitempty"`
	Error string `json:"error,omitempty"`
}

// Peer is one of several servers.
type Peer struct {
	ID      string `json:"id"`
	URL     string `json:"url"`
	Version string `json:"version"`
	Leads   bool   `json:"leads"`
}

// SetServers gives the server what knows of the others.
func (s *Server) SetServers(servers func(context.Context) Servers) { s.servers = servers }

// readyToFollow answers whether requests can be handed on.
func (s *Server) readyToFollow(w http.ResponseWriter, r *http.Request) {
	id, _, err := s.peers.leader(r.Context())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	fmt.Fprintln(w, "ready:", id, "leads")
}

// handedTo is the key of the leader that a request is handed on to.
type handedTo struct{}

type leading struct {
	id string
	at *url.URL
}

func (l leading) String() string { return fmt.Sprintf("the server %s at %s", l.id, l.at.Redacted()) }

func leaderOf(r *http.Request) leading {
	l, _ := r.Context().Value(handedTo{}).(leading)
	return l
}

// HandOn hands a request to the server that leads, as it came: who sent it is for that one to find out.
func (p *Peers) HandOn(w http.ResponseWriter, r *http.Request) {
	r.Header.Del(forwardedHeader)
	p.pass(w, r)
}

func (p *Peers) pass(w http.ResponseWriter, r *http.Request) {
	id, at, err := p.leader(r.Context())
	if err != nil {
		w.Header().Set("Retry-After", "2")
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	ctx, cancel := context.WithCancelCause(context.WithValue(r.Context(), handedTo{}, leading{id, at}))
	defer cancel(nil)
	go p.giveUp(ctx, id, cancel)
	p.proxy.ServeHTTP(w, r.WithContext(ctx))
}

// giveUp ends a request that was handed to a server when another leads: who was stopped answers nothing.
func (p *Peers) giveUp(ctx context.Context, id string, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now, _, err := p.leader(ctx); now != id && ctx.Err() == nil {
			cancel(errors.Join(errors.New("it leads no more"), err))
			return
		}
	}
}

// identity is in whose name a request is handed on.
type identity struct {
	Who  string    `json:"who"`
	Via  string    `json:"via"`
	Role string    `json:"role"`
	From string    `json:"from"`
	At   time.Time `json:"at"`
}

func (i identity) encoded() (string, error) {
	text, err := json.Marshal(i)
	return base64.StdEncoding.EncodeToString(text), err
}

// handOn hands a request on in the name of who sent it here.
func (p *Peers) handOn(w http.ResponseWriter, r *http.Request, by caller) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Errorf("read the request: %w", err), nil)
		return
	}
	on := r.Clone(r.Context())
	on.Body, on.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	for _, secret := range []string{"Authorization", "Cookie", TokenHeader} { // they are for this server
		on.Header.Del(secret)
	}
	encoded, err := identity{Who: by.name, Via: by.via, Role: by.role.String(), From: AddressOf(r), At: time.Now()}.encoded()
	if err != nil {
		fail(w, http.StatusInternalServerError, err, nil)
		return
	}
	seal, err := p.seal(encoded, r, body)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err, nil)
		return
	}
	on.Header.Set(forwardedHeader, encoded+" "+seal)
	p.pass(w, on)
}

// seal vouches for an identity and what is asked in its name.
func (p *Peers) seal(identity string, r *http.Request, body []byte) (string, error) {
	secret, err := p.secret(r.Context())
	if err != nil {
		return "", err
	}
	h := hmac.New(sha256.New, secret)
	sum := sha256.Sum256(body)
	fmt.Fprintf(h, "%s\n%s\n%s\n%x", identity, r.Method, r.URL.RequestURI(), sum)
	return base64.StdEncoding.EncodeToString(h.Sum(nil)), nil
}

// forwarded finds out in whose name another server handed a request on.
func (p *Peers) forwarded(r *http.Request) (caller, error) {
	encoded, seal, _ := strings.Cut(r.Header.Get(forwardedHeader), " ")
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return caller{}, errors.Join(errors.New("what was handed on cannot be read"), err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	want, err := p.seal(encoded, r, body)
	if err != nil {
		return caller{}, err
	}
	if !hmac.Equal([]byte(seal), []byte(want)) {
		return caller{}, errors.New("another server handed this on, and its seal is wrong: do both use the same --store?")
	}
	var who identity
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err == nil {
		err = json.Unmarshal(text, &who)
	}
	if err != nil {
		return caller{}, fmt.Errorf("what was handed on cannot be read: %w", err)
	}
	if age := time.Since(who.At).Abs(); age > maxSkew {
		return caller{}, fmt.Errorf("another server handed this on %s ago by its clock, and at most %s is let through: set the servers' clocks", age.Round(time.Second), maxSkew)
	}
	role := Nobody
	if who.Role != Nobody.String() {
		if role, err = ParseRole(who.Role); err != nil {
			return caller{}, err
		}
	}
	return caller{name: who.Who, via: who.Via, role: role, from: who.From}, nil
}

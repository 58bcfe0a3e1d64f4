package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// Role is what somebody may do. Each role may do what those before it may. The zero role may do nothing.
type Role uint8

// The roles.
const (
	Nobody Role = iota
	// Viewer may read.
	Viewer
	// Approver may decide single recommendations as well.
	Approver
	// Operator may pause and resume, and approve in advance.
	Operator
	// Admin may reload the configuration.
	Admin
)

// Roles lists the names of the roles.
func Roles() []string { return []string{"nobody", "viewer", "approver", "operator", "admin"} }

func (r Role) String() string { return Roles()[min(int(r), len(Roles())-1)] }

// ParseRole returns the role of that name.
func ParseRole(name string) (Role, error) {
	if i := slices.Index(Roles(), name); i > 0 {
		return Role(i), nil
	}
	return Nobody, fmt.Errorf("%q is no role; use one of %s", name, strings.Join(Roles()[1:], ", "))
}

// Token gives its bearer a name and a role.
type Token struct {
	Name, Secret string
	Role         Role
}

// Access says who may do what.
type Access struct {
	Tokens []Token
	// Certificates gives roles to client certificates that the web server has verified, by their common name.
	Certificates map[string]Role
	// Issuer is the OpenID provider that is trusted; Groups are the roles that its groups give.
	Issuer string
	Groups map[string]Role
	// Anonymous is the role of those without any of these.
	Anonymous Role
}

// RoleOf is the highest role that a person's groups give, or Nobody.
func (a Access) RoleOf(p Person) Role {
	role := Nobody
	if p.Issuer == "" || p.Issuer != a.Issuer {
		return role
	}
	for _, group := range p.Groups {
		role = max(role, a.Groups[group])
	}
	return role
}

// Person is somebody whom an OpenID provider vouches for.
type Person struct {
	Issuer, Name string
	Groups       []string
}

// console is the key of what a request that comes from the console says of itself.
type console struct{}

// FromConsole marks what is asked with the context as asked by the console, in this process: for the person where it is not nil, else
// for who sends the token or the certificate. Nothing that comes over the network can have it.
func FromConsole(ctx context.Context, p *Person) context.Context {
	return context.WithValue(ctx, console{}, p)
}

// caller is who asks.
type caller struct {
	name string
	via  string
	role Role
	// from is where who asks another server asked from, empty for who asks this one.
	from string
}

// address is where the caller asks from.
func (c caller) address(r *http.Request) string { return cmp.Or(c.from, AddressOf(r)) }

// word is what the caller says, now.
func (c caller) word(reason string) cluster.Approval {
	return cluster.Approval{Who: c.name, Via: c.via, At: time.Now(), Reason: reason}
}

// guarded lets those through who may, not too often, and leaves a line in the log about each request that changes
// something, allowed or not.
func (s *Server) guarded(r route) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		by, err := s.caller(req)
		changes := r.method != http.MethodGet
		answered := &recorder{ResponseWriter: w, status: http.StatusOK}
		switch {
		case (changes || err != nil) && !s.limits.allow(by.address(req), by, time.Now()):
			answered.Header().Set("Retry-After", "1")
			fail(answered, http.StatusTooManyRequests, errors.New("too many requests; wait a second"), nil)
		case by.role < r.role && by.name == "":
			answered.Header().Set("WWW-Authenticate", `Bearer realm="evenkeel"`)
			fail(answered, http.StatusUnauthorized, errors.Join(err, fmt.Errorf("this takes the role %s and so a token: name its file with --token-file, or send it as %s or Authorization: Bearer", r.role, TokenHeader)), nil)
		case by.role < r.role:
			fail(answered, http.StatusForbidden, fmt.Errorf("%s is %s, and this takes the role %s", by.name, by.role, r.role), nil)
		case s.follows && by.from != "":
			answered.Header().Set("Retry-After", "2")
			fail(answered, http.StatusServiceUnavailable, errors.New("another server handed this on, and this one does not lead, or no longer: ask again in a few seconds"), nil)
		case s.follows && !r.here():
			s.peers.handOn(answered, req, by)
		default:
			r.handle(answered, req, by)
		}
		if changes || err != nil {
			s.log.Info("request", "audit", true, "who", by.name, "via", by.via, "role", by.role.String(), "method", req.Method, "path", req.URL.Path, "status", answered.status, "from", by.address(req))
		}
	}
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader is part of http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// caller finds out who asks. Who sends a token that is none may do what is free to all, and is told so where that is
// not enough.
func (s *Server) caller(r *http.Request) (caller, error) {
	if s.peers != nil && r.Header.Get(forwardedHeader) != "" {
		return s.peers.forwarded(r)
	}
	person, console := r.Context().Value(console{}).(*Person)
	if person != nil {
		return s.vouched(*person)
	}
	by, err := s.shown(r)
	if console {
		by.via = strings.Replace(by.via, "api", "console", 1)
	}
	return by, err
}

// vouched is the person, with the role that their groups have now.
func (s *Server) vouched(p Person) (caller, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	role := s.access.RoleOf(p)
	if role == Nobody {
		return caller{role: s.access.Anonymous}, fmt.Errorf("%s has no group with a role any more; log in again", p.Name)
	}
	return caller{name: p.Name, via: "console (oidc)", role: role}, nil
}

// shown is who the token or the certificate of the request belongs to.
func (s *Server) shown(r *http.Request) (caller, error) {
	secret := r.Header.Get(TokenHeader)
	if secret == "" {
		if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			secret = bearer
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if secret != "" {
		return s.access.bearer(secret)
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		name := r.TLS.VerifiedChains[0][0].Subject.CommonName
		if role, ok := s.access.Certificates[name]; ok {
			return caller{name: name, via: "api (certificate)", role: role}, nil
		}
	}
	return caller{role: s.access.Anonymous}, nil
}

func (a Access) bearer(secret string) (caller, error) {
	given := sha256.Sum256([]byte(secret))
	var who caller
	for _, t := range a.Tokens { // all of them, so that the time taken tells nothing
		want := sha256.Sum256([]byte(t.Secret))
		if subtle.ConstantTimeCompare(given[:], want[:]) == 1 {
			who = caller{name: t.Name, via: "api", role: t.Role}
		}
	}
	if who.name == "" {
		return caller{role: a.Anonymous}, errors.New("the token is not one that the server knows")
	}
	return who, nil
}

// AddressOf is where a request came from, without the port.
func AddressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

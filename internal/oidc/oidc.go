// Package oidc asks an OpenID provider who somebody is: the authorization code flow with PKCE, a state and a nonce. It says the
// name and the groups that the provider vouches for, and judges nothing: roles are for the API.
package oidc

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// timeout is for each question to the provider, its answer included.
	timeout = 10 * time.Second
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 256 << 10
	// skew is how far the provider's clock may be behind.
	skew = time.Minute
	// fresh is for how long what the provider says of itself is taken to hold, and patience for how long nobody asks again after it failed to.
	fresh, patience = time.Hour, 5 * time.Second
)

// Options are what the operator wrote.
type Options struct {
	// Issuer is the provider's address, ClientID and ClientSecret what it knows this server by; a public client has no secret.
	Issuer, ClientID, ClientSecret string
	// RedirectURL is where the provider sends people back to; empty to take it from their request.
	RedirectURL string
	Scopes      []string
	// NameClaim holds the person's name, empty for the first there is of preferred_username, email and sub; RolesClaim holds their groups.
	NameClaim, RolesClaim string
	// CAFile holds the certificates that the provider's must be signed by; empty for the system's.
	CAFile string
}

// Identity is whom the provider vouches for.
type Identity struct {
	Name   string
	Groups []string
}

// Attempt is what must be kept while somebody is at the provider.
type Attempt struct {
	State       string
	nonce       string
	verifier    string
	redirectURL string
}

// Provider is an OpenID provider. It is safe for concurrent use.
type Provider struct {
	options Options
	client  *http.Client

	mu     sync.Mutex // held while the provider is asked, so that only one asks
	known  *oidc.Provider
	asked  time.Time
	failed error
}

// New returns a provider, which need not answer yet. The error says why the certificates cannot be read.
func New(o Options) (*Provider, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate; it takes them as PEM", o.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &Provider{options: o, client: &http.Client{Timeout: timeout, Transport: bounded{transport}}}, nil
}

// Options are those that it was made with.
func (p *Provider) Options() Options { return p.options }

// Issuer is the provider's address.
func (p *Provider) Issuer() string { return p.options.Issuer }

// Begin returns the address at the provider to send somebody to, and what to keep meanwhile. Here is the address that they came
// back to if none is configured.
func (p *Provider) Begin(ctx context.Context, here string) (string, Attempt, error) {
	known, err := p.discover(ctx)
	if err != nil {
		return "", Attempt{}, err
	}
	a := Attempt{State: random(), nonce: random(), verifier: oauth2.GenerateVerifier(), redirectURL: p.options.RedirectURL}
	if a.redirectURL == "" {
		a.redirectURL = here
	}
	return p.flow(known, a).AuthCodeURL(a.State, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier)), a, nil
}

// Finish takes what the provider sent with the person who came back, and returns who that is. The state is for the caller to check.
func (p *Provider) Finish(ctx context.Context, a Attempt, sent url.Values) (Identity, error) {
	if code := sent.Get("error"); code != "" {
		return Identity{}, fmt.Errorf("the provider refuses: %s", strings.TrimSpace(short(code)+" "+short(sent.Get("error_description"))))
	}
	if from := sent.Get("iss"); from != "" && from != p.options.Issuer {
		return Identity{}, errors.New("the answer is from another provider than the one that was asked")
	}
	ctx = oidc.ClientContext(ctx, p.client)
	known, err := p.discover(ctx)
	if err != nil {
		return Identity{}, err
	}
	flow := p.flow(known, a)
	tokens, err := flow.Exchange(ctx, sent.Get("code"), oauth2.VerifierOption(a.verifier))
	if err != nil {
		return Identity{}, fmt.Errorf("the provider does not take the code: %w", plain(err))
	}
	raw, _ := tokens.Extra("id_token").(string)
	if raw == "" {
		return Identity{}, errors.New("the provider sent no ID token; api.oidc.scopes must have openid")
	}
	id, err := known.Verifier(&oidc.Config{ClientID: p.options.ClientID, Now: func() time.Time { return time.Now().Add(-skew) }}).Verify(ctx, raw)
	if err != nil {
		return Identity{}, fmt.Errorf("the provider's ID token does not hold: %w", plain(err))
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.nonce)) != 1 {
		return Identity{}, errors.New("the provider's ID token is of another login (its nonce differs)")
	}
	c := claims{}
	if err := id.Claims(&c); err != nil {
		return Identity{}, fmt.Errorf("read the ID token: %w", err)
	}
	if azp, ok := c["azp"]; ok && azp != p.options.ClientID || !ok && len(id.Audience) > 1 {
		return Identity{}, errors.New("the provider's ID token was made for another client (azp)")
	}
	if known.UserInfoEndpoint() != "" && !p.suffice(c) {
		if err := more(ctx, known, flow.TokenSource(ctx, tokens), id.Subject, c); err != nil {
			return Identity{}, err
		}
	}
	return p.identity(c)
}

// more adds to the claims what the provider tells only where it is asked for.
func more(ctx context.Context, known *oidc.Provider, source oauth2.TokenSource, subject string, c claims) error {
	info, err := known.UserInfo(ctx, source)
	if err != nil {
		return fmt.Errorf("the provider does not tell more of the person (userinfo): %w", plain(err))
	}
	if info.Subject != subject {
		return errors.New("the provider tells of another person than the one who logged in (userinfo)")
	}
	told := claims{}
	if err := info.Claims(&told); err != nil {
		return fmt.Errorf("read what the provider tells of the person (userinfo): %w", err)
	}
	for name, value := range told {
		if _, has := c[name]; !has {
			c[name] = value
		}
	}
	return nil
}

func (p *Provider) flow(known *oidc.Provider, a Attempt) *oauth2.Config {
	endpoint := known.Endpoint()
	if p.options.ClientSecret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams // with an empty password a public client would be refused
	}
	return &oauth2.Config{ClientID: p.options.ClientID, ClientSecret: p.options.ClientSecret, Endpoint: endpoint, RedirectURL: a.redirectURL, Scopes: p.options.Scopes}
}

// discover asks the provider where its parts are, or remembers it.
func (p *Provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	age := time.Since(p.asked)
	if p.known != nil && age < fresh {
		return p.known, nil
	}
	if p.failed != nil && age < patience {
		return nil, p.failed
	}
	// The question goes on when who waits for it leaves: the next one wants the same.
	known, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.options.Issuer)
	p.known, p.failed, p.asked = known, nil, time.Now()
	if err != nil {
		p.failed = fmt.Errorf("the provider %s does not say how to log in: %w", p.options.Issuer, plain(err))
	}
	return p.known, p.failed
}

// plain is the error in a line of bounded length: libraries put whole answers of the provider into theirs.
func plain(err error) error {
	if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) {
		said := "it says nothing more"
		if refused.ErrorCode != "" {
			said = strings.TrimSpace(short(refused.ErrorCode) + " " + short(refused.ErrorDescription))
		}
		return fmt.Errorf("%s: %s", refused.Response.Status, said)
	}
	return errors.New(short(err.Error()))
}

// bounded lets answers be only so long.
type bounded struct{ next http.RoundTripper }

// RoundTrip is part of http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

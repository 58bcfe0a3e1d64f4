package fence

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/secret"
	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/common"
	"github.com/stmcginnis/gofish/redfish"
)

// maxBody is how much of an answer of a Redfish service is read, in bytes.
const maxBody = 4 << 20

// Redfish is a BMC that speaks Redfish.
type Redfish struct {
	// URL is its root without /redfish/v1, for example https://bmc1.
	URL      string
	Username string
	// PasswordFile holds the password and is read at each use.
	PasswordFile string
	// System is the ID of the host's system, where the service has several.
	System string
	// CAFile holds the certificates that its own is verified by, in PEM, in place of the machine's.
	CAFile string
	// Insecure takes any certificate, and http.
	Insecure bool
}

// String names the service and the system.
func (s Redfish) String() string { return strings.TrimSuffix("redfish "+s.URL+" "+s.System, " ") }

func (s Redfish) status(ctx context.Context) (cluster.PowerState, error) {
	state := cluster.PowerUnknown
	err := s.do(ctx, func(system *redfish.ComputerSystem) error {
		switch system.PowerState {
		case redfish.OffPowerState:
			state = cluster.PowerOff
		case redfish.OnPowerState, redfish.PoweringOnPowerState, redfish.PoweringOffPowerState, redfish.PausedPowerState:
			state = cluster.PowerOn // only off is off
		default:
			return fmt.Errorf("its PowerState is %q, which is neither on nor off", cut(string(system.PowerState)))
		}
		return nil
	})
	return state, err
}

func (s Redfish) turn(ctx context.Context, to cluster.PowerState) error {
	reset := redfish.OnResetType
	if to == cluster.PowerOff {
		reset = redfish.ForceOffResetType
	}
	return s.do(ctx, func(system *redfish.ComputerSystem) error { return system.Reset(reset) })
}

// do finds the system and does something with it. Errors hold no secrets.
func (s Redfish) do(ctx context.Context, f func(*redfish.ComputerSystem) error) error {
	password, err := secret.Read(s.PasswordFile)
	if err != nil {
		return fmt.Errorf("read the password of %s: %w", s, err)
	}
	began := time.Now()
	system, err := s.find(ctx, password)
	if err == nil {
		err = f(system)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ended(ctx, time.Since(began))
	}
	return errors.New(plain(err, []string{password, s.Username + ":" + password}))
}

func (s Redfish) find(ctx context.Context, password string) (*redfish.ComputerSystem, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	// Basic authentication: a session would have to be ended, and BMCs have few of them.
	api, err := gofish.ConnectContext(ctx, gofish.ClientConfig{Endpoint: strings.TrimSuffix(s.URL, "/"), HTTPClient: client,
		Username: s.Username, Password: password, BasicAuth: true})
	if err != nil {
		return nil, err
	}
	systems, err := api.Service.Systems()
	if s.System == "" && err == nil && len(systems) == 1 {
		return systems[0], nil
	}
	var ids []string
	for _, system := range systems {
		if s.System != "" && system.ID == s.System {
			return system, nil
		}
		ids = append(ids, system.ID)
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	if s.System == "" {
		return nil, fmt.Errorf("it has %d systems (%s); say which by system", len(ids), cut(strings.Join(ids, ", ")))
	}
	return nil, fmt.Errorf("it has no system %s; it has %s", s.System, cut(strings.Join(ids, ", ")))
}

func (s Redfish) client() (*http.Client, error) {
	root, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	if root.Scheme != "https" && !s.Insecure {
		return nil, fmt.Errorf("%s would send the password in clear text; write https, or insecure: true where the network itself is trusted", s.URL)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.Insecure}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA of %s: %w", s, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", s.CAFile)
		}
	}
	// No proxy: what switches hosts must not depend on one. One connection a request, as gofish wants it.
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	return &http.Client{Transport: guard{root, transport}}, nil
}

// guard keeps requests, and the password in them, with the service that was configured, and answers in bounds.
type guard struct {
	root *url.URL
	next http.RoundTripper
}

// RoundTrip passes the request on, or refuses it.
func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != g.root.Scheme || r.URL.Host != g.root.Host || r.URL.User != nil {
		return nil, fmt.Errorf("it refers to another service, %s://%s, which is not asked", cut(r.URL.Scheme), cut(r.URL.Host))
	}
	resp, err := g.next.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxBody), resp.Body}
	}
	return resp, err
}

// plain says what an error of the service means, without the secrets.
func plain(err error, secrets []string) string {
	say := func(text string) string { return cut(redact(text, secrets)) }
	e := answer(err)
	if e == nil || e.HTTPReturnedStatusCode == 0 {
		return say(err.Error())
	}
	said := e.Message
	if len(e.ExtendedInfos) > 0 && e.ExtendedInfos[0].Message != "" {
		said = e.ExtendedInfos[0].Message
	}
	if code := e.HTTPReturnedStatusCode; code == http.StatusUnauthorized || code == http.StatusForbidden {
		return say(fmt.Sprintf("HTTP %d: the user is refused; look at username, the password file, and the user's right to control power. %s", code, said))
	}
	return say(fmt.Sprintf("HTTP %d: %s", e.HTTPReturnedStatusCode, said))
}

// answer is what the service said about a request that it refused, or nil. Of several it is the first by their links.
func answer(err error) *common.Error {
	var several *common.CollectionError
	if errors.As(err, &several) {
		for _, link := range slices.Sorted(maps.Keys(several.Failures)) {
			if e := answer(several.Failures[link]); e != nil {
				return e
			}
		}
	}
	var e *common.Error
	errors.As(err, &e)
	return e
}

// cut bounds what others say.
func cut(text string) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?")
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + " …"
	}
	return text
}

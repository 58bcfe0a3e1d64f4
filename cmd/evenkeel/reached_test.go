package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
)

// reached is a server with TLS in front of Debian's Prometheus that lets in only who is let in.
func reached(t *testing.T, prometheus string, clients *x509.CertPool, let func(*http.Request) bool) (address, ca string) {
	t.Helper()
	cert, key, _ := certificate(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pass := passing(t, prometheus, nil, nil)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !let(r) {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		srv.TLS.ClientCAs, srv.TLS.ClientAuth = clients, tls.RequireAndVerifyClientCert
	}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of those who are not let in
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL, cert
}

// Each way to say who one is reaches a server with TLS, and nothing less does.
func TestPrometheusIsReachedAsTheFileSays(t *testing.T) {
	base := "http://" + startOther(t, scraping([]string{}, ""))
	cert, key, _ := certificate(t)
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(pem)
	everybody := func(*http.Request) bool { return true }
	for name, c := range map[string]struct {
		clients     *x509.CertPool
		let         func(*http.Request) bool
		right, less string
	}{
		"basic auth": {nil, func(r *http.Request) bool {
			user, password, _ := r.BasicAuth()
			return user == "evenkeel" && password == "hunter2"
		}, "basic_auth: {username: evenkeel, password_file: password}\n", "basic_auth: {username: evenkeel, password: wrong}\n"},
		"bearer": {nil, func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer hunter2" },
			"authorization: {credentials_file: password}\n", "authorization: {credentials: wrong}\n"},
		"a certificate": {clients, everybody, fmt.Sprintf("tls_config: {ca_file: $ca, cert_file: %q, key_file: %q}\n", cert, key), ""},
		"a tenant": {nil, func(r *http.Request) bool { return r.Header.Get("X-Scope-OrgID") == "ops" },
			"http_headers: {X-Scope-OrgID: {values: [ops]}}\n", "http_headers: {X-Scope-OrgID: {values: [dev]}}\n"},
		"a tenant and a password": {nil, func(r *http.Request) bool {
			_, password, _ := r.BasicAuth()
			return password == "hunter2" && r.Header.Get("X-Scope-OrgID") == "hunter2"
		}, "http_headers: {X-Scope-OrgID: {files: [password]}}\nbasic_auth: {username: evenkeel, password_file: password}\n", "basic_auth: {username: evenkeel, password_file: password}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			address, ca := reached(t, base, c.clients, c.let)
			dir := t.TempDir()
			write(t, filepath.Join(dir, "password"), "hunter2\n")
			ask := func(text string) error {
				if strings.Contains(text, "$ca") {
					text = strings.ReplaceAll(text, "$ca", fmt.Sprintf("%q", ca))
				} else if text != "" {
					text += fmt.Sprintf("tls_config: {ca_file: %q}\n", ca)
				}
				source, err := othersSource([]string{address}, write(t, filepath.Join(dir, "client.yml"), text), promql.Options{Timeout: 10 * time.Second})
				if err != nil {
					return err
				}
				yes, err := source.Holds(t.Context(), "vector(1)", time.Now())
				if err == nil && !yes {
					err = fmt.Errorf("it does not hold")
				}
				return err
			}
			if err := ask(c.right); err != nil {
				t.Errorf("what is right is refused: %v", err)
			}
			for _, less := range []string{c.less, "# trusts the server\nenable_http2: true\n"} {
				if err := ask(less); err == nil || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%q: %v; want a refusal without the password", less, err)
				}
			}
			source, err := othersSource([]string{address}, "", promql.Options{Timeout: 10 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := source.Holds(t.Context(), "vector(1)", time.Now()); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("a certificate that nobody vouches for: %v", err)
			}
		})
	}
}

// A server that is told nonsense of Prometheus does not start, and says where it stands.
func TestNonsenseAboutPrometheusIsRefused(t *testing.T) {
	dir := t.TempDir()
	config, client := write(t, filepath.Join(dir, "evenkeel.yml"), oneHost), filepath.Join(dir, "client.yml")
	write(t, client, "tls_config:\n  cafile: x\n")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--prometheus.url=http://ada:hunter2@one:port"}, "--prometheus.url: the URL of Prometheus is no address: "},
		{[]string{"--prometheus.url=http://one", "--prometheus.url=http://one?x=hunter2"}, "--prometheus.url: http://one is named twice"},
		{[]string{"--prometheus.url=http://one", "--prometheus.http.config.file=" + filepath.Join(dir, "none.yml")}, "--prometheus.http.config.file: open " + dir + "/none.yml: no such file"},
		{[]string{"--prometheus.url=http://one", "--prometheus.http.config.file=" + client}, "--prometheus.http.config.file: " + client + `:2: tls_config: there is no key "cafile" here`},
	} {
		out, err := execute(t, t.Context(), append([]string{"server", "--config.file=" + config, "--storage.path=" + filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0"}, c.args...)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error()+out, "hunter2") {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/relaytest"
	"golang.org/x/crypto/bcrypt"
)

// execute runs a subcommand in this process and returns what it prints.
func execute(t *testing.T, ctx context.Context, args ...string) (string, error) {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return out.String(), err
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// background runs a subcommand until the test ends.
func background(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := execute(t, ctx, args...)
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%v ended with %v", args, err)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%v does not end", args)
		}
	})
}

// long leaves a test that runs servers for a while to make test, where what is quick is asked for.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("LEFT OUT, since -short is given: it runs servers for a while; make test runs it")
	}
}

func await(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func fetch(client *http.Client, url, user string) (int, string, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	if user != "" {
		req.SetBasicAuth(user, "secret")
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// certificate makes a self-signed one for 127.0.0.1 and returns its files and a client that trusts it.
func certificate(t *testing.T) (certFile, keyFile string, client *http.Client) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	dir := t.TempDir()
	certFile = write(t, filepath.Join(dir, "cert.pem"), string(certPEM))
	keyFile = write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

func TestTheExporterServesWithTLSAndAPassword(t *testing.T) {
	cert, key, client := certificate(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	web := write(t, filepath.Join(t.TempDir(), "web.yml"), fmt.Sprintf("tls_server_config: {cert_file: %q, key_file: %q}\nbasic_auth_users: {prometheus: %q}\n", cert, key, hash))
	addr := relaytest.FreeAddress(t)
	background(t, "exporter", "--libvirt.uri=test:///default", "--web.listen-address="+addr, "--web.config.file="+web, "--log.level=error")
	await(t, "the exporter", func() error {
		code, body, err := fetch(client, "https://"+addr+"/metrics", "prometheus")
		if err == nil && (code != http.StatusOK || !strings.Contains(body, `evenkeel_exporter_libvirt_up{uri="test:///default"} 1`)) {
			err = fmt.Errorf("%d %s", code, body)
		}
		return err
	})
	if code, _, err := fetch(client, "https://"+addr+"/metrics", ""); err != nil || code != http.StatusUnauthorized {
		t.Errorf("without a password: %d %v", code, err)
	}
	if code, _, err := fetch(http.DefaultClient, "http://"+addr+"/metrics", "prometheus"); err == nil && code == http.StatusOK {
		t.Error("it answers in clear text")
	}
	for path, want := range map[string]string{"/": "evenkeel exporter", "/-/healthy": "healthy"} {
		if code, body, err := fetch(client, "https://"+addr+path, "prometheus"); err != nil || code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %v %s", path, code, err, body)
		}
	}
}

func TestAHypervisorThatIsNotThereIsAMetricAndNoCrash(t *testing.T) {
	addr := relaytest.FreeAddress(t)
	background(t, "exporter", "--libvirt.uri=qemu+unix:///system?socket=/nonexistent", "--libvirt.uri=test:///default", "--web.listen-address="+addr, "--log.level=error")
	await(t, "the exporter", func() error {
		_, body, err := fetch(http.DefaultClient, "http://"+addr+"/metrics", "")
		if err == nil && (!strings.Contains(body, `evenkeel_exporter_libvirt_up{uri="qemu+unix:///system?socket=/nonexistent"} 0`) || !strings.Contains(body, `evenkeel_exporter_libvirt_up{uri="test:///default"} 1`)) {
			err = errors.New(body)
		}
		return err
	})
}

const oneHost = "cluster: tiny\nhosts: [{name: nowhere, uri: 'qemu+unix:///system?socket=/nonexistent', exporter: '127.0.0.1:1'}]\nscrape: {interval: 1s, timeout: 1s}\nanalysis: {interval: 1s, window: 4s, max_data_age: 2s}\n"

func TestTheServerRunsReloadsAndSaysWhatItCannotSee(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "evenkeel.yml"), oneHost)
	addr := relaytest.FreeAddress(t)
	url := "http://" + addr
	background(t, "server", "--config.file="+file, "--storage.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=error")
	await(t, "readiness", func() error {
		code, body, err := fetch(http.DefaultClient, url+"/-/ready", "")
		if err == nil && code != http.StatusOK {
			err = errors.New(body)
		}
		return err
	})
	ask := []string{"--server=" + url, "--token-file=" + filepath.Join(dir, "data", "token")}
	out, err := execute(t, context.Background(), append([]string{"status"}, ask...)...)
	if err != nil || !strings.Contains(out, "cluster tiny") || !strings.Contains(out, "NOT SEEN host/nowhere") {
		t.Errorf("status: %v %s", err, out)
	}
	if out, err := execute(t, context.Background(), append([]string{"recommendations"}, ask...)...); err != nil || !strings.Contains(out, "nothing is advised") {
		t.Errorf("recommendations: %v %s", err, out)
	}
	if out, err := execute(t, context.Background(), append([]string{"approve", "nonsense"}, ask...)...); err == nil || !strings.Contains(err.Error(), "nonsense: nonsense: no such recommendation") {
		t.Errorf("approve: %v %s", err, out)
	}
	await(t, "the server's own metrics in its Prometheus", func() error {
		_, body, err := fetch(http.DefaultClient, url+"/prometheus/api/v1/query?query=evenkeel_analyzer_passes_total", "")
		if err == nil && !strings.Contains(body, `"result":"success"`) {
			err = errors.New(body)
		}
		return err
	})
	info, err := os.Stat(filepath.Join(dir, "data", "token"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token: %v %v", err, info.Mode())
	}
	write(t, file, strings.Replace(oneHost, "tiny", "renamed", 1))
	if out, err := execute(t, context.Background(), append([]string{"reload"}, ask...)...); err != nil || out != "reloaded\n" {
		t.Errorf("reload: %v %s", err, out)
	}
	await(t, "the new name", func() error {
		out, err := execute(t, context.Background(), append([]string{"status"}, ask...)...)
		if err == nil && !strings.Contains(out, "cluster renamed") {
			err = errors.New(out)
		}
		return err
	})
	write(t, file, "hosts: nonsense")
	if out, err := execute(t, context.Background(), append([]string{"reload"}, ask...)...); err == nil || !strings.Contains(err.Error(), "evenkeel.yml") {
		t.Errorf("reload of a bad file: %v %s", err, out)
	}
}

const crowded = `{"version": 1, "cluster": "prod", "at": "2026-11-22T10:00:00Z",
 "hosts": [{"id": "h1", "state": "up", "cpu_cores": 4, "memory_bytes": 17179869184}, {"id": "h2", "state": "up", "cpu_cores": 4, "memory_bytes": 17179869184}],
 "vms": [{"id": "1", "name": "web1", "host": "h1", "state": "running", "vcpus": 4, "memory_bytes": 1073741824, "cpu_demand_cores": 2, "memory_demand_bytes": 0, "movable": true},
         {"id": "2", "name": "web2", "host": "h1", "state": "running", "vcpus": 4, "memory_bytes": 1073741824, "cpu_demand_cores": 2, "memory_demand_bytes": 0, "movable": false}]}`

func TestAPlanFromAFile(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "snapshot.json"), crowded)
	out, err := execute(t, context.Background(), "plan", "--snapshot="+file, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var p plan.Plan
	if err := json.Unmarshal([]byte(out), &p); err != nil || len(p.Actions) != 1 || p.Actions[0].VM != "1" || p.Actions[0].To != "h2" || p.After.Score <= p.Before.Score {
		t.Errorf("%v %s", err, out)
	}
	if len(p.Refused) != 1 || p.Refused[0].Subject != "vm/2" {
		t.Errorf("refused: %+v", p.Refused)
	}
	out, err = execute(t, context.Background(), "plan", "--snapshot="+file)
	if err != nil || !strings.Contains(out, "migrate web1 from h1 to h2") || !strings.Contains(out, "no more because:") {
		t.Errorf("%v %s", err, out)
	}
}

func TestMistakesOnTheCommandLineAreToldWithWhatToDo(t *testing.T) {
	dir := t.TempDir()
	bad := write(t, filepath.Join(dir, "bad.yml"), "hosts:\n  - {name: h1, uri: h1}\n")
	good := write(t, filepath.Join(dir, "good.yml"), oneHost)
	cut := write(t, filepath.Join(dir, "cut.json"), crowded[:200])
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"check-config", bad}, "bad.yml:2: hosts[0].uri:"},
		{[]string{"server", "--config.file=" + filepath.Join(dir, "no.yml")}, "no such file"},
		{[]string{"plan", "--snapshot=" + cut}, "cut.json: line"},
		{[]string{"plan", "--prometheus.url=http://127.0.0.1:1"}, "needs --config.file"},
		{[]string{"plan", "--prometheus.url=http://127.0.0.1:1", "--config.file=" + good}, "refused"},
		{[]string{"approve"}, "name recommendations by ID, or give --all"},
		{[]string{"approve", "x", "--all"}, "name recommendations by ID, or give --all"},
		{[]string{"status", "-o", "xml"}, `--output: "xml" is none; use table or json`},
		{[]string{"status", "--server=http://127.0.0.1:1"}, "is it running? name another with --server"},
		{[]string{"where", "x", "--at=then"}, `--at: "then" is no time`},
		{[]string{"exporter", "--log.level=loud"}, `--log.level: "loud" is none`},
		{[]string{"exporter", "--web.config.file=" + bad}, "--web.config.file"},
		{[]string{"frobnicate"}, `unknown command "frobnicate"`},
	} {
		if out, err := execute(t, context.Background(), c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v %s, want %q", c.args, err, out, c.want)
		}
	}
	if out, err := execute(t, context.Background(), "check-config", good); err != nil || !strings.Contains(out, "good; cluster tiny, 1 hosts, 0 rules") {
		t.Errorf("%v %s", err, out)
	}
}

func TestOneStoragePathServesOneServer(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "evenkeel.yml"), oneHost)
	addr := relaytest.FreeAddress(t)
	background(t, "server", "--config.file="+file, "--storage.path="+dir, "--web.listen-address="+addr, "--log.level=error")
	await(t, "the first server", func() error { _, _, err := fetch(http.DefaultClient, "http://"+addr+"/-/healthy", ""); return err })
	if _, err := execute(t, context.Background(), "server", "--config.file="+file, "--storage.path="+dir, "--web.listen-address="+relaytest.FreeAddress(t)); err == nil || !strings.Contains(err.Error(), "is a server running already?") {
		t.Errorf("the second: %v", err)
	}
}

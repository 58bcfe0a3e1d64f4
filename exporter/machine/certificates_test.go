package machine

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/google/go-cmp/cmp"
)

// issued returns a certificate that ends then, as PEM.
func issued(t *testing.T, end time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-time.Hour), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func place(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCertificatesTellWhenTheFirstOfThemEnds(t *testing.T) {
	root := t.TempDir()
	day := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	place(t, root+"/etc/pki/libvirt/servercert.pem", issued(t, day))
	place(t, root+"/etc/pki/qemu/server-cert.pem", append(issued(t, day.AddDate(0, 2, 0)), issued(t, day.AddDate(0, 1, 0))...)) // with its issuer's
	place(t, root+"/etc/pki/qemu/server-key.pem", []byte("no business of ours"))
	place(t, root+"/etc/pki/CA/cacert.pem", []byte("-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"))
	place(t, root+"/srv/tls/a.pem", issued(t, day.AddDate(1, 0, 0)))
	place(t, root+"/srv/tls/b.pem", []byte("empty"))
	var log bytes.Buffer
	r := New(Options{Root: root, Certificates: []string{"/srv/tls/*.pem", "/srv/tls/a.pem"}, Log: slog.New(slog.NewTextHandler(&log, nil)), Without: func(c string) bool { return c != "host_certificate" }})
	if got := r.Read(t.Context()).Certificates; got != nil {
		t.Errorf("before they were read there is %v", got)
	}
	r.certificates.look()
	r.certificates.look()
	want := []stat.Certificate{
		{Path: "/etc/pki/libvirt/servercert.pem", NotAfter: day},
		{Path: "/etc/pki/qemu/server-cert.pem", NotAfter: day.AddDate(0, 1, 0)},
		{Path: "/srv/tls/a.pem", NotAfter: day.AddDate(1, 0, 0)},
	}
	got := r.Read(t.Context())
	if diff := cmp.Diff(want, got.Certificates); diff != "" || len(errs(got)) > 0 {
		t.Error(diff, errs(got))
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "/srv/tls/b.pem: there is none in it") || !strings.Contains(log.String(), "/etc/pki/CA/cacert.pem") {
		t.Errorf("two faults are told once each, and it says\n%s", log.String())
	}
	place(t, root+"/srv/tls/b.pem", issued(t, day)) // it was mended
	r.certificates.look()
	if got := r.Read(t.Context()).Certificates; len(got) != 4 {
		t.Errorf("after one was mended there is %v", got)
	}
}

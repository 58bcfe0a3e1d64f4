package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestTheConfigurationNamesItsCertificates(t *testing.T) {
	dir := t.TempDir()
	web := write(t, filepath.Join(dir, "web.yml"), "tls_server_config: {cert_file: web.pem, key_file: web.key, client_ca_file: /etc/ssl/ca.pem}\n")
	file := write(t, filepath.Join(dir, "evenkeel.yml"), `hosts:
  - {name: h1, uri: "qemu+tls://h1/system?pkipath=/srv/pki"}
  - {name: h2, uri: "qemu+tls://h2/system"}
  - {name: h3, uri: "qemu+ssh://h3/system"}
  - {name: h4, uri: "qemu:///system", migration_uri: "qemu+tls://h4/system"}
migration: {tls: auto}
scrape: {scheme: https, http: {tls_config: {ca_file: scrape.pem}}}
`)
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := certificateFiles(c, web)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/etc/pki/CA/cacert.pem", "/etc/pki/libvirt/clientcert.pem", "/etc/ssl/ca.pem", "/srv/pki/cacert.pem", "/srv/pki/clientcert.pem", filepath.Join(dir, "scrape.pem"), filepath.Join(dir, "web.pem")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := certificateFiles(c, write(t, web, "tls_server_config: nonsense")); err == nil {
		t.Error("a web configuration that is none is taken")
	}
}

func TestCertificatesThatCanBeReadArePublished(t *testing.T) {
	cert, _, _ := certificate(t)
	s := &node{}
	files := []string{cert, filepath.Join(t.TempDir(), "not-there.pem")}
	s.certified.Store(&files)
	if n := testutil.CollectAndCount(certificates{s}); n != 1 {
		t.Errorf("%d of two files, of which one is there", n)
	}
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(certificates{s})
	if got, err := reg.Gather(); err != nil || len(got) != 0 {
		t.Errorf("without files there is %v, %v", got, err)
	}
}

package etcdstore

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// certificate makes one that vouches for itself, for 127.0.0.1, and returns the files.
func certificate(t *testing.T) (cert, key string, trusted *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	public, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public})
	if err := errors.Join(os.WriteFile(cert, text, 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600)); err != nil {
		t.Fatal(err)
	}
	trusted = x509.NewCertPool()
	trusted.AppendCertsFromPEM(text)
	return cert, key, trusted
}

// TestOverTLSOneUserHasOneClustersKeys shows that a role for the prefix is enough, and that nothing else gets in.
func TestOverTLSOneUserHasOneClustersKeys(t *testing.T) {
	t.Parallel()
	cert, key, trusted := certificate(t)
	nodes := etcd(t, 1, "--cert-file", cert, "--key-file", key)
	root := connectedWith(t, Options{Endpoints: []string{nodes[0].url}, Cluster: "c", TTL: 60, TLS: &tls.Config{RootCAs: trusted}})
	withUsers(t, root.client, root.prefix)

	o := Options{Endpoints: []string{nodes[0].url}, Cluster: "c", TTL: 60, TLS: &tls.Config{RootCAs: trusted}, User: "evenkeel", Password: "right"}
	s := connectedWith(t, o)
	j := opened(t, s, leading(t, s, "a"), t.TempDir())
	added(t, j, 1)
	if got := sound(t, j); len(got) != 1 {
		t.Errorf("it holds %v", got)
	}
	for _, c := range []struct {
		what, says string
		change     func(*Options)
	}{
		{"a wrong password", "authentication failed", func(o *Options) { o.Password = "wrong" }},
		{"no user", "user name is empty", func(o *Options) { o.User, o.Password = "", "" }},
		{"another cluster's keys", "permission denied", func(o *Options) { o.Cluster = "d" }},
		{"a server nobody vouches for", "or TLS does not fit", func(o *Options) { o.TLS = &tls.Config{RootCAs: x509.NewCertPool()} }},
		{"no TLS", "or TLS does not fit", func(o *Options) { o.Endpoints = []string{strings.Replace(nodes[0].url, "https", "http", 1)} }},
	} {
		bad := o
		c.change(&bad)
		s, err := Open(context.Background(), bad)
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s gives %v", c.what, err)
		}
	}
}

// withUsers turns authentication on, with a user who has the keys under the prefix.
func withUsers(t *testing.T, c *clientv3.Client, prefix string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var failed error
	do := func(_ any, err error) { failed = errors.Join(failed, err) }
	do(c.UserAdd(ctx, "root", "root"))
	do(c.RoleAdd(ctx, "root"))
	do(c.UserGrantRole(ctx, "root", "root"))
	do(c.UserAdd(ctx, "evenkeel", "right"))
	do(c.RoleAdd(ctx, "evenkeel"))
	do(c.RoleGrantPermission(ctx, "evenkeel", prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermReadWrite)))
	do(c.UserGrantRole(ctx, "evenkeel", "evenkeel"))
	do(c.AuthEnable(ctx))
	if failed != nil {
		t.Fatal(failed)
	}
}

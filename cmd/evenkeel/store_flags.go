package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/evenkeel/evenkeel/actuator/etcdstore"
	"github.com/evenkeel/evenkeel/internal/secret"
	"github.com/spf13/pflag"
)

// StoreFlags say where the server keeps its state.
type StoreFlags struct {
	// Address is etcd://… or etcds://…; empty for files under --storage.path.
	Address string
	StoreAccess
}

// StoreAccess says how etcd is spoken to.
type StoreAccess struct{ ca, cert, key, user, passwordFile string }

// Register gives a command the flags.
func (f *StoreFlags) Register(fs *pflag.FlagSet) {
	fs.StringVar(&f.Address, "store", "", "keep the state in etcd: etcd://HOST:PORT[,HOST:PORT], or etcds:// for TLS; ?ttl=SECONDS sets when a leader that is not heard of is deposed (3). Empty: in files under --storage.path")
	f.StoreAccess.Register(fs)
}

// Register gives a command the flags.
func (f *StoreAccess) Register(fs *pflag.FlagSet) {
	fs.StringVar(&f.ca, "store.tls.ca", "", "file with the certificates that vouch for etcd; empty for those that the system trusts")
	fs.StringVar(&f.cert, "store.tls.cert", "", "file with the certificate that is shown to etcd")
	fs.StringVar(&f.key, "store.tls.key", "", "file with its key")
	fs.StringVar(&f.user, "store.user", "", "user of etcd")
	fs.StringVar(&f.passwordFile, "store.password-file", "", "file with the user's password")
}

// Options are how the store of a cluster is opened. They have no endpoints where it stands in files.
func (f StoreFlags) Options(cluster string) (etcdstore.Options, error) {
	if f.Address == "" {
		if f.StoreAccess != (StoreAccess{}) {
			return etcdstore.Options{}, errors.New("the flags --store.… say how to speak to etcd: give --store=etcd://HOST:PORT as well, or take them out")
		}
		return etcdstore.Options{}, nil
	}
	o, err := f.StoreAccess.Options(f.Address, cluster)
	if err != nil {
		return etcdstore.Options{}, fmt.Errorf("--store: %w", err)
	}
	return o, nil
}

// Options are how the store of a cluster at an address is opened.
func (f StoreAccess) Options(address, cluster string) (etcdstore.Options, error) {
	var none etcdstore.Options
	a, err := etcdstore.ParseAddress(address)
	if err != nil {
		return none, err
	}
	o := etcdstore.Options{Endpoints: a.Endpoints(), Cluster: cluster, TTL: a.TTL, User: f.user}
	if !a.TLS && f.ca+f.cert+f.key != "" {
		return none, errors.New("there are files for TLS, and the address has none: write etcds://")
	}
	if a.TLS {
		if o.TLS, err = f.tls(); err != nil {
			return none, err
		}
	}
	if (f.user == "") != (f.passwordFile == "") {
		return none, errors.New("--store.user and --store.password-file go together: give both, or none")
	}
	if f.passwordFile != "" {
		if o.Password, err = secret.Read(f.passwordFile); err != nil {
			return none, fmt.Errorf("--store.password-file: %w", err)
		}
	}
	return o, nil
}

// tls reads the files. The server's own certificate is read anew for each connection, so that it can be replaced while it runs.
func (f StoreAccess) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ca != "" {
		text, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, fmt.Errorf("--store.tls.ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--store.tls.ca: %s holds no certificate in PEM", f.ca)
		}
	}
	if (f.cert == "") != (f.key == "") {
		return nil, errors.New("--store.tls.cert and --store.tls.key go together: give both, or none")
	}
	if f.cert != "" {
		if _, err := tls.LoadX509KeyPair(f.cert, f.key); err != nil {
			return nil, fmt.Errorf("--store.tls.cert and --store.tls.key: %w", err)
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(f.cert, f.key)
			return &pair, err
		}
	}
	return c, nil
}

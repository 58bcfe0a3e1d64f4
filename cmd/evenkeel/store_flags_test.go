package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/actuator/etcdstore"
	"github.com/spf13/pflag"
)

// storeOptions are what the flags of a command line make of the store of the cluster lab.
func storeOptions(t *testing.T, line ...string) (etcdstore.Options, error) {
	t.Helper()
	var f StoreFlags
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.Register(fs)
	if err := fs.Parse(line); err != nil {
		t.Fatal(err)
	}
	return f.Options("lab")
}

func TestTheFlagsOfTheStore(t *testing.T) {
	if o, err := storeOptions(t); err != nil || !reflect.DeepEqual(o, etcdstore.Options{}) {
		t.Errorf("without flags: %+v, %v", o, err)
	}
	o, err := storeOptions(t, "--store=etcd://a,b:1?ttl=9")
	if want := (etcdstore.Options{Endpoints: []string{"http://a:2379", "http://b:1"}, Cluster: "lab", TTL: 9}); err != nil || !reflect.DeepEqual(o, want) {
		t.Errorf("%+v, %v", o, err)
	}
	cert, key, _ := certificate(t)
	password := write(t, filepath.Join(t.TempDir(), "password"), "right\n")
	o, err = storeOptions(t, "--store=etcds://a", "--store.tls.ca="+cert, "--store.tls.cert="+cert, "--store.tls.key="+key, "--store.user=evenkeel", "--store.password-file="+password)
	if err != nil || o.TTL != 3 || o.User != "evenkeel" || o.Password != "right" || o.TLS == nil || o.TLS.RootCAs == nil || o.Endpoints[0] != "https://a:2379" {
		t.Fatalf("%+v, %v", o, err)
	}
	if pair, err := o.TLS.GetClientCertificate(nil); err != nil || len(pair.Certificate) == 0 {
		t.Errorf("it shows %v, %v", pair, err)
	}
}

func TestFlagsOfTheStoreThatDoNotFit(t *testing.T) {
	cert, key, _ := certificate(t)
	dir := t.TempDir()
	open := write(t, filepath.Join(dir, "open"), "s3cr3t")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for line, says := range map[string]string{
		"--store=data":                    "--store: \"data\" is no address of etcd",
		"--store=etcd://u:s3cr3t@a":       "--store.password-file",
		"--store.user=u":                  "give --store=etcd://HOST:PORT as well",
		"--store=etcd://a --store.user=u": "go together",
		"--store=etcd://a --store.user=u --store.password-file=" + open:           "everybody on this machine may use it",
		"--store=etcd://a --store.user=u --store.password-file=" + dir + "/none":  "no such file",
		"--store=etcd://a --store.tls.ca=" + cert:                                 "write etcds://",
		"--store=etcds://a --store.tls.ca=" + dir + "/none":                       "--store.tls.ca: open",
		"--store=etcds://a --store.tls.ca=" + key:                                 "holds no certificate",
		"--store=etcds://a --store.tls.cert=" + cert:                              "go together",
		"--store=etcds://a --store.tls.cert=" + cert + " --store.tls.key=" + cert: "--store.tls.cert and --store.tls.key",
	} {
		if _, err := storeOptions(t, strings.Fields(line)...); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s gives %v, want %q", line, err, says)
		}
	}
}

package main

import (
	"bytes"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// The map in internal/layers keeps this program from the server's rooms. This keeps what it may know
// from bringing the same libraries in: a test is linked with all that the program is linked with.
func TestTheProgramHasNoServerInIt(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("the test does not know what it was linked with")
	}
	var modules []string
	for _, m := range info.Deps {
		modules = append(modules, m.Path)
	}
	if !slices.Contains(modules, "libvirt.org/go/libvirt") {
		t.Fatalf("the list of modules lacks one that is there: %q", modules)
	}
	for _, m := range modules {
		for _, server := range []string{"github.com/prometheus/prometheus", "go.etcd.io/bbolt", "k8s.io/", "github.com/aws/", "google.golang.org/grpc"} {
			if strings.HasPrefix(m, server) {
				t.Errorf("%s has come in, which the exporter alone does not need", m)
			}
		}
	}
}

func TestTheCommandLineIsThatOfAProgramWithoutSubcommands(t *testing.T) {
	for _, c := range []struct {
		arg   string
		wants []string
	}{
		{"--version", []string{"evenkeel-exporter version development\n"}},
		{"--help", []string{"Serve the metrics", "Usage:\n  evenkeel-exporter [flags]\n", "--libvirt.uri", "--web.listen-address", "--version"}},
	} {
		root := newRoot()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs([]string{c.arg})
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", c.arg, err)
		}
		for _, want := range c.wants {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s lacks %q:\n%s", c.arg, want, out.String())
			}
		}
		if strings.Contains(out.String(), "Available Commands") {
			t.Errorf("%s offers subcommands:\n%s", c.arg, out.String())
		}
	}
	root := newRoot()
	root.SetArgs([]string{"exporter"})
	if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("a subcommand gives %v", err)
	}
}

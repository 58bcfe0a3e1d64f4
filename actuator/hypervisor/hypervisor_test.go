package hypervisor

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

func move(from, to string) cluster.Action {
	return cluster.Action{Kind: cluster.Migrate, VM: "11111111-1111-4111-8111-111111111111", Name: "web1", From: from, To: to}
}

func noProgress(cluster.Progress) {}

// libvirt's test driver looks up real domains and cannot migrate any: it shows what the driver makes
// of a refusal. Real migrations are tested on the lab.
func TestWhatCannotBegin(t *testing.T) {
	d := New([]Host{
		{Name: "a", URI: "test:///default", MigrationURI: "qemu+tls://a/system"},
		{Name: "clear", URI: "test:///default", MigrationURI: "qemu+tcp://clear/system"},
		{Name: "xen", URI: "test:///default", MigrationURI: "xen+tls://xen/system"},
	}, Options{TLS: TLSRequire, Timeout: 5 * time.Second})
	defer d.Close()
	for _, c := range []struct {
		from, to, want string
	}{
		{"a", "clear", "would not be encrypted"},
		{"a", "xen", "would not be encrypted"},
		{"a", "nowhere", "host nowhere is not in the configuration"},
		{"nowhere", "a", "host nowhere is not in the configuration"},
		{"clear", "a", "migrate web1 to a: Domain not found"},
	} {
		if err := d.Act(context.Background(), move(c.from, c.to), noProgress); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("from %s to %s: %v, want %q", c.from, c.to, err, c.want)
		}
	}
}

func TestALookTellsSilenceFromAbsence(t *testing.T) {
	d := New([]Host{{Name: "a", URI: "test:///default"}, {Name: "dead", URI: "qemu+unix:///system?socket=/nonexistent"}}, Options{})
	defer d.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s := d.Look(ctx, move("a", "dead"), []string{"a", "dead", "nowhere"})
	if state, job, answered := s.On("a"); !answered || state != cluster.VMShutoff || job {
		t.Errorf("a: %v %v %v", state, job, answered)
	}
	for _, silent := range []string{"dead", "nowhere"} {
		if _, _, answered := s.On(silent); answered {
			t.Errorf("%s is said to have answered", silent)
		}
	}
	if len(s.Silent) != 2 || !strings.Contains(s.Silent[0].Reason, "/nonexistent") {
		t.Errorf("silent: %+v", s.Silent)
	}
}

func TestReconfiguringKeepsWhatStays(t *testing.T) {
	d := New([]Host{{Name: "a", URI: "test:///default"}, {Name: "b", URI: "test:///default"}}, Options{})
	defer d.Close()
	kept := d.hosts["a"].conn
	d.Configure([]Host{{Name: "a", URI: "test:///default", MigrationURI: "qemu+tls://a/system"}}, Options{TLS: TLSAuto})
	if d.hosts["a"].conn != kept || d.hosts["b"] != nil || d.opts.TLS != TLSAuto {
		t.Errorf("%+v", d.hosts)
	}
}

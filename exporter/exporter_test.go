package exporter

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type fake struct {
	uri  string
	host stat.Host
	err  error
	wait time.Duration
}

func (f fake) URI() string { return f.uri }

func (f fake) Read(ctx context.Context) (stat.Host, error) {
	select {
	case <-ctx.Done():
		return stat.Host{}, ctx.Err()
	case <-time.After(f.wait):
	}
	return f.host, f.err
}

// full is a reading with every number that there can be, and a VM of which little is known.
func full() stat.Host {
	n := cluster.Known
	return stat.Host{
		URI: "qemu:///system", Name: "h1", UUID: "aaaa", Hypervisor: "QEMU", HypervisorVersion: "7.2.0", LibvirtVersion: "9.0.0",
		Arch: "x86_64", CPUModel: "EPYC", CPUCompat: "c0ffee00", CPUs: 8,
		Time:     &stat.CPUTime{User: 100, System: 20, Idle: 700, IOWait: 3},
		Memory:   &stat.HostMemory{Total: 1 << 34, Free: 1 << 33, Available: 3 << 32},
		Networks: []stat.Network{{Name: "br0", Shared: true}, {Name: "default"}},
		Pools:    []stat.Pool{{Name: "nfs", Type: "netfs", Path: "/nfs", Source: "filer:/vol1", Shared: true}, {Name: "local", Type: "dir", Path: "/local"}},
		Failed:   []stat.Failure{{Group: "pools", Reason: "one could not be read"}},
		VMs: []stat.VM{
			{
				UUID: "1111", Name: "web1", State: cluster.VMRunning, VCPUs: 2, CPUSeconds: n(50), UserSeconds: n(40), SystemSeconds: n(10),
				StealSeconds: []stat.Steal{{VCPU: 0, Seconds: 1.5}, {VCPU: 1, Seconds: 2.5}},
				Memory:       stat.VMMemory{Maximum: n(1 << 30), Balloon: n(1 << 29), Unused: n(1 << 28), Usable: n(1 << 28), Available: n(1 << 29), RSS: n(1 << 30)},
				Blocks: []stat.Block{{Device: "vda", ReadBytes: n(1), WriteBytes: n(2), ReadRequests: n(3), WriteRequests: n(4), ReadSeconds: n(5), WriteSeconds: n(6),
					FlushRequests: n(7), FlushSeconds: n(8), CapacityBytes: n(9), AllocationBytes: n(10), PhysicalBytes: n(11)}},
				Interfaces: []stat.Interface{{Index: 0, ReceiveBytes: n(1), TransmitBytes: n(2), ReceivePackets: n(3), TransmitPackets: n(4),
					ReceiveErrors: n(5), TransmitErrors: n(6), ReceiveDrops: n(7), TransmitDrops: n(8)}},
				Identity: &stat.Identity{Machine: "pc-q35-7.2", CPUMode: "host-model", CPUModel: "EPYC", CPUCompat: "c0ffee00",
					Disks: []stat.Disk{{Type: "file", Device: "vda", Path: "/nfs/web1.qcow2", Format: "qcow2", Pool: "nfs"}},
					NICs:  []stat.NIC{{Index: 0, MAC: "52:54:00:00:00:01", Network: "br0"}}, Immovable: "it has a passed-through device"},
			},
			{UUID: "2222", Name: "bad\xffname", State: cluster.VMShutoff},
		},
		Also: []stat.VM{{UUID: "3333", Name: "web3", State: cluster.VMPaused}},
	}
}

func collect(t *testing.T, readers ...Reader) (*prometheus.Registry, string) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(New(readers, 5*time.Second, slog.New(slog.DiscardHandler)).Within(t.Context()))
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return reg, b.String()
}

// How long a reading took differs from run to run.
func steady(text string) string {
	var lines []string
	for _, l := range strings.Split(text, "\n") {
		if strings.HasPrefix(l, "evenkeel_exporter_read_seconds{") {
			l = l[:strings.LastIndex(l, " ")] + " 0"
		}
		lines = append(lines, l)
	}
	return strings.Join(lines, "\n")
}

func TestTheWholeOutputIsTheGoldenFile(t *testing.T) {
	_, text := collect(t, fake{uri: "qemu:///system", host: full()}, fake{uri: "qemu+tls://dead/system", err: errors.New("no route")})
	golden := filepath.Join("testdata", "metrics.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(steady(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), steady(text)); diff != "" {
		t.Errorf("the output changed; run go test ./exporter -update if you meant it:\n%s", diff)
	}
}

func TestNamesAndHelpFollowTheConventions(t *testing.T) {
	reg, text := collect(t, fake{uri: "qemu:///system", host: full()})
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool (Debian package prometheus): %v: %s", err, out)
	}
}

func TestHostStandsOnlyOnHostSeriesAndOnTheInfoOfAVM(t *testing.T) {
	_, text := collect(t, fake{uri: "qemu:///system", host: full()})
	for _, l := range strings.Split(text, "\n") {
		if strings.HasPrefix(l, "evenkeel_vm_") && !strings.HasPrefix(l, "evenkeel_vm_info{") && !strings.HasPrefix(l, "evenkeel_vm_also_on_info{") && strings.Contains(l, `host="`) {
			t.Errorf("a migration would start this series anew: %s", l)
		}
	}
}

// While a VM migrates, two hosts know it; one exporter may read both.
func TestAVMIsPublishedOnce(t *testing.T) {
	on := func(name string, state cluster.VMState) fake {
		return fake{uri: "test:///" + name, host: stat.Host{Name: name, VMs: []stat.VM{{UUID: "1111", Name: "web1", State: state, VCPUs: 1}}}}
	}
	for _, c := range []struct {
		first, second cluster.VMState
		want, also    string
	}{
		{cluster.VMRunning, cluster.VMPaused, "a", `evenkeel_vm_also_on_info{host="b",name="web1",state="paused",vm="1111"} 1`},
		{cluster.VMShutoff, cluster.VMRunning, "b", ""},
		{cluster.VMShutoff, cluster.VMPaused, "b", ""},
		{cluster.VMRunning, cluster.VMRunning, "a", `evenkeel_vm_also_on_info{host="b",name="web1",state="running",vm="1111"} 1`},
	} {
		_, text := collect(t, on("a", c.first), on("b", c.second))
		want := fmt.Sprintf(`evenkeel_vm_info{host=%q,name="web1",vm="1111"} 1`, c.want)
		if !strings.Contains(text, want) || strings.Count(text, "\nevenkeel_vm_info{") != 1 {
			t.Errorf("%s on a and %s on b: want %s", c.first, c.second, want)
		}
		if !strings.Contains(text, c.also) || strings.Contains(text, "\nevenkeel_vm_also_on_info{") != (c.also != "") {
			t.Errorf("%s on a and %s on b: want %q beside it", c.first, c.second, c.also)
		}
	}
}

func TestAHungHypervisorDoesNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, text := collect(t, fake{uri: "qemu:///system", host: full()}, fake{uri: "qemu+tls://hung/system", wait: time.Hour})
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("it took %s, the timeout is 5 s", took)
		}
		for _, want := range []string{`evenkeel_exporter_libvirt_up{uri="qemu+tls://hung/system"} 0`, `evenkeel_exporter_libvirt_up{uri="qemu:///system"} 1`, `evenkeel_host_cpus{host="h1"} 8`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s is missing", want)
			}
		}
	})
}

func TestAScrapeEndsWithItsContextAndNotLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		readers := []Reader{fake{uri: "qemu:///system", host: full()}, fake{uri: "qemu+tls://hung/system", wait: time.Hour}}
		reg := prometheus.NewRegistry()
		reg.MustRegister(New(readers, time.Minute, slog.New(slog.DiscardHandler)).Within(ctx))
		if _, err := reg.Gather(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %s, the context lasts 1 s", took)
		}
	})
}

func BenchmarkScrape(b *testing.B) {
	h := full()
	one := h.VMs[0]
	h.VMs = nil
	for i := range 100 {
		one.UUID = fmt.Sprintf("%036d", i)
		h.VMs = append(h.VMs, one)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(New([]Reader{fake{uri: "qemu:///system", host: h}}, time.Second, slog.New(slog.DiscardHandler)).Within(b.Context()))
	for b.Loop() {
		if _, err := reg.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}

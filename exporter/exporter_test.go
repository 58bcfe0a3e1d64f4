package exporter

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
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
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
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
	if f.wait == 0 {
		return f.host, f.err
	}
	select {
	case <-ctx.Done():
		return stat.Host{}, ctx.Err()
	case <-time.After(f.wait):
	}
	return f.host, f.err
}

func collect(t *testing.T, o Options) string {
	t.Helper()
	o.Timeout, o.Log = 5*time.Second, slog.New(slog.DiscardHandler)
	families, done, err := New(o).Within(t.Context()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// How long a reading took differs from run to run.
func steady(text string) string {
	var lines []string
	for _, l := range strings.Split(text, "\n") {
		if strings.HasPrefix(l, "evenkeel_exporter_read_seconds{") || strings.HasPrefix(l, "evenkeel_scrape_collector_duration_seconds{") {
			l = l[:strings.LastIndex(l, " ")] + " 0"
		}
		lines = append(lines, l)
	}
	return strings.Join(lines, "\n")
}

// whole is what an exporter publishes that reads every kind of host, one of them dead.
func whole(t *testing.T) string {
	return steady(collect(t, Options{
		Readers: []Reader{fake{uri: "qemu:///system", host: full()}, fake{uri: "xen+tls://h9/system", host: onXen()},
			fake{uri: "qemu+tls://dead/system", host: stat.Host{Connection: stat.Connection{Opened: 3, Hanging: 2, Slow: 1}}, err: errors.New("no route")}},
		Machine: fakeMachine{fullMachine()}, Heartbeat: fakeHeartbeat{}, Neighbours: fakeNeighbours{},
	}))
}

func TestTheWholeOutputIsTheGoldenFile(t *testing.T) {
	golden(t, filepath.Join("testdata", "metrics.txt"), whole(t))
}

// golden compares with a file, or writes it when the tests run with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is out of date; run go test ./exporter -update if you meant the change:\n%s", file, diff)
	}
}

func TestNamesAndHelpFollowTheConventions(t *testing.T) {
	text := whole(t)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
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

// The page is made without the library's registry, which would have found these faults.
func TestThePageIsConsistent(t *testing.T) {
	o := Options{Timeout: time.Second, Log: slog.New(slog.DiscardHandler), Machine: fakeMachine{fullMachine()}, Heartbeat: fakeHeartbeat{}, Neighbours: fakeNeighbours{},
		Readers: []Reader{fake{uri: "qemu:///system", host: full()}, fake{uri: "xen+tls://h9/system", host: onXen()}}}
	checked := prometheus.Gatherers{prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, _, err := New(o).Within(t.Context()).Gather()
		return families, err
	})}
	if _, err := checked.Gather(); err != nil {
		t.Error(err)
	}
}

// A page is used again for the next scrape; nothing of the last one may be left on it.
func TestScrapesDoNotMix(t *testing.T) {
	many, few := full(), full()
	few.VMs = few.VMs[1:]
	r := &changing{hosts: []stat.Host{many, few, many}}
	e := New(Options{Readers: []Reader{r}, Timeout: time.Second, Log: slog.New(slog.DiscardHandler)})
	for i, want := range []bool{true, false, true} {
		families, done, err := e.Within(t.Context()).Gather()
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		for _, f := range families {
			if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
				t.Fatal(err)
			}
		}
		done()
		if strings.Contains(b.String(), `vm="1111"`) != want {
			t.Errorf("scrape %d: VM 1111 is there: %v", i, !want)
		}
	}
}

type changing struct {
	hosts []stat.Host
	n     int
}

func (c *changing) URI() string { return "qemu:///system" }

func (c *changing) Read(context.Context) (stat.Host, error) {
	c.n++
	return c.hosts[c.n-1], nil
}

func TestACollectorThatIsOffPublishesNothing(t *testing.T) {
	for _, c := range Collectors() {
		text := collect(t, Options{Readers: []Reader{fake{uri: "qemu:///system", host: full()}, fake{uri: "xen:///", host: onXen()}}, Machine: fakeMachine{fullMachine()},
			Heartbeat: fakeHeartbeat{}, Neighbours: fakeNeighbours{}, Collect: func(name string) bool { return name != c.Name }})
		for _, m := range c.Metrics {
			if strings.Contains(text, "\n"+m+"{") {
				t.Errorf("%s is off and %s is there", c.Name, m)
			}
		}
		if strings.Contains(text, fmt.Sprintf("collector=%q", c.Name)) {
			t.Errorf("%s is off and still tells how it fared", c.Name)
		}
	}
}

func TestNothingThereDiffersFromCouldNotLook(t *testing.T) {
	h := stat.Host{Name: "h1", Hypervisor: "QEMU", Readings: []stat.Reading{{Collector: stat.ReadDomains}, {Collector: "storage_pool", Err: "no answer"}, {Collector: "host_network"}}}
	text := collect(t, Options{Readers: []Reader{fake{uri: "qemu:///system", host: h}, fake{uri: "qemu+tls://dead/system", err: errors.New("no route")}}})
	for want, there := range map[string]bool{
		`evenkeel_scrape_collector_success{collector="storage_pool",uri="qemu:///system"} 0`:        true,
		`evenkeel_scrape_collector_success{collector="host_network",uri="qemu:///system"} 1`:        true,
		`evenkeel_scrape_collector_success{collector="vm_cpu",uri="qemu:///system"} 1`:              true,
		`evenkeel_scrape_collector_success{collector="vm_cpu",uri="qemu+tls://dead/system"} 0`:      true,
		`evenkeel_scrape_collector_success{collector="host_pressure",uri="qemu+tls://dead/system"}`: false, // nobody looks there
		`evenkeel_scrape_collector_success{collector="vm_guest_agent",uri="qemu:///system"}`:        false,
	} {
		if strings.Contains(text, want) != there {
			t.Errorf("%s is there: %v", want, !there)
		}
	}
}

// brokenNeighbours keeps to what it knew, and says what is wrong.
type brokenNeighbours struct{ err string }

func (b *brokenNeighbours) Read() stat.Neighbours {
	return stat.Neighbours{Err: b.err, Peers: []stat.Neighbour{{Host: "h2", AgeSeconds: 1}}}
}

func TestAFileOfNeighboursThatBreaksIsLoggedOnceAndTold(t *testing.T) {
	var log strings.Builder
	others := &brokenNeighbours{}
	e := New(Options{Machine: fakeMachine{fullMachine()}, Neighbours: others, Timeout: time.Second, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Readers: []Reader{fake{uri: "qemu:///system", host: full()}}})
	for i, c := range []struct {
		err           string
		breaks, mends int
	}{{"", 0, 0}, {"F:2: broken", 1, 0}, {"F:2: broken", 1, 0}, {"F:2: broken", 1, 0}, {"", 1, 1}} {
		others.err = c.err
		families, done, err := e.Within(t.Context()).Gather()
		if err != nil {
			t.Fatal(err)
		}
		success, age := -1.0, -1.0
		for _, f := range families {
			for _, m := range f.GetMetric() {
				switch {
				case f.GetName() == "evenkeel_host_neighbour_answer_age_seconds":
					age = m.GetGauge().GetValue()
				case f.GetName() == "evenkeel_scrape_collector_success" && m.GetLabel()[0].GetValue() == "neighbours":
					success = m.GetGauge().GetValue()
				}
			}
		}
		done()
		if age != 1 || (success == 1) != (c.err == "") || success < 0 {
			t.Errorf("scrape %d: success %v, age %v", i, success, age)
		}
		if b, m := strings.Count(log.String(), "F:2: broken"), strings.Count(log.String(), "read again"); b != c.breaks || m != c.mends {
			t.Errorf("scrape %d: it was logged %d times that it breaks and %d times that it mends, want %d and %d:\n%s", i, b, m, c.breaks, c.mends, log.String())
		}
	}
}

// That is when the host's own numbers are needed most.
func TestTheMachineIsToldOfWhileItsHypervisorIsDown(t *testing.T) {
	up := full()
	r := &flapping{host: up}
	e := New(Options{Readers: []Reader{r}, Machine: fakeMachine{fullMachine()}, Heartbeat: fakeHeartbeat{}, Neighbours: fakeNeighbours{}, Timeout: time.Second, Log: slog.New(slog.DiscardHandler)})
	for i, host := range []string{"kernelname", "h1", "h1"} {
		r.down = i != 1
		families, done, err := e.Within(t.Context()).Gather()
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "evenkeel_host_load1" && m.GetLabel()[0].GetValue() == host {
					found = true
				}
			}
		}
		done()
		if !found {
			t.Errorf("scrape %d: no load of %s", i, host)
		}
	}
}

type flapping struct {
	host stat.Host
	down bool
}

func (f *flapping) URI() string { return "qemu:///system" }

func (f *flapping) Read(context.Context) (stat.Host, error) {
	if f.down {
		return stat.Host{}, errors.New("connection refused")
	}
	return f.host, nil
}

func TestHostStandsOnlyOnHostSeriesAndOnTheInfoOfAVM(t *testing.T) {
	text := collect(t, Options{Readers: []Reader{fake{uri: "qemu:///system", host: full()}}})
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
		text := collect(t, Options{Readers: []Reader{on("a", c.first), on("b", c.second)}})
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
		text := collect(t, Options{Readers: []Reader{fake{uri: "qemu:///system", host: full()}, fake{uri: "qemu+tls://hung/system", wait: time.Hour}}})
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
		if _, _, err := New(Options{Readers: readers, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler)}).Within(ctx).Gather(); err != nil {
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
	e := New(Options{Readers: []Reader{fake{uri: "qemu:///system", host: h}}, Timeout: time.Second, Log: slog.New(slog.DiscardHandler)})
	b.ReportAllocs()
	for b.Loop() {
		families, done, err := e.Within(b.Context()).Gather()
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range families {
			if _, err := expfmt.MetricFamilyToText(io.Discard, f); err != nil {
				b.Fatal(err)
			}
		}
		done()
	}
}

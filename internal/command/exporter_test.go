package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/exporter"
	"github.com/evenkeel/evenkeel/exporter/heartbeat"
	"github.com/evenkeel/evenkeel/exporter/libvirt"
	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/spf13/pflag"
)

type fakeReader struct {
	uri  string
	hung bool
}

func (r fakeReader) URI() string { return r.uri }

func (r fakeReader) Read(ctx context.Context) (stat.Host, error) {
	if r.hung {
		<-ctx.Done()
		return stat.Host{}, ctx.Err()
	}
	return stat.Host{Name: "h1", CPU: stat.HostCPU{Logical: 4}}, nil
}

func TestAHungHostDoesNotOutlastTheScrape(t *testing.T) {
	e := exporter.New(exporter.Options{Readers: []exporter.Reader{fakeReader{uri: "good"}, fakeReader{uri: "hung", hung: true}}, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler)})
	h, err := exporterHandler(e, time.Minute, "test")
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "0.6")
	for range 2 { // the second finds the collectors of the first gone
		answer, start := httptest.NewRecorder(), time.Now()
		h.ServeHTTP(answer, req)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %s, the scrape waits 0.6 s", took)
		}
		for _, want := range []string{`evenkeel_host_cpus{host="h1"} 4`, `evenkeel_exporter_libvirt_up{uri="hung"} 0`, "go_goroutines", "evenkeel_build_info"} {
			if !strings.Contains(answer.Body.String(), want) {
				t.Errorf("status %d without %s", answer.Code, want)
			}
		}
	}
}

func TestTheScrapeTimeoutLeavesTimeToSend(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 8 * time.Second, "soon": 8 * time.Second, "NaN": 8 * time.Second, "-1": 8 * time.Second, "60": 8 * time.Second, "+Inf": 8 * time.Second,
		"5": 4500 * time.Millisecond, "8.2": 7700 * time.Millisecond, "0.6": 300 * time.Millisecond,
	} {
		h := http.Header{}
		h.Set("X-Prometheus-Scrape-Timeout-Seconds", header)
		if got := scrapeTimeout(h, 8*time.Second).Round(time.Millisecond); got != want {
			t.Errorf("%q gives %s, want %s", header, got, want)
		}
	}
}

func TestTooManyScrapesAtOnceAreTurnedAway(t *testing.T) {
	e := exporter.New(exporter.Options{Readers: []exporter.Reader{fakeReader{uri: "hung", hung: true}}, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler)})
	h, err := exporterHandler(e, time.Minute, "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	codes := make(chan int)
	for range MaxScrapes + 1 {
		go func() {
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil).WithContext(ctx))
			codes <- answer.Code
		}()
	}
	if code := <-codes; code != http.StatusServiceUnavailable {
		t.Errorf("the first answer is %d while the others hang", code)
	}
	cancel()
	for range MaxScrapes {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("an answer is %d", code)
		}
	}
}

func TestCollectorsAreSwitchedByFlags(t *testing.T) {
	for _, c := range []struct {
		args, on, off, refused string
	}{
		{args: "", on: "vm_cpu vm_state"},
		{args: "--no-collector.vm_cpu", on: "vm_state", off: "vm_cpu"},
		{args: "--collector.vm_cpu=false", on: "vm_state", off: "vm_cpu"},
		{args: "--no-collector.vm_cpu=false", on: "vm_cpu"},
		{args: "--collector.disable-defaults", off: "vm_cpu vm_state"},
		{args: "--collector.disable-defaults --collector.vm_cpu", on: "vm_cpu", off: "vm_state host_cpu"},
		{args: "--collector.disable-defaults --no-collector.vm_cpu", off: "vm_cpu vm_state"},
		{args: "--collector.vm_cpu --no-collector.vm_cpu", refused: "--collector.vm_cpu and --no-collector.vm_cpu"},
		{args: "--no-collector.vm_cpu --collector.vm_cpu=false", refused: "exclude each other"},
		{args: "--collector.nonsense", refused: "unknown flag"},
	} {
		on, err := switched(strings.Fields(c.args))
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%q gives the error %v, want one that says %q", c.args, err, c.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
			continue
		}
		for _, name := range strings.Fields(c.on) {
			if !on(name) {
				t.Errorf("%q switches %s off", c.args, name)
			}
		}
		for _, name := range strings.Fields(c.off) {
			if on(name) {
				t.Errorf("%q leaves %s on", c.args, name)
			}
		}
	}
}

func switched(args []string) (func(string) bool, error) {
	var c collectorFlags
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	noDefaults := flags.Bool("collector.disable-defaults", false, "")
	c.register(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	return c.on(*noDefaults)
}

func TestEveryCollectorCanBeSwitchedBothWays(t *testing.T) {
	for _, col := range exporter.Collectors() {
		for arg, want := range map[string]bool{"--collector.": true, "--no-collector.": false} {
			on, err := switched([]string{arg + col.Name})
			if err != nil || on(col.Name) != want {
				t.Errorf("%s%s: on is not %v (%v)", arg, col.Name, want, err)
			}
		}
	}
}

// started runs the command until the test ends and returns the address of its metrics.
func started(t *testing.T, args ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := Exporter("test")
	cmd.SetArgs(append(args, "--libvirt.uri=test:///default", "--web.listen-address="+addr, "--log.level=error"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- cmd.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%v ended with %v", args, err)
		}
	})
	return "http://" + addr + "/metrics"
}

// awaitPage returns the first page that satisfies f.
func awaitPage(t *testing.T, url string, f func(page string) error) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		page, err := fetch(url)
		if err == nil {
			err = f(page)
		}
		if err == nil {
			return page
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func fetch(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(resp.Body)
	return string(text), errors.Join(err, resp.Body.Close())
}

func TestOnlyWhatWasAskedForIsPublished(t *testing.T) {
	url := started(t, "--collector.disable-defaults", "--collector.vm_state")
	page := awaitPage(t, url, func(page string) error {
		if !strings.Contains(page, "\nevenkeel_vm_state{") {
			return fmt.Errorf("no VM's state is on the page:\n%s", page)
		}
		return nil
	})
	for _, unwanted := range []string{"evenkeel_vm_cpu", "evenkeel_vm_info", "evenkeel_host_"} {
		if strings.Contains(page, "\n"+unwanted) {
			t.Errorf("%s is on the page, and nobody asked for it", unwanted)
		}
	}
}

func TestBothWaysAtOnceDoNotStart(t *testing.T) {
	cmd := Exporter("test")
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs([]string{"--collector.vm_state", "--no-collector.vm_state", "--web.listen-address=127.0.0.1:0"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "exclude each other") {
		t.Errorf("it ends with %v", err)
	}
}

// The stamp bears the name that the host's series bear, or nobody could tell whose it is.
func TestTheHeartbeatBeatsUnderTheHostsName(t *testing.T) {
	dir := t.TempDir()
	url := started(t, "--heartbeat.dir="+dir, "--heartbeat.interval=100ms")
	page := awaitPage(t, url, func(page string) error {
		if !strings.Contains(page, "\nevenkeel_host_heartbeat_age_seconds{") {
			return fmt.Errorf("no heartbeat is on the page:\n%s", page)
		}
		return nil
	})
	host := hostOf(page, "evenkeel_host_heartbeat_age_seconds")
	if want := hostOf(page, "evenkeel_host_cpus"); host == "" || host != want {
		t.Errorf("the heartbeat is that of %q, the host is %q", host, want)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || !strings.HasPrefix(files[0].Name(), host) {
		t.Fatalf("the directory has %v (%v), want one stamp of %s", files, err, host)
	}

	stamp := fmt.Sprintf("%-511s\n", "evenkeel-heartbeat 1\nhost peer\nsequence 1\ntime 1\n")
	if err := os.WriteFile(filepath.Join(dir, "peer"+filepath.Ext(files[0].Name())), []byte(stamp), 0o600); err != nil {
		t.Fatal(err)
	}
	awaitPage(t, url, func(page string) error {
		if want := fmt.Sprintf("\nevenkeel_host_heartbeat_peer_age_seconds{host=%q,peer=\"peer\"}", host); !strings.Contains(page, want) {
			return fmt.Errorf("the page lacks %s", want)
		}
		return nil
	})
}

// late is libvirt on a host where it starts long after the exporter.
type late struct{ up time.Time }

func (late) URI() string { return "qemu:///system" }

func (l late) Read(context.Context) (stat.Host, error) {
	if time.Now().Before(l.up) {
		return stat.Host{}, errors.New("connection refused")
	}
	return stat.Host{Name: "host.example.net", Local: true}, nil
}

type kernel struct{}

func (kernel) Read(context.Context) stat.Machine { return stat.Machine{Hostname: "host"} }

func TestTheHeartbeatTakesLibvirtsNameWhenItIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
		e := exporter.New(exporter.Options{Machine: kernel{}, Local: libvirt.Local, Timeout: time.Minute, Log: log,
			Readers: []exporter.Reader{fakeReader{uri: "qemu+tls://hung/system", hung: true}, late{time.Now().Add(time.Minute)}}})
		ctx, cancel := context.WithCancel(t.Context())
		beat := heartbeat.New(dir, time.Second, log)
		go underName(ctx, e, log, func(ctx context.Context, name string) { _ = beat.Run(ctx, name) })
		for _, c := range []struct {
			after time.Duration
			want  string
		}{{9, ""}, {3, "host.heartbeat"}, {40, "host.heartbeat"}, {21, "host.example.net.heartbeat"}} {
			time.Sleep(c.after*time.Second + 100*time.Millisecond)
			synctest.Wait()
			if got := list(t, dir); got != c.want {
				t.Errorf("%d s later the stamps are %q, want %q", c.after, got, c.want)
			}
		}
		cancel()
		synctest.Wait()
	})
}

func list(t *testing.T, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	return strings.Join(names, " ")
}

func TestWithoutADirectoryThereIsNoHeartbeat(t *testing.T) {
	url := started(t)
	page := awaitPage(t, url, func(page string) error {
		if !strings.Contains(page, "\nevenkeel_host_cpus{") {
			return fmt.Errorf("the host is not on the page:\n%s", page)
		}
		return nil
	})
	if strings.Contains(page, "\nevenkeel_host_heartbeat_age_seconds{") {
		t.Error("there is a heartbeat that nobody asked for")
	}
}

func TestNeighboursAreAsked(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file := filepath.Join(t.TempDir(), "neighbours")
	if err := os.WriteFile(file, []byte("a "+l.Addr().String()+"\nb "+l.Addr().String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	page := awaitPage(t, started(t, "--neighbours.file="+file, "--neighbours.count=1", "--neighbours.interval=100ms"), func(page string) error {
		if !strings.Contains(page, "\nevenkeel_host_neighbour_answer_age_seconds{") {
			return fmt.Errorf("no neighbour is on the page:\n%s", page)
		}
		return nil
	})
	if host, want := hostOf(page, "evenkeel_host_neighbour_answer_age_seconds"), hostOf(page, "evenkeel_host_cpus"); host == "" || host != want {
		t.Errorf("%q asks, the host is %q", host, want)
	}
	if n := strings.Count(page, "\nevenkeel_host_neighbour_answer_age_seconds{"); n != 1 {
		t.Errorf("%d are asked", n)
	}

	if err := os.WriteFile(file, []byte("a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := Exporter("test")
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs([]string{"--libvirt.uri=test:///default", "--neighbours.file=" + file, "--web.listen-address=127.0.0.1:0"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), file+":1: ") {
		t.Errorf("with a file that is broken it ends with %v", err)
	}
}

// hostOf is the host of a metric's first series.
func hostOf(page, metric string) string {
	_, rest, _ := strings.Cut(page, "\n"+metric+`{host="`)
	host, _, _ := strings.Cut(rest, `"`)
	return host
}

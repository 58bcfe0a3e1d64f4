package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/evenkeel/evenkeel/internal/relaytest"
	"github.com/google/go-cmp/cmp"
)

// other is a server of somebody else's.
type other struct {
	name, program string
	// answers is a path that tells that it does.
	answers string
	args    func(dir, address string) []string
}

// holder is what the embedded Prometheus writes to and the analyzer can read instead.
type holder struct {
	// reads is the URL for the analyzer, writes those that are written to.
	reads  string
	writes []string
	// http is how it is reached, as a file for --prometheus.http.config.file; empty: as it comes.
	http string
	// off is how far its numbers may be from the embedded Prometheus', as a share.
	off float64
}

// debians are the servers that Debian has.
var debians = map[string]func(*testing.T) holder{
	"Prometheus": func(t *testing.T) holder {
		address := startOther(t, other{name: "Prometheus", answers: "/api/v1/query?query=1", program: "/usr/bin/prometheus", args: func(dir, address string) []string {
			file := filepath.Join(dir, "prometheus.yml")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				panic(err)
			}
			return []string{"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address, "--web.enable-remote-write-receiver"}
		}})
		return holder{reads: "http://" + address, writes: []string{"http://" + address + "/api/v1/write"}}
	},
	// VictoriaMetrics takes the last sample before a window into account and does not extrapolate: its rates are others, and mostly by little.
	"VictoriaMetrics": func(t *testing.T) holder {
		address := startOther(t, other{name: "VictoriaMetrics", answers: "/api/v1/query?query=1", program: "/usr/bin/victoria-metrics", args: func(dir, address string) []string {
			return []string{"-storageDataPath=" + filepath.Join(dir, "data"), "-httpListenAddr=" + address, "-search.latencyOffset=0s", "-search.disableCache", "-memory.allowedBytes=64MiB"}
		}})
		return holder{reads: "http://" + address, writes: []string{"http://" + address + "/api/v1/write"}, off: 0.15}
	},
}

// nodeExporter is the real one, of this machine.
var nodeExporter = other{name: "node_exporter", answers: "/metrics", program: "/usr/bin/prometheus-node-exporter", args: func(_, address string) []string {
	return []string{"--web.listen-address=" + address, "--collector.disable-defaults", "--collector.cpu", "--collector.meminfo", "--collector.pressure"}
}}

// startOther runs the server and returns its address.
func startOther(t *testing.T, o other) string {
	t.Helper()
	address, _ := runOther(t, o)
	return address
}

// runOther runs the server and returns its address and its process, which ends with the test.
func runOther(t *testing.T, o other) (string, *os.Process) {
	t.Helper()
	address, dir := relaytest.FreeAddress(t), t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(o.program, o.args(dir, address)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; install it: test/install test", err)
	}
	t.Cleanup(func() {
		_, _ = cmd.Process.Kill(), cmd.Wait()
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("log of %s:\n%s", o.name, text[max(0, len(text)-3000):])
		}
	})
	await(t, o.name+" to answer", func() error {
		resp, err := http.Get("http://" + address + o.answers)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s %v", resp.Status, err)
		}
		return nil
	})
	return address, cmd.Process
}

// Debian's Prometheus and VictoriaMetrics hold what the embedded Prometheus wrote to them, and carry every query of the analyzer: the cluster that is
// read out of them is the same.
func TestOthersCarryTheAnalyzer(t *testing.T) {
	long(t)
	t.Parallel()
	carry(t, debians)
}

// carry has the embedded Prometheus write to all of them and reads each.
func carry(t *testing.T, all map[string]func(*testing.T) holder) {
	live, hosts, err := demoCluster(60)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	exporters, err := listenExporters(live, hosts, log)
	if err != nil {
		t.Fatal(err)
	}
	text, holders := demoConfig(hosts, exporters.addresses()), map[string]holder{}
	text += fmt.Sprintf("  - {name: storage, node_exporter: %q, instance: \"storage:9100\"}\n  - {name: gone, node_exporter: %q}\nexternal_labels: {site: north}\nremote_write:\n", startOther(t, nodeExporter), relaytest.FreeAddress(t))
	for name, start := range all {
		h := start(t)
		for _, url := range h.writes {
			text += fmt.Sprintf("  - {url: %q, http: {%s}}\n", url, h.http)
		}
		holders[name] = h
	}
	dir, listen := t.TempDir(), relaytest.FreeAddress(t)
	path := filepath.Join(dir, "evenkeel.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := buildNode(serverFlags{web: command.Web{Listen: []string{listen}}, config: path, storage: filepath.Join(dir, "data"), level: "error"}, simulated{live}, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runTogether(ctx, exporters.run, clockwork(live), n.run) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := n.newSource(c)
	if err != nil {
		t.Fatal(err)
	}
	finds := startOther(t, discovering(listen, filepath.Join(dir, "data", "token")))
	time.Sleep(25 * time.Second) // two windows and more
	t.Run("one that finds its targets by itself", func(t *testing.T) {
		source, err := promql.New("http://"+finds, http.DefaultTransport, sourceOptions(c))
		if err != nil {
			t.Fatal(err)
		}
		await(t, "the whole cluster", func() error {
			seen, err := source.Snapshot(t.Context(), time.Now().Add(-2*time.Second))
			return errors.Join(err, seesAll(seen))
		})
	})
	for name, h := range holders {
		t.Run(name, func(t *testing.T) {
			source, err := othersSource([]string{h.reads}, write(t, filepath.Join(t.TempDir(), "client.yml"), "{"+h.http+"}\n"), sourceOptions(c))
			if err != nil {
				t.Fatal(err)
			}
			// What a slow machine has not sent yet, or an instant at which one sample more was seen by one, is the same a moment later.
			await(t, "the same cluster", func() error {
				at := time.Now().Add(-8 * time.Second).Truncate(time.Second)
				want, err := embedded.Snapshot(t.Context(), at)
				if err != nil {
					t.Fatal(err)
				}
				got, err := source.Snapshot(t.Context(), at)
				if err != nil {
					t.Fatal(err)
				}
				if err := seesAll(got); err != nil {
					return err
				}
				return alike(want, got, h.off)
			})
			at := time.Now().Add(-8 * time.Second).Truncate(time.Second)
			same(t, "signs of hosts", source, embedded, h.off, func(s reader) (any, error) { return s.Signs(t.Context(), at) })
			same(t, "what VMs used", source, embedded, h.off, func(s reader) (any, error) { return s.Usage(t.Context(), at, time.Hour) })
			same(t, "signs of guests", source, embedded, h.off, func(s reader) (any, error) {
				return s.Guests(t.Context(), at, 20*time.Second, []string{"no such VM"})
			})
			for _, query := range ruleQueries(t) {
				if _, err := source.Holds(t.Context(), query, at); err != nil {
					t.Errorf("a rule: %s: %v", query, err)
				}
			}
			if holds, err := source.Holds(t.Context(), `evenkeel_host_state{host="storage",kind="physical",state="up"} == 1 and on () evenkeel_host_state{host="gone",kind="physical",state="down"} == 1`, at); err != nil || !holds {
				t.Errorf("the server's own word on the machines: %v %v", holds, err)
			}
			if holds, err := source.Holds(t.Context(), `evenkeel_host_cpus{site="north"} > 0`, at); err != nil || !holds {
				t.Errorf("a query of a runbook: %v %v", holds, err)
			}
		})
	}
}

// seesAll says what is missing of the simulated cluster.
func seesAll(s cluster.Snapshot) error {
	if len(s.Hosts) != 8 || len(s.VMs) != 60 || len(s.Gaps) > 0 || len(s.Servers) != 1 {
		return fmt.Errorf("%d hosts, %d VMs, servers %v, gaps %v", len(s.Hosts), len(s.VMs), s.Servers, s.Gaps)
	}
	if m := s.Machines; len(m) != 3 || m[1].State != cluster.HostDown || m[1].Reason == "" || m[2].State != cluster.HostUp || m[2].CPUCores != float64(runtime.NumCPU()) ||
		m[2].MemoryBytes < 1<<28 || m[2].MemoryUsedBytes.Value < 1<<20 || !(m[2].CPUUsedCores.Value > 0 && m[2].CPUUsedCores.Value <= m[2].CPUCores) || m[0].CPUCores != demoMachineCores {
		return fmt.Errorf("the machines are %+v", m)
	}
	return nil
}

// discovering is a Prometheus that asks evenkeel what it is to scrape, and is written to by nobody.
func discovering(server, token string) other {
	return other{name: "Prometheus by http_sd", program: "/usr/bin/prometheus", answers: "/api/v1/query?query=1", args: func(dir, address string) []string {
		file := filepath.Join(dir, "prometheus.yml")
		text := fmt.Sprintf(`{global: {scrape_interval: 2s, scrape_timeout: 2s}, scrape_configs: [{job_name: evenkeel, http_sd_configs: [
			{url: "http://%s/api/v1/targets/http_sd", refresh_interval: 2s, authorization: {credentials_file: %q}}]}]}`, server, token)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			panic(err)
		}
		return []string{"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address}
	}}
}

// reader is what is asked: one server, or several.
type reader interface {
	Signs(ctx context.Context, at time.Time) ([]cluster.HostSigns, error)
	Usage(ctx context.Context, at time.Time, window time.Duration) ([]cluster.VMUsage, error)
	Guests(ctx context.Context, at time.Time, window time.Duration, vms []string) ([]cluster.GuestSigns, error)
}

// same asks both and says what differs.
func same(t *testing.T, what string, source, embedded reader, off float64, ask func(reader) (any, error)) {
	t.Helper()
	want, err := ask(embedded)
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	got, err := ask(source)
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if err := alike(want, got, off); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// alike says what differs, but for numbers that are off by no more than a share of them.
func alike(want, got any, off float64) error {
	near := cmp.FilterValues(func(a, b float64) bool { return true }, cmp.Comparer(func(a, b float64) bool {
		return a == b || math.Abs(a-b) <= max(off*max(math.Abs(a), math.Abs(b)), off*0.2, 1e-9)
	}))
	bytes := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".MemoryDemandBytes" }, cmp.Comparer(func(a, b int64) bool {
		return math.Abs(float64(a-b)) <= off*math.Abs(float64(a))
	}))
	if diff := cmp.Diff(want, got, near, bytes); diff != "" {
		return errors.New(diff)
	}
	return nil
}

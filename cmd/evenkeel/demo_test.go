package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/relaytest"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// pages parses a metrics page into the label names of each metric.
func pages(t *testing.T, text string) map[string][]string {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string][]string{}
	for name, f := range families {
		for _, m := range f.GetMetric() {
			labels[name] = append(labels[name], labelNames(m)...)
		}
		slices.Sort(labels[name])
		labels[name] = slices.Compact(labels[name])
	}
	return labels
}

func labelNames(m *dto.Metric) []string {
	var names []string
	for _, l := range m.GetLabel() {
		names = append(names, l.GetName())
	}
	return names
}

// What the demo publishes must be what real hosts publish, or it would show another program.
func TestTheDemoPublishesTheExportersMetrics(t *testing.T) {
	live, hosts, err := demoCluster(360)
	if err != nil {
		t.Fatal(err)
	}
	live.Step(live.Now().Add(time.Minute))
	w := httptest.NewRecorder()
	demoMetrics(live, hosts[0], slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	golden, err := os.ReadFile(filepath.Join("..", "..", "exporter", "testdata", "metrics.txt"))
	if err != nil {
		t.Fatal(err)
	}
	got, want := pages(t, w.Body.String()), pages(t, string(golden))
	for name, labels := range got {
		if !slices.Equal(labels, want[name]) {
			t.Errorf("%s has labels %v, and %v on real hosts", name, labels, want[name])
		}
	}
	for _, name := range []string{"evenkeel_vm_info", "evenkeel_vm_cpu_seconds_total", "evenkeel_vm_vcpu_steal_seconds_total", "evenkeel_vm_dirty_bytes_per_second",
		"evenkeel_vm_movable", "evenkeel_host_cpu_seconds_total", "evenkeel_host_pressure_some_seconds_total", "evenkeel_storage_pool_info", "evenkeel_host_network_info"} {
		if got[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestTheDemoRunsTheWholeLoopAndLeavesNothing(t *testing.T) {
	long(t)
	dir, address := t.TempDir(), relaytest.FreeAddress(t)
	t.Setenv("TMPDIR", dir)
	t.Run("running", func(t *testing.T) {
		background(t, "demo", "--yes", "--web.listen-address", address)
		client := api.NewClient("http://"+address, "", nil)
		await(t, "a recommendation that was approved and done", func() error {
			if left, err := os.ReadDir(dir); err != nil || len(left) == 0 {
				return fmt.Errorf("no directory yet: %v", err)
			}
			cases, err := client.History(t.Context(), "", 10)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(cases, func(c cluster.Case) bool { return c.State == cluster.CaseDone }) {
				return errors.New("none so far")
			}
			return nil
		})
		board, err := client.Board(t.Context())
		if err != nil || len(board.Snapshot.VMs) != 60 || len(board.Snapshot.Hosts) != 8 {
			t.Errorf("%d VMs on %d hosts, %v", len(board.Snapshot.VMs), len(board.Snapshot.Hosts), err)
		}
		rulesHold(t, "http://"+address)
	})
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("its port is still open")
	}
}

func TestTheDemoRefusesWhatCannotBe(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, args := range [][]string{{"--speed", "0"}, {"--log.level", "loud"}, {"--web.listen-address", taken.Addr().String()}} {
		if _, err := execute(t, t.Context(), append([]string{"demo"}, args...)...); err == nil {
			t.Errorf("demo %v ran", args)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

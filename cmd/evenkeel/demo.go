package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/actuator/hypervisor"
	"github.com/evenkeel/evenkeel/exporter"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/evenkeel/evenkeel/internal/simulator"
	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
)

// maxSpeed is a day in less than a minute: what passes faster is gone before it has been judged.
const maxSpeed = 2000

// demoFlags are what the demo is told.
type demoFlags struct {
	listen string
	level  string
	speed  float64
	yes    bool
}

func newDemo() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole loop on a simulated cluster of 8 hosts and 60 VMs; Ctrl-C leaves nothing behind",
		Long:  "Runs a simulated cluster through a compressed day, exporters that publish it, the embedded Prometheus and a server, all in this process. Other terminals can ask the server as if it were a real one.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("web.listen-address") {
				f.listen = freeAddress(f.listen)
			}
			return runDemo(cmd, f)
		},
	}
	cmd.Flags().StringVar(&f.listen, "web.listen-address", "127.0.0.1:9178", "address of the API; where this one is taken and none was named, any that is free")
	cmd.Flags().Float64Var(&f.speed, "speed", 60, "how much faster than time the loads go; 60 is an hour in a minute, which leaves a person the time to decide")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "approve what is advised without asking")
	cmd.Flags().StringVar(&f.level, "log.level", "error", "debug, info, warn or error")
	return cmd
}

// freeAddress returns the address if nobody listens on it, or another one on this machine.
func freeAddress(address string) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return address // whoever listens next says what is wrong
		}
		address = l.Addr().String()
	}
	_ = l.Close() // it was opened to see whether it could be
	return address
}

// runDemo puts everything together in a directory that is gone afterwards.
func runDemo(cmd *cobra.Command, f demoFlags) (err error) {
	if !(f.speed > 0 && f.speed <= maxSpeed) {
		return fmt.Errorf("--speed: is %g; it is above 0 and up to %d", f.speed, maxSpeed)
	}
	log, err := command.Log(f.level)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "evenkeel-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	live, hosts, err := demoCluster(f.speed)
	if err != nil {
		return err
	}
	exporters, err := listenExporters(live, hosts, log)
	if err != nil {
		return err
	}
	defer exporters.close()
	path := filepath.Join(dir, "evenkeel.yml")
	if err := os.WriteFile(path, []byte(demoConfig(hosts, exporters.addresses())), 0o600); err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	n, err := buildNode(serverFlags{web: command.Web{Listen: []string{f.listen}}, config: path, storage: filepath.Join(dir, "data"), level: f.level}, simulated{live}, log)
	if err != nil {
		return err
	}
	screen := newScreen(cmd.OutOrStdout(), cmd.InOrStdin(), n.leads.Load(), live, f, dir)
	return runTogether(cmd.Context(), exporters.run, clockwork(live), n.run, screen.run)
}

// runTogether runs until the first ends, then ends the others and waits for them.
func runTogether(ctx context.Context, all ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var g run.Group
	for _, f := range all {
		g.Add(func() error { return f(ctx) }, func(error) { cancel() })
	}
	return g.Run()
}

// demoCluster makes the simulated cluster, at the dawn of a day.
func demoCluster(speed float64) (*simulator.Live, []string, error) {
	s, err := simulator.ParseScenario("demo", "", []byte(demoScenario))
	if err != nil {
		return nil, nil, err
	}
	s.Speed = speed
	c, err := simulator.New(s, 0)
	if err != nil {
		return nil, nil, err
	}
	return simulator.NewLive(c), c.Hosts(), nil
}

// clockwork moves the cluster on as fast as time passes. What it stands at is a time of its own.
func clockwork(live *simulator.Live) func(context.Context) error {
	begun, start := time.Now(), live.Now()
	return func(ctx context.Context) error {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				live.Step(start.Add(time.Since(begun)))
			}
		}
	}
}

// simulated is the driver of the demo: a simulated cluster needs no connections.
type simulated struct{ *simulator.Live }

// Configure has nothing to do.
func (simulated) Configure([]hypervisor.Host, hypervisor.Options) {}

// Close has nothing to do.
func (simulated) Close() {}

// Keep has nothing to do: every simulated host knows every VM.
func (simulated) Keep(hypervisor.Definitions) {}

// Definitions are none.
func (simulated) Definitions(context.Context, string) ([]cluster.Definition, error) { return nil, nil }

// TakeAutostart has nothing to do: simulated hosts start nothing by themselves.
func (simulated) TakeAutostart(context.Context, string, string) error { return nil }

// Capture has nothing: simulated VMs show nothing.
func (simulated) Capture(context.Context, cluster.Action) ([]cluster.Captured, error) {
	return nil, nil
}

// exporters are one real exporter a host, each on a port of its own, as on real hosts. The last is the node_exporter of a machine beside them.
type exporters struct {
	servers   []*http.Server
	listeners []net.Listener
}

func listenExporters(live *simulator.Live, hosts []string, log *slog.Logger) (*exporters, error) {
	e := &exporters{}
	handlers := map[string]http.Handler{demoMachineName: &demoMachine{now: live.Loads}}
	for _, name := range hosts {
		handlers[name] = demoMetrics(live, name, log)
	}
	for _, name := range append(slices.Clone(hosts), demoMachineName) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			e.close()
			return nil, fmt.Errorf("listen for the exporter of %s: %w", name, err)
		}
		e.listeners = append(e.listeners, l)
		e.servers = append(e.servers, &http.Server{Handler: handlers[name], ReadHeaderTimeout: 10 * time.Second})
	}
	return e, nil
}

// demoMetrics answers with one host's page, made by the exporter itself.
func demoMetrics(live *simulator.Live, host string, log *slog.Logger) http.Handler {
	e := exporter.New(exporter.Options{Readers: []exporter.Reader{live.Reader(host)}, Timeout: 2 * time.Second, Log: log.With("room", "exporter", "host", host)})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		promhttp.HandlerForTransactional(e.Within(r.Context()), promhttp.HandlerOpts{MaxRequestsInFlight: command.MaxScrapes}).ServeHTTP(w, r)
	})
}

func (e *exporters) addresses() []string {
	var all []string
	for _, l := range e.listeners {
		all = append(all, l.Addr().String())
	}
	return all
}

func (e *exporters) run(ctx context.Context) error {
	failed := make(chan error, len(e.servers))
	for i, s := range e.servers {
		go func() { failed <- s.Serve(e.listeners[i]) }()
	}
	defer e.close()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the metrics of a simulated host: %w", err)
	case <-ctx.Done():
		return nil
	}
}

func (e *exporters) close() {
	for i, s := range e.servers {
		_ = s.Close() // the process is about to end, and nobody reads what would be lost
		_ = e.listeners[i].Close()
	}
}

// demoConfig is a configuration for a day that passes in minutes: looks, holds and cool-downs are
// shortened to match, as far as a slow machine keeps up. The only time that cannot be shortened is the day of max_moves_per_day.
func demoConfig(hosts, exporters []string) string {
	var b strings.Builder
	b.WriteString(demoPolicy + "hosts:\n")
	for i, name := range hosts {
		fmt.Fprintf(&b, "  - {name: %s, uri: \"simulated://%s\", exporter: %q, idle_watts: 110, peak_watts: 380}\n", name, name, exporters[i])
	}
	fmt.Fprintf(&b, "machines:\n  - {name: %s, node_exporter: %q}\n", demoMachineName, exporters[len(hosts)])
	return b.String()
}

const demoMachineName = "backup1"

const demoPolicy = `# made for this run of evenkeel demo
cluster: demo
scrape: {interval: 2s, timeout: 2s, retention: 2h}
analysis: {interval: 4s, window: 10s, max_data_age: 6s, recommendation_lifetime: 10m, horizon: 1m}
stability: {hold_rounds: 2, cool_down: 15s, cool_down_max: 1m, max_moves_per_day: 0}
migration: {tls: "off", bandwidth: 4GiB, timeout: 1m}
power: {price_per_kwh: 0.28, currency: EUR, carbon_per_kwh: 380}
rules:
  - {name: db-pair-apart, kind: vm-vm-anti-affinity, strength: must, vms: [db1, db2]}
`

const demoScenario = `
seed: 1
start: 2026-01-05T07:00:00Z
duration: 1d
step: 1s
migration: {bandwidth: 4GiB}
hosts:
  - {name: node, count: 8, cores: 16, memory: 128GiB, overhead_cores: 0.3, idle_watts: 110, peak_watts: 380, storage: [nfs], networks: [lan]}
vms:
  - {name: office, count: 20, vcpus: 2, memory: 8GiB, dirty_rate: 100MiB, storage: [nfs], networks: [lan], place: packed, load: {daily: {low: 0.3, high: 0.8, peak_hour: 9, noise: 0.02}}}
  - {name: web, count: 16, vcpus: 2, memory: 8GiB, dirty_rate: 200MiB, storage: [nfs], networks: [lan], place: packed, load: {daily: {low: 0.35, high: 0.55, peak_hour: 15, noise: 0.02}}}
  - {name: batch, count: 12, vcpus: 2, memory: 16GiB, dirty_rate: 400MiB, storage: [nfs], networks: [lan], place: packed, load: {daily: {low: 0.05, high: 0.7, peak_hour: 1, noise: 0.02}}}
  - {name: db, count: 4, vcpus: 8, memory: 24GiB, dirty_rate: 400MiB, storage: [nfs], networks: [lan], load: {noise: {mean: 0.4, sd: 0.03}}}
  - {name: cron, count: 8, vcpus: 1, memory: 4GiB, dirty_rate: 50MiB, storage: [nfs], networks: [lan], load: {square: {low: 0.1, high: 0.7, period: 3h, duty: 0.3, stagger: 20m}}}
`

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/actuator/capture"
	"github.com/evenkeel/evenkeel/actuator/definitions"
	"github.com/evenkeel/evenkeel/actuator/energy"
	"github.com/evenkeel/evenkeel/actuator/failover"
	"github.com/evenkeel/evenkeel/actuator/fence"
	"github.com/evenkeel/evenkeel/actuator/hypervisor"
	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/actuator/memory"
	"github.com/evenkeel/evenkeel/actuator/power"
	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/actuator/runbook"
	"github.com/evenkeel/evenkeel/actuator/schedule"
	"github.com/evenkeel/evenkeel/actuator/slack"
	"github.com/evenkeel/evenkeel/actuator/timetable"
	"github.com/evenkeel/evenkeel/actuator/watch"
	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/docs"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/evenkeel/evenkeel/internal/console"
	"github.com/evenkeel/evenkeel/internal/engine"
	"github.com/evenkeel/evenkeel/internal/oidc"
	"github.com/oklog/run"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
)

type serverFlags struct {
	web           command.Web
	config, level string
	storage       string
	prometheusURL string
	prometheusCfg string
}

func newServer() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Analyse the cluster, advise, and act on approval",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := command.Log(f.level)
			if err != nil {
				return err
			}
			s, err := buildServer(f, hypervisor.New(nil, hypervisor.Options{}), log)
			if err != nil {
				return err
			}
			return s.run(cmd.Context())
		},
	}
	f.web.Register(cmd.Flags(), "127.0.0.1:9178")
	cmd.Flags().StringVar(&f.config, "config.file", "evenkeel.yml", "configuration file")
	cmd.Flags().StringVar(&f.storage, "storage.path", "data", "directory for the journal, the time series and the token")
	cmd.Flags().StringVar(&f.prometheusURL, "prometheus.url", "", "read this Prometheus-compatible server instead of embedding one")
	cmd.Flags().StringVar(&f.prometheusCfg, "prometheus.http.config.file", "", "file with basic_auth, tls_config and so on for --prometheus.url")
	cmd.Flags().StringVar(&f.level, "log.level", "info", "debug, info, warn or error")
	return cmd
}

// driver is what acts, and is told anew where and how when the configuration changes.
type driver interface {
	actuator.Hypervisor
	watch.Hypervisor
	failover.Source
	capture.Source
	Keep(kept hypervisor.Definitions)
	Configure(hosts []hypervisor.Host, o hypervisor.Options)
	Close()
}

// server is everything that a server consists of.
type server struct {
	flags    serverFlags
	log      *slog.Logger
	registry *prometheus.Registry
	engine   *engine.Engine // nil with an external Prometheus
	source   swappable
	analyzer *analyzer.Analyzer
	driver   driver
	journal  *journal.Journal
	actuator *actuator.Actuator
	slack    *slack.Slack // nil where none is configured
	watch    *watch.Watch
	fencer   *fence.Fencer
	power    *power.Power
	energy   *energy.Room
	sizes    sizes
	kept     *definitions.Store
	failover *failover.Room
	runbooks *runbook.Room
	times    *timetable.Room
	api      *api.Server
	console  *console.Console
	reloads  *prometheus.GaugeVec
	id       string
	// empty are the hosts that the configuration keeps in maintenance.
	empty     atomic.Pointer[map[string]bool]
	certified atomic.Pointer[[]string] // the files with certificates that the configuration names
	retention atomic.Int64             // of the journal, as a time.Duration

	reloading sync.Mutex
	scrape    config.Scrape  // as the server was started with
	asked     *config.Slack  // the same
	provider  *oidc.Provider // of who logs in to the console, nil where none is configured
}

// swappable is a source that a reload can replace.
type swappable struct{ current atomic.Pointer[promql.Source] }

func (s *swappable) Snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error) {
	return s.current.Load().Snapshot(ctx, at)
}

func (s *swappable) Moves(ctx context.Context, from, to time.Time, key string) (cluster.Movements, error) {
	return s.current.Load().Moves(ctx, from, to, key)
}

func (s *swappable) Signs(ctx context.Context, at time.Time) ([]cluster.HostSigns, error) {
	return s.current.Load().Signs(ctx, at)
}

func (s *swappable) Guests(ctx context.Context, at time.Time, window time.Duration, vms []string) ([]cluster.GuestSigns, error) {
	return s.current.Load().Guests(ctx, at, window, vms)
}

// Trends is part of api.Trender.
func (s *swappable) Trends(ctx context.Context, subject string, from, to time.Time) (cluster.Trends, error) {
	return s.current.Load().Trends(ctx, subject, from, to)
}

func buildServer(f serverFlags, d driver, log *slog.Logger) (*server, error) {
	c, err := config.Load(f.config)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(f.storage, 0o750); err != nil {
		return nil, fmt.Errorf("--storage.path: %w", err)
	}
	s := &server{flags: f, log: log, driver: d, registry: prometheus.NewRegistry()}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), command.BuildInfo(version))
	s.reloads = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "evenkeel_config_last_reload_timestamp_seconds", Help: "When the configuration was last read, by result; 0 for never."}, []string{"result"})
	s.registry.MustRegister(s.reloads, maintenance{s}, standby{s})
	s.reloads.WithLabelValues("failure").Set(0)
	if s.id, err = identity(f.storage); err != nil {
		return nil, err
	}
	s.registry.MustRegister(serverInfo(c.Cluster, s.id), leadership{s, c.Cluster}, certificates{s})
	if s.journal, err = journal.Open(filepath.Join(f.storage, "journal.db")); err != nil {
		return nil, err
	}
	s.registry.MustRegister(s.journal.Collector())
	if n := s.journal.Adopted(); n > 0 {
		log.Warn("the journal was written by an older version; its entries have hashes from now on", "entries", n)
	}
	if s.kept, err = definitions.Open(definitionsOptions(f.storage, c)); err != nil {
		return nil, errors.Join(err, s.journal.Close())
	}
	if err := s.build(c); err != nil {
		return nil, errors.Join(err, s.kept.Close(), s.journal.Close())
	}
	return s, nil
}

func (s *server) build(c config.Config) error {
	var err error
	s.scrape, s.asked = c.Scrape, c.Slack
	if s.flags.prometheusURL == "" {
		s.engine, err = engine.Open(engine.Options{
			Dir: filepath.Join(s.flags.storage, "tsdb"), Retention: time.Duration(c.Scrape.Retention),
			ScrapeInterval: time.Duration(c.Scrape.Interval), ScrapeTimeout: time.Duration(c.Scrape.Timeout),
			Scheme: c.Scrape.Scheme, HTTPClient: c.Scrape.HTTP.HTTPClientConfig, Logger: s.log.With("room", "engine"), Registerer: s.registry,
			Own: engine.Own{Job: serverJob, Instance: s.flags.web.Listen[0], Handler: s.metricsPage()},
		})
		if err != nil {
			return err
		}
	}
	s.analyzer = analyzer.New(&s.source, analyzerPolicy(c), s.log.With("room", "analyzer"), s.registry)
	s.fencer = fence.New(fenceHosts(c))
	s.watch = watch.New(&s.source, s.driver, s.fencer, watchPolicy(c), s.log.With("room", "watch"), s.registry)
	s.failover, err = failover.New(s.watch, &s.source, &s.source, s.fencer, s.driver, s.kept, memory.New[recovery.Memory](filepath.Join(s.flags.storage, "memory.json"), "where VMs run"), s.lastSeen, failoverPolicy(c), s.log.With("room", "failover"), s.registry)
	if err != nil {
		return err
	}
	s.driver.Keep(s.kept)
	s.actuator, err = actuator.New(advice{s.analyzer, s.failover}, s.failover, s.driver, s.journal, s.actuatorPolicy(c), s.log.With("room", "actuator"), s.registry)
	if err != nil {
		return err
	}
	captures := capture.New(filepath.Join(s.flags.storage, "captures"), s.driver)
	s.actuator.SetRecovery(actuator.Recovery{Watch: s.watch, Fencer: s.fencer, Definitions: s.failover, Captures: captures})
	s.power = power.New(s.fencer, powerHosts(c), s.log.With("room", "power"))
	s.actuator.SetStandby(s.standbyParts())
	s.watch.SetRests(func(host string) bool {
		o := s.actuator.Orders().Standby(host, time.Now())
		return o != nil && !o.Rest.Asleep.IsZero()
	})
	s.failover.SetInbox(s.actuator)
	s.energy, err = energy.New(s.fencer, s.powerView, memory.New[energy.Ledger](filepath.Join(s.flags.storage, "energy.json"), "what sleeping hosts saved"), energyPolicy(c), s.log.With("room", "energy"), s.registry)
	if err != nil {
		return err
	}
	s.times, err = timetable.New(s.actuator, s.watch, s.lastSeen, memory.New[schedule.Book](filepath.Join(s.flags.storage, "schedules.json"), "what came of the schedules"), s.log.With("room", "timetable"), s.registry)
	if err != nil {
		return err
	}
	if s.slack, err = s.newSlack(c); err != nil {
		return err
	}
	s.api = api.New(s.analyzer, s.actuator, version, s.reload, s.log.With("room", "api"))
	s.api.SetLedger(s.journal)
	s.api.SetPast(&s.source)
	s.api.SetTrusted(s.actuator)
	s.api.SetWatch(s.watch)
	s.api.SetFailures(s.failover)
	s.api.SetCaptures(captures)
	s.api.SetDefinitions(versions{s.kept})
	s.api.SetPower(s.energy)
	s.sizes.server = s
	s.api.SetSizer(&s.sizes)
	s.api.SetTrender(&s.source)
	if s.runbooks, err = s.newRunbooks(); err != nil {
		return err
	}
	s.api.SetRunner(s.runbooks)
	s.api.SetTimetable(timesShown{s.times, s.actuator})
	if s.console, err = console.New(console.Options{API: s.api, Queries: s.engine != nil, Version: version, Log: s.log.With("room", "console")}); err != nil {
		return err
	}
	return s.apply(c)
}

// advice is what the analyzer advises and what is to be done about failures.
type advice struct {
	*analyzer.Analyzer
	failures *failover.Room
}

// Recommendations is part of actuator.Advice.
func (a advice) Recommendations() []cluster.Recommendation {
	return append(a.failures.Recommendations(), a.Analyzer.Recommendations()...)
}

// lastSeen is the snapshot that was judged last, empty before the first.
func (s *server) lastSeen() cluster.Snapshot {
	board, err := s.analyzer.Board()
	if err != nil && board.Snapshot.At.IsZero() {
		return cluster.Snapshot{}
	}
	return board.Snapshot
}

// apply puts a configuration into force. What it cannot change while running (intervals and
// retention of the embedded Prometheus) takes a restart.
func (s *server) apply(c config.Config) error {
	access, err := s.access(c)
	if err != nil {
		return err
	}
	certified, err := certificateFiles(c, s.flags.web.Config)
	if err != nil {
		return err
	}
	provider, err := newProvider(c.API.OIDC, s.provider)
	if err != nil {
		return err
	}
	source, err := s.newSource(c)
	if err != nil {
		return err
	}
	if err := s.setRunbooks(c); err != nil {
		return err
	}
	if s.engine != nil {
		asked, err := s.alerting(c)
		if err != nil {
			return err
		}
		if err := s.engine.SetAlerting(asked); err != nil {
			return fmt.Errorf("set rules and Alertmanagers: %w", err)
		}
		if err := s.engine.SetTargets(targets(c, "")); err != nil {
			return fmt.Errorf("set scrape targets: %w", err)
		}
	}
	kept := map[string]bool{}
	for _, h := range c.Hosts {
		kept[h.Name] = h.Maintenance
	}
	s.empty.Store(&kept)
	s.certified.Store(&certified)
	s.source.current.Store(source)
	s.driver.Configure(driverHosts(c), driverOptions(c))
	s.fencer.Configure(fenceHosts(c))
	s.power.Configure(powerHosts(c))
	s.energy.SetPolicy(energyPolicy(c))
	s.sizes.configure(c.Rightsizing)
	s.watch.SetPolicy(watchPolicy(c))
	s.failover.SetPolicy(failoverPolicy(c))
	s.analyzer.SetPolicy(analyzerPolicy(c))
	s.actuator.SetPolicy(s.actuatorPolicy(c))
	s.retention.Store(int64(c.Journal.Retention))
	s.times.SetSchedules(schedules(c))
	s.api.SetTargets(func(scheme, self string) []api.TargetGroup { return discovered(c, scheme, self) })
	s.api.SetSettings(c.Settings(docs.Meanings()))
	s.api.Configure(access, most(c.Automation))
	s.console.SetProvider(provider)
	s.provider = provider
	s.reloads.WithLabelValues("success").SetToCurrentTime()
	return nil
}

// actuatorPolicy is what the configuration says about acting, for this server.
func (s *server) actuatorPolicy(c config.Config) actuator.Policy {
	p := actuatorPolicy(c)
	p.Gate.Server = s.id
	return p
}

func (s *server) newSource(c config.Config) (*promql.Source, error) {
	if s.engine != nil {
		return promql.New("http://embedded.invalid/prometheus", s.engine.RoundTripper(), sourceOptions(c))
	}
	transport, err := transport(s.flags.prometheusCfg)
	if err != nil {
		return nil, fmt.Errorf("--prometheus.http.config.file: %w", err)
	}
	return promql.New(s.flags.prometheusURL, transport, sourceOptions(c))
}

func (s *server) reload() error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	c, err := config.Load(s.flags.config)
	if err == nil && !reflect.DeepEqual(c.Scrape, s.scrape) {
		s.log.Warn("what changed under scrape takes a restart; the targets are in force")
		c.Scrape = s.scrape
	}
	if err == nil && !reflect.DeepEqual(c.Slack, s.asked) {
		s.log.Warn("what changed under slack takes a restart")
	}
	if err == nil {
		err = s.apply(c)
	}
	if err != nil {
		s.reloads.WithLabelValues("failure").SetToCurrentTime()
		s.log.Error("configuration not reloaded, the old one stays in force", "err", err)
	}
	return err
}

// metricsPage is what the server tells of itself.
func (s *server) metricsPage() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{MaxRequestsInFlight: command.MaxScrapes})
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/", s.api)
	mux.Handle("/-/", s.api)
	mux.Handle("GET /metrics", s.metricsPage())
	if s.slack != nil {
		mux.Handle("/slack/interactivity", s.slack.Handler())
	}
	mux.Handle("/alertmanager/webhook", s.runbooks.Handler())
	if s.engine != nil {
		mux.Handle("/prometheus/", http.StripPrefix("/prometheus", s.engine.Handler()))
	}
	mux.Handle("/", s.console)
	return mux
}

func (s *server) run(ctx context.Context) error {
	defer s.journal.Close() //nolint:errcheck // every entry is on disk already
	defer s.kept.Close()    //nolint:errcheck // so is every definition
	defer s.driver.Close()
	h := s.handler()
	s.log.Info("the console is for browsers", "addresses", s.flags.web.Listen)
	var g run.Group
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	add := func(f func(context.Context) error) {
		g.Add(func() error { return f(ctx) }, func(error) { cancel() })
	}
	add(func(ctx context.Context) error { return s.flags.web.Serve(ctx, h, s.log) })
	if s.engine != nil {
		add(s.engine.Run)
	}
	add(s.analyzer.Run)
	add(s.actuator.Run)
	add(s.watch.Run)
	add(s.failover.Run)
	add(s.energy.Run)
	add(s.times.Run)
	if s.slack != nil {
		add(s.slack.Run)
	}
	add(s.runbooks.Run)
	add(s.console.Run)
	add(s.compact)
	add(s.reloadOnHangup)
	return g.Run()
}

func (s *server) reloadOnHangup(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			if s.reload() == nil {
				s.log.Info("configuration reloaded", "who", "SIGHUP")
			}
		case <-ctx.Done():
			return nil
		}
	}
}

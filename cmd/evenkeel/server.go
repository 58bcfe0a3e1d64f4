package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/actuator/capture"
	"github.com/evenkeel/evenkeel/actuator/definitions"
	"github.com/evenkeel/evenkeel/actuator/energy"
	"github.com/evenkeel/evenkeel/actuator/etcdstore"
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
	"github.com/evenkeel/evenkeel/internal/tracing"
	"github.com/evenkeel/evenkeel/internal/tracing/collector"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

type serverFlags struct {
	version       string // of the program, where it is to say another than its own
	web           command.Web
	config, level string
	clusters      string
	storage       string
	prometheusURL []string
	prometheusCfg string
	store         StoreFlags
	peer          peerFlags
	tracing       struct {
		endpoint string
		ratio    float64
	}
}

// tellTheRest tells the collector what is left, for a short while.
func tellTheRest(stop func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = stop(ctx) // its own log says what was lost
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
			if f.tracing.endpoint != "" {
				stop, err := collector.Start(cmd.Context(), f.tracing.endpoint, f.tracing.ratio, version, log.With("room", "tracing"))
				if err != nil {
					return fmt.Errorf("--tracing.endpoint: %w", err)
				}
				defer tellTheRest(stop)
			}
			real := func() driver { return hypervisor.New(nil, hypervisor.Options{}) }
			if f.clusters != "" {
				if err := alone(cmd.Flags()); err != nil {
					return err
				}
				several, err := newFleet(f.clusters, f, real, log)
				if err != nil {
					return err
				}
				return several.run(cmd.Context())
			}
			n, err := buildNode(f, real(), log)
			if err != nil {
				return err
			}
			return n.run(cmd.Context())
		},
	}
	f.web.Register(cmd.Flags(), "127.0.0.1:9178")
	cmd.Flags().StringVar(&f.config, "config.file", "evenkeel.yml", "configuration file")
	cmd.Flags().StringVar(&f.clusters, "clusters.file", "", "look after the clusters that this file names, each with its own configuration, storage and address")
	cmd.Flags().StringVar(&f.storage, "storage.path", "data", "directory for the journal, the time series and the token")
	cmd.Flags().StringArrayVar(&f.prometheusURL, "prometheus.url", nil, "read this Prometheus-compatible server instead of embedding one; give it again for each replica of it")
	cmd.Flags().StringVar(&f.prometheusCfg, "prometheus.http.config.file", "", "file with basic_auth, tls_config and so on for --prometheus.url")
	cmd.Flags().StringVar(&f.level, "log.level", "info", "debug, info, warn or error")
	f.store.Register(cmd.Flags())
	f.peer.register(cmd.Flags())
	cmd.Flags().StringVar(&f.tracing.endpoint, "tracing.endpoint", "", "OpenTelemetry collector that is told what was done for each recommendation: http://HOST:4318 (OTLP over HTTP)")
	cmd.Flags().Float64Var(&f.tracing.ratio, "tracing.ratio", 1, "of how many of all recommendations, as a ratio")
	return cmd
}

// alone refuses flags of one cluster beside a file of several.
func alone(set *pflag.FlagSet) error {
	var errs []error
	for _, name := range []string{"config.file", "storage.path", "web.listen-address", "web.config.file", "prometheus.url", "prometheus.http.config.file", "peer.url", "peer.http.config.file"} {
		if set.Changed(name) {
			errs = append(errs, fmt.Errorf("--%s is of one cluster: with --clusters.file it stands in that file, for each", name))
		}
	}
	return errors.Join(errs...)
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

// server is everything that looks after the cluster, while this process is the one that does.
type server struct {
	basis
	registry *prometheus.Registry
	term     *etcdstore.Term // nil where the state is in files
	source   swappable
	analyzer *analyzer.Analyzer
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
	// empty are the hosts that the configuration keeps in maintenance.
	empty     atomic.Pointer[map[string]bool]
	retention atomic.Int64 // of the journal, as a time.Duration
}

// swappable is a source that a reload can replace.
type swappable struct {
	current atomic.Pointer[promql.Replicas]
}

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

// buildServer puts everything together. Reload is what the API's order to reload does.
func buildServer(b basis, term *etcdstore.Term, c config.Config, reload func() error) (*server, error) {
	s := &server{basis: b, term: term, registry: prometheus.NewRegistry()}
	s.registry.MustRegister(maintenance{s}, standby{s}, replicas{s})
	var err error
	if s.journal, err = s.openJournal(); err != nil {
		return nil, err
	}
	s.registry.MustRegister(s.journal.Collector())
	if n := s.journal.Adopted(); n > 0 {
		s.log.Warn("the journal was written by an older version; its entries have hashes from now on", "entries", n)
	}
	if s.kept, err = s.openDefinitions(c); err != nil {
		return nil, errors.Join(err, s.journal.Close())
	}
	if err := s.build(c, reload); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// openJournal opens the journal where the state is.
func (s *server) openJournal() (*journal.Journal, error) {
	if s.term == nil {
		if half := filepath.Join(s.flags.storage, unfinished); exists(half) {
			return nil, fmt.Errorf("%s is there: a store migrate to this directory did not come to its end; run it again, or start with another --storage.path", half)
		}
		return journal.Open(filepath.Join(s.flags.storage, "journal.db"))
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	return s.store.Journal(ctx, s.term, s.flags.storage)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// openDefinitions opens where the definitions of VMs are kept.
func (s *server) openDefinitions(c config.Config) (*definitions.Store, error) {
	o := definitionsOptions(s.flags.storage, c)
	if s.term == nil {
		return definitions.Open(o)
	}
	return s.store.Definitions(s.term, o.KeyFile, o.Keep)
}

// place is where a room keeps what it must not forget.
func (s *server) place(name string) memory.Place {
	if s.term == nil {
		return memory.File(filepath.Join(s.flags.storage, name+".json"))
	}
	return s.store.Document(s.term, name)
}

// openTimeout bounds the opening of what is kept in etcd.
const openTimeout = 30 * time.Second

// close lets go of what is kept. Everything in it is safe already.
func (s *server) close() error { return errors.Join(s.kept.Close(), s.journal.Close()) }

func (s *server) build(c config.Config, reload func() error) error {
	var err error
	s.analyzer = analyzer.New(&s.source, analyzerPolicy(c), s.log.With("room", "analyzer"), s.registry)
	if err = s.analyzer.Remember(memory.On[[]cluster.Recommendation](s.place("advice"), "what is advised")); err != nil {
		return err
	}
	s.fencer = fence.New(fenceHosts(c))
	s.watch = watch.New(&s.source, s.driver, s.fencer, watchPolicy(c), s.log.With("room", "watch"), s.registry)
	s.failover, err = failover.New(s.watch, &s.source, &s.source, s.fencer, s.driver, s.kept, memory.On[recovery.Memory](s.place("memory"), "where VMs run"), s.lastSeen, failoverPolicy(c), s.log.With("room", "failover"), s.registry)
	if err != nil {
		return err
	}
	s.driver.Keep(s.kept)
	s.actuator, err = actuator.New(advice{s.analyzer, s.failover}, s.failover, s.driver, s.journal, s.actuatorPolicy(c), s.log.With("room", "actuator"), s.registry)
	if err != nil {
		return err
	}
	s.actuator.SetTrace(func(ctx context.Context, what string, since time.Time, about ...string) (context.Context, func(error)) {
		if since.IsZero() {
			return tracing.Step(ctx, what, about...)
		}
		return collector.Root(ctx, what, since, append(about, "cluster", c.Cluster, "server", s.id)...)
	})
	captures := capture.New(filepath.Join(s.flags.storage, "captures"), s.driver)
	s.actuator.SetRecovery(actuator.Recovery{Watch: s.watch, Fencer: s.fencer, Definitions: s.failover, Captures: captures})
	s.power = power.New(s.fencer, powerHosts(c), s.log.With("room", "power"))
	s.actuator.SetStandby(s.standbyParts())
	s.watch.SetRests(func(host string) bool {
		o := s.actuator.Orders().Standby(host, time.Now())
		return o != nil && !o.Rest.Asleep.IsZero()
	})
	s.failover.SetInbox(s.actuator)
	s.energy, err = energy.New(s.fencer, s.powerView, memory.On[energy.Ledger](s.place("energy"), "what sleeping hosts saved"), energyPolicy(c), s.log.With("room", "energy"), s.registry)
	if err != nil {
		return err
	}
	s.times, err = timetable.New(s.actuator, s.watch, s.lastSeen, memory.On[schedule.Book](s.place("schedules"), "what came of the schedules"), s.log.With("room", "timetable"), s.registry)
	if err != nil {
		return err
	}
	if s.slack, err = s.newSlack(c); err != nil {
		return err
	}
	s.api = api.New(s.analyzer, s.actuator, s.flags.version, reload, s.log.With("room", "api"))
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
	return nil
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

// apply puts a configuration into force, with who may do what by it.
func (s *server) apply(c config.Config, access api.Access) error {
	source, err := s.newSource(c)
	if err != nil {
		return err
	}
	if err := s.setRunbooks(c); err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, h := range c.Hosts {
		kept[h.Name] = h.Maintenance
	}
	s.empty.Store(&kept)
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
	return nil
}

// actuatorPolicy is what the configuration says about acting, for this server.
func (s *server) actuatorPolicy(c config.Config) actuator.Policy {
	p := actuatorPolicy(c)
	p.Gate.Server, p.Gate.Elected = s.id, s.term != nil
	return p
}

// observe runs what looks, and changes nothing.
func (s *server) observe(ctx context.Context) error {
	return runTogether(ctx, s.analyzer.Run, s.watch.Run)
}

// act runs what decides, changes and remembers.
func (s *server) act(ctx context.Context) error {
	rooms := []func(context.Context) error{s.actuator.Run, s.failover.Run, s.energy.Run, s.times.Run, s.runbooks.Run, s.compact}
	if s.slack != nil {
		rooms = append(rooms, s.slack.Run)
	}
	return runTogether(ctx, rooms...)
}

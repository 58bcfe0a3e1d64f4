package main

import (
	"cmp"
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

	"github.com/evenkeel/evenkeel/actuator/etcdstore"
	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/evenkeel/evenkeel/internal/console"
	"github.com/evenkeel/evenkeel/internal/engine"
	"github.com/evenkeel/evenkeel/internal/oidc"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// basis is what a process has, whether it leads or not.
type basis struct {
	flags  serverFlags
	log    *slog.Logger
	id     string
	driver driver
	engine *engine.Engine   // nil with an external Prometheus
	store  *etcdstore.Store // of who leads by it; nil where the state is in files
}

// node is a process that serves: the cluster's metrics, its pages and its API. It looks after the cluster itself, or knows who does.
type node struct {
	basis
	registry *prometheus.Registry
	console  *console.Console
	reloads  *prometheus.GaugeVec
	// leads is what looks after the cluster here; nil while another process does.
	leads atomic.Pointer[server]
	// follows is what is done instead; nil where the state is in files.
	follows *following

	certified atomic.Pointer[[]string] // the files with certificates that the configuration names
	reloading sync.Mutex
	inForce   config.Config
	access    api.Access
	provider  *oidc.Provider // of who logs in to the console, nil where none is configured
}

func buildNode(f serverFlags, d driver, log *slog.Logger) (*node, error) {
	c, err := config.Load(f.config)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(f.storage, 0o750); err != nil {
		return nil, fmt.Errorf("--storage.path: %w", err)
	}
	f.version = cmp.Or(f.version, version)
	n := &node{basis: basis{flags: f, log: log, driver: d}, registry: prometheus.NewRegistry(), inForce: c}
	n.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), command.BuildInfo(f.version))
	n.reloads = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "evenkeel_config_last_reload_timestamp_seconds", Help: "When the configuration was last read, by result; 0 for never."}, []string{"result"})
	n.reloads.WithLabelValues("failure").Set(0)
	if n.id, err = identity(f.storage); err != nil {
		return nil, err
	}
	n.registry.MustRegister(n.reloads, serverInfo{n, c.Cluster}, leadership{n, c.Cluster}, certificates{n})
	if err := n.build(c); err != nil {
		return nil, errors.Join(err, n.discard())
	}
	return n, nil
}

// discard lets go of a node that was put together and is not run.
func (n *node) discard() error {
	var err error
	if n.engine != nil {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		err = n.engine.Run(over) // which is how it closes
	}
	return errors.Join(err, n.close())
}

func (n *node) build(c config.Config) error {
	var err error
	if n.follows, err = newFollowing(n); err != nil {
		return err
	}
	if len(n.flags.prometheusURL) == 0 {
		n.engine, err = engine.Open(engine.Options{
			Dir: filepath.Join(n.flags.storage, "tsdb"), Retention: time.Duration(c.Scrape.Retention),
			ScrapeInterval: time.Duration(c.Scrape.Interval), ScrapeTimeout: time.Duration(c.Scrape.Timeout),
			Scheme: c.Scrape.Scheme, HTTPClient: c.Scrape.HTTP.HTTPClientConfig, Logger: n.log.With("room", "engine"), Registerer: n.registry,
			Own: engine.Own{Job: serverJob, Instance: n.flags.web.Listen[0], Handler: n.metricsPage()},
		})
		if err != nil {
			return err
		}
	} else if _, err := n.newSource(c); err != nil {
		return err // at once, and not only when this process leads
	}
	n.console, err = console.New(console.Options{API: http.HandlerFunc(n.answer), Queries: n.engine != nil, Version: n.flags.version, Log: n.log.With("room", "console")})
	if err != nil {
		return err
	}
	if n.follows == nil {
		s, err := buildServer(n.basis, nil, c, n.reload)
		if err != nil {
			return err
		}
		n.leads.Store(s)
	}
	return n.apply(c)
}

// answer answers a request to the API.
func (n *node) answer(w http.ResponseWriter, r *http.Request) {
	if s := n.leads.Load(); s != nil {
		s.api.ServeHTTP(w, r)
		return
	}
	n.follows.api.ServeHTTP(w, r)
}

// apply puts a configuration into force. What it cannot change while running (intervals and retention of the embedded Prometheus)
// takes a restart.
func (n *node) apply(c config.Config) error {
	access, err := n.allowed(c)
	if err != nil {
		return err
	}
	certified, err := certificateFiles(c, n.flags.web.Config)
	if err != nil {
		return err
	}
	provider, err := newProvider(c.API.OIDC, n.provider)
	if err != nil {
		return err
	}
	var asked engine.Alerting
	if n.engine != nil {
		if asked, err = n.alerting(c); err != nil {
			return err
		}
	}
	if s := n.leads.Load(); s != nil {
		if err := s.apply(c, access); err != nil {
			return err
		}
	}
	if n.engine != nil {
		if err := n.engine.SetAlerting(asked); err != nil {
			return fmt.Errorf("set rules and Alertmanagers: %w", err)
		}
		if err := n.engine.SetTargets(targets(c, "")); err != nil {
			return fmt.Errorf("set scrape targets: %w", err)
		}
	}
	if n.follows != nil {
		n.follows.api.Configure(access, most(c.Automation))
	}
	n.certified.Store(&certified)
	n.console.SetProvider(provider)
	n.provider, n.access, n.inForce = provider, access, c
	n.reloads.WithLabelValues("success").SetToCurrentTime()
	return nil
}

func (n *node) reload() error {
	n.reloading.Lock()
	defer n.reloading.Unlock()
	c, err := config.Load(n.flags.config)
	if err == nil && !reflect.DeepEqual(c.Scrape, n.inForce.Scrape) {
		n.log.Warn("what changed under scrape takes a restart; the targets are in force")
		c.Scrape = n.inForce.Scrape
	}
	if err == nil && !reflect.DeepEqual(c.Slack, n.inForce.Slack) {
		n.log.Warn("what changed under slack takes a restart")
		c.Slack = n.inForce.Slack
	}
	if err == nil {
		err = n.apply(c)
	}
	if err != nil {
		n.reloads.WithLabelValues("failure").SetToCurrentTime()
		n.log.Error("configuration not reloaded, the old one stays in force", "err", err)
	}
	return err
}

// newSource returns what reads the cluster's metrics: the embedded Prometheus, or those of others.
func (b basis) newSource(c config.Config) (*promql.Replicas, error) {
	o := sourceOptions(c)
	if b.store != nil {
		o.Store = b.store.ID()
	}
	if b.engine != nil {
		own, err := promql.New("http://embedded.invalid/prometheus", b.engine.RoundTripper(), o)
		if err != nil {
			return nil, err
		}
		return promql.NewReplicas(own)
	}
	return othersSource(b.flags.prometheusURL, b.flags.prometheusCfg, o)
}

// metricsPage is what the process tells of itself and, while it looks after the cluster, of that.
func (n *node) metricsPage() http.Handler {
	all := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		g := prometheus.Gatherers{n.registry}
		if s := n.leads.Load(); s != nil {
			g = append(g, s.registry)
		}
		return g.Gather()
	})
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{MaxRequestsInFlight: command.MaxScrapes})
}

func (n *node) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", n.answer)
	mux.HandleFunc("/-/", n.answer)
	mux.HandleFunc("/debug/", n.answer)
	mux.Handle("GET /metrics", n.metricsPage())
	if n.inForce.Slack != nil {
		mux.Handle("/slack/interactivity", n.byLeader(func(s *server) http.Handler { return s.slack.Handler() }))
	}
	mux.Handle("/alertmanager/webhook", n.byLeader(func(s *server) http.Handler { return s.runbooks.Handler() }))
	if n.engine != nil {
		mux.Handle("/prometheus/", http.StripPrefix("/prometheus", n.engine.Handler()))
	}
	mux.Handle("/", n.console)
	return mux
}

// byLeader has a request answered by a part of what looks after the cluster, wherever that is.
func (n *node) byLeader(part func(*server) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := n.leads.Load(); s != nil {
			part(s).ServeHTTP(w, r)
			return
		}
		n.follows.peers.HandOn(w, r)
	})
}

func (n *node) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, n.close()) }()
	h := n.handler()
	n.log.Info("the console is for browsers", "addresses", n.flags.web.Listen)
	all := []func(context.Context) error{
		func(ctx context.Context) error { return n.flags.web.Serve(ctx, h, n.log) },
		n.console.Run, n.reloadOnHangup,
	}
	if n.engine != nil {
		all = append(all, n.engine.Run)
	}
	if n.follows != nil {
		all = append(all, n.lead)
	} else {
		s := n.leads.Load()
		all = append(all, s.observe, s.act)
	}
	return runTogether(ctx, all...)
}

// close lets go of everything. What is kept is safe already.
func (n *node) close() error {
	var err error
	if s := n.leads.Load(); s != nil {
		err = s.close()
	}
	if n.follows != nil {
		err = errors.Join(err, n.follows.close())
	}
	n.driver.Close()
	return err
}

func (n *node) reloadOnHangup(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			if n.reload() == nil {
				n.log.Info("configuration reloaded", "who", "SIGHUP")
			}
		case <-ctx.Done():
			return nil
		}
	}
}

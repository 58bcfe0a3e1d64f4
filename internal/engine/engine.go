// Package engine embeds the Prometheus engine: a time series database on disk,
// the scrape manager, PromQL and the query API, version v0.315.0 exactly.
//
// Prometheus offers no stable Go API for these parts, so everything that knows
// them stays in this package, behind a handful of functions. The rest of
// evenkeel reads metrics through Engine.RoundTripper or over HTTP, with the
// same client as from an external Prometheus.
//
// It evaluates the rules that it is given, tells Alertmanagers of what fires and
// writes to remote servers. It does not discover targets, accept remote write,
// offer the admin API or federate.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/scrape"
)

// ErrClosed says that the engine has been closed, or is just closing.
var ErrClosed = errors.New("engine is closed")

// Engine is one embedded Prometheus. All its methods are safe for concurrent
// use. It answers queries from Open on and scrapes while Run runs.
type Engine struct {
	opts     Options
	logger   *slog.Logger
	registry *prometheus.Registry // what Prometheus itself exports
	metrics  ownMetrics           // the same, for the caller's Registerer
	store    *store
	scraper  *scrape.Manager
	alerting *alerting
	hallway  *hallway
	door     *frontDoor
	opened   time.Time

	// groups carries the newest target set to the scraper. It holds at most
	// one: a newer set replaces one that has not been read yet.
	groups chan map[string][]*targetgroup.Group

	mu     sync.Mutex                      // guards the fields below
	jobs   map[string]*config.ScrapeConfig // every job ever set, see SetTargets
	closed bool

	running atomic.Bool
}

// Open opens or creates the database in o.Dir and makes it ready to answer
// queries; nothing is scraped before Run. The directory stays locked until Run
// has returned, so an engine that is not needed after all is closed by Run with
// a cancelled context. The error of Open says what to change: an option, the
// permissions of the directory, or the other process that uses it.
func Open(o Options) (*Engine, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("engine options: %w", err)
	}
	e := &Engine{
		opts:     o,
		logger:   o.Logger,
		registry: prometheus.NewRegistry(),
		opened:   time.Now(),
		groups:   make(chan map[string][]*targetgroup.Group, 1),
		jobs:     map[string]*config.ScrapeConfig{},
		hallway:  newHallway(),
	}
	e.store, err = openStore(o, e.registry)
	if err != nil {
		return nil, err
	}
	if err := e.assemble(); err != nil {
		return nil, errors.Join(err, e.store.close())
	}
	return e, nil
}

// assemble builds what stands on the open store. The metrics of Prometheus are
// handed to the caller's Registerer last and as one collector: two engines with
// one Registerer are then an error instead of a panic inside Prometheus.
func (e *Engine) assemble() error {
	scraper, err := scrape.NewManager(scrapeOptions(e.hallway), e.logger.With("component", "scrape"), nil, nil, e.store.guard, e.registry)
	if err != nil {
		return fmt.Errorf("create scrape manager: %w", err)
	}
	e.scraper = scraper
	queries := newQueryEngine(e.opts, e.registry)
	e.alerting = newAlerting(e, queries)
	e.door = &frontDoor{
		api:     newAPI(e, queries),
		gate:    newRequestGate(),
		timeout: e.opts.QueryTimeout,
		logger:  e.logger,
	}
	if e.opts.Registerer == nil {
		return nil
	}
	e.metrics = metricsOf(e.registry)
	if err := e.opts.Registerer.Register(e.metrics); err != nil {
		return fmt.Errorf("register metrics of the embedded Prometheus: %w", err)
	}
	return nil
}

// ownMetrics are the metrics of Prometheus. They are registered and withdrawn by what there is when the engine opens: a registry names itself by all its
// metrics, and some come and go with remote servers and Alertmanagers.
type ownMetrics struct {
	*prometheus.Registry
	opening []*prometheus.Desc
}

func metricsOf(r *prometheus.Registry) ownMetrics {
	m := ownMetrics{Registry: r}
	ch := make(chan *prometheus.Desc)
	go func() {
		r.Describe(ch)
		close(ch)
	}()
	for d := range ch {
		m.opening = append(m.opening, d)
	}
	return m
}

// Describe tells the metrics that there were at the opening.
func (m ownMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range m.opening {
		ch <- d
	}
}

// Run scrapes the targets and evaluates the rules until ctx ends, then stops scraping, cancels the
// queries that are under way and closes the database. Scrapes in progress are
// let finish, for up to ScrapeTimeout: cutting them off would store a false
// up=0. Run can be called once; its error is that of closing the database, or
// that it was called before.
func (e *Engine) Run(ctx context.Context) error {
	if !e.running.CompareAndSwap(false, true) {
		return errors.New("engine: Run called a second time")
	}
	var loops sync.WaitGroup
	watching, unwatch := context.WithCancel(context.Background())
	loops.Go(func() { e.store.guard.watch(watching) })
	loops.Go(func() { e.endOfBefore(ctx) })
	loops.Go(func() {
		if err := e.scraper.Run(e.groups); err != nil {
			e.logger.Error("Scrape manager ended with an error", "err", err)
		}
	})
	e.alerting.run(&loops)
	if e.opts.Own.Job != "" {
		loops.Go(func() { _ = e.hallway.serve(e.opts.Own.Handler) }) // it ends when the hallway is closed
	}
	<-ctx.Done()
	e.stopScraping()
	err := errors.Join(e.alerting.stop(), e.hallway.Close())
	unwatch()
	loops.Wait()
	return errors.Join(err, e.close())
}

// stopScraping ends all scrape loops. Stop alone would leave a gap: a target
// set that is still waiting could start new loops after it. Without a single
// scrape config left there is nothing that could be started.
func (e *Engine) stopScraping() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if err := e.applyJobs(nil); err != nil {
		e.logger.Warn("Cannot withdraw the scrape jobs", "err", err)
	}
	e.scraper.Stop()
}

// close waits for the requests that are being answered before it closes the
// database: a query must not read a file that is no longer mapped.
func (e *Engine) close() error {
	e.door.gate.close()
	if e.opts.Registerer != nil {
		e.opts.Registerer.Unregister(e.metrics)
	}
	if err := e.store.close(); err != nil {
		return fmt.Errorf("close engine: %w", err)
	}
	return nil
}

// Handler serves the Prometheus query API under /api/v1/, and nothing else; see
// served for the list. Mount it with http.StripPrefix where Grafana is to find
// it. It answers 503 once the engine is closing and 500 instead of panicking.
func (e *Engine) Handler() http.Handler { return e.door }

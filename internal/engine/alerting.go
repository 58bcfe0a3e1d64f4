package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/notifier"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage/remote"
)

const (
	// DefaultEvaluationInterval is from one evaluation of a group of rules to the next, where the group does not say.
	DefaultEvaluationInterval = 15 * time.Second
	// outageTolerance, forGracePeriod and resendDelay are Prometheus' own defaults: how long the engine may have been away for an alert to be taken
	// for pending ever since, how much longer it is then pending at least, and how often Alertmanager is told again.
	outageTolerance = time.Hour
	forGracePeriod  = 10 * time.Minute
	resendDelay     = time.Minute
	// notifications is how many alerts wait for an Alertmanager that does not answer, before the oldest are dropped.
	notifications = 10_000
	// flushDeadline is how long the end waits for what remote servers have not taken yet.
	flushDeadline = 5 * time.Second
)

// RuleFile is a file of recording and alerting rules, in Prometheus' format.
type RuleFile struct {
	Name string
	Text []byte
}

// Endpoint is a server that something is sent to. The zero HTTPClient means promconfig.DefaultHTTPClientConfig.
type Endpoint struct {
	URL        string
	HTTPClient promconfig.HTTPClientConfig
}

// Alerting says what the engine does with what it stores. The zero value evaluates nothing and sends nothing.
type Alerting struct {
	Rules []RuleFile
	// Interval is by default DefaultEvaluationInterval.
	Interval time.Duration
	// Alertmanagers are told of the alerts, each of them.
	Alertmanagers []Endpoint
	// RemoteWrite are sent every sample, in the protocol of Prometheus' remote write 1.0.
	RemoteWrite []Endpoint
	// ExternalLabels are added to alerts and to samples that leave.
	ExternalLabels map[string]string
	// ExternalURL is where people find the engine, for the links in alerts.
	ExternalURL string
}

// CheckRules says what is wrong with the files: the name, the line and what Prometheus says of it.
func CheckRules(files []RuleFile) error {
	var errs []error
	seen := map[string]bool{}
	for _, f := range files {
		if seen[f.Name] {
			errs = append(errs, fmt.Errorf("%s: stands twice among the rule files", f.Name))
		}
		seen[f.Name] = true
		_, wrong := parseRules(f.Text)
		for _, err := range wrong {
			errs = append(errs, fmt.Errorf("%s: %w", f.Name, err))
		}
	}
	return errors.Join(errs...)
}

func parseRules(text []byte) (*rulefmt.RuleGroups, []error) {
	return rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
}

// alerting evaluates rules, tells Alertmanagers and writes to remote servers.
type alerting struct {
	rules    *rules.Manager
	notifier *notifier.Manager
	remote   *remote.Storage
	groups   chan map[string][]*targetgroup.Group
	files    *ruleFiles
	external atomic.Pointer[string] // where people find the engine
}

// ruleFiles are the rules in force, by the names of their files.
type ruleFiles struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (r *ruleFiles) set(files []RuleFile) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files = map[string][]byte{}
	for _, f := range files {
		r.files[f.Name] = f.Text
	}
}

// Load is part of rules.GroupLoader.
func (r *ruleFiles) Load(name string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return parseRules(r.files[name])
}

// Parse is part of rules.GroupLoader.
func (r *ruleFiles) Parse(query string) (parser.Expr, error) {
	return parser.NewParser(parser.Options{}).ParseExpr(query)
}

func newAlerting(e *Engine, queries *promql.Engine) *alerting {
	a := &alerting{files: &ruleFiles{}, groups: make(chan map[string][]*targetgroup.Group, 1)}
	a.external.Store(new(string))
	a.notifier = notifier.NewManager(&notifier.Options{QueueCapacity: notifications, Registerer: e.registry, MaxBatchSize: notifier.DefaultMaxBatchSize}, model.UTF8Validation, e.logger.With("component", "notifier"))
	a.remote = remote.NewStorage(e.logger.With("component", "remote"), e.registry, e.store.db.StartTime, e.opts.Dir, flushDeadline, found{e}, false)
	e.store.db.SetWriteNotified(a.remote)
	a.rules = rules.NewManager(&rules.ManagerOptions{
		Appendable: e.store.guard, Queryable: e.store.db, QueryFunc: rules.EngineQueryFunc(queries, e.store.db),
		NotifyFunc: a.notify, ExternalURL: &url.URL{}, Registerer: e.registry, Logger: e.logger.With("component", "rules"),
		OutageTolerance: outageTolerance, ForGracePeriod: forGracePeriod, ResendDelay: resendDelay, RestoreNewRuleGroups: true,
		GroupLoader: a.files, DefaultRuleQueryOffset: func() time.Duration { return 0 }, Parser: parser.NewParser(parser.Options{}),
	})
	return a
}

// notify tells the Alertmanagers.
func (a *alerting) notify(ctx context.Context, expr string, alerts ...*rules.Alert) {
	rules.SendAlerts(a.notifier, *a.external.Load())(ctx, expr, alerts...)
}

// found gives remote write the scraper, which knows what kinds of metrics there are.
type found struct{ engine *Engine }

// Get is part of remote.ReadyScrapeManager.
func (f found) Get() (*scrape.Manager, error) { return f.engine.scraper, nil }

// run evaluates and sends until stop.
func (a *alerting) run(loops *sync.WaitGroup) {
	loops.Go(a.rules.Run)
	loops.Go(func() { a.notifier.Run(a.groups) })
}

func (a *alerting) stop() error {
	a.rules.Stop()
	a.notifier.Stop()
	return a.remote.Close()
}

// SetAlerting makes what is given the whole of what is evaluated and sent. Alerts whose rules stay go on without a gap. An error names what is wrong
// and leaves the former settings in force; after Run has ended it is ErrClosed.
func (e *Engine) SetAlerting(a Alerting) error {
	if err := CheckRules(a.Rules); err != nil {
		return err
	}
	cfg, targets, err := a.config(e.logger)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if err := e.alerting.remote.ApplyConfig(cfg); err != nil {
		return fmt.Errorf("remote write: %w", err)
	}
	if err := e.alerting.notifier.ApplyConfig(cfg); err != nil {
		return fmt.Errorf("alertmanagers: %w", err)
	}
	select {
	case <-e.alerting.groups: // not read yet, and outdated now
	default:
	}
	e.alerting.groups <- targets
	e.alerting.external.Store(&a.ExternalURL)
	e.alerting.files.set(a.Rules)
	names := make([]string, 0, len(a.Rules))
	for _, f := range a.Rules {
		names = append(names, f.Name)
	}
	interval := a.Interval
	if interval == 0 {
		interval = DefaultEvaluationInterval
	}
	return e.alerting.rules.Update(interval, names, cfg.GlobalConfig.ExternalLabels, a.ExternalURL, nil)
}

// config is the settings in Prometheus' own words, and where its Alertmanagers are.
func (a Alerting) config(logger *slog.Logger) (*config.Config, map[string][]*targetgroup.Group, error) {
	cfg, err := config.Load("", logger)
	if err != nil {
		return nil, nil, fmt.Errorf("load empty Prometheus configuration: %w", err)
	}
	cfg.GlobalConfig.ExternalLabels = labels.FromMap(a.ExternalLabels)
	targets := map[string][]*targetgroup.Group{}
	for i, m := range a.Alertmanagers {
		u, client, err := m.complete()
		if err != nil {
			return nil, nil, fmt.Errorf("alertmanager %s: %w", m.URL, err)
		}
		c := config.DefaultAlertmanagerConfig
		c.Scheme, c.PathPrefix, c.HTTPClientConfig = u.Scheme, u.Path, client
		cfg.AlertingConfig.AlertmanagerConfigs = append(cfg.AlertingConfig.AlertmanagerConfigs, &c)
		targets[fmt.Sprintf("config-%d", i)] = []*targetgroup.Group{{Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(u.Host)}}}}
	}
	if want, got := slices.Sorted(maps.Keys(targets)), slices.Sorted(maps.Keys(cfg.AlertingConfig.AlertmanagerConfigs.ToMap())); !slices.Equal(want, got) {
		return nil, nil, fmt.Errorf("alertmanagers are called %v, not %v", got, want)
	}
	for _, r := range a.RemoteWrite {
		u, client, err := r.complete()
		if err != nil {
			return nil, nil, fmt.Errorf("remote write to %s: %w", r.URL, err)
		}
		c := config.DefaultRemoteWriteConfig
		c.URL, c.HTTPClientConfig = &promconfig.URL{URL: u}, client
		cfg.RemoteWriteConfigs = append(cfg.RemoteWriteConfigs, &c)
	}
	return cfg, targets, nil
}

// complete returns the parsed address and the HTTP settings with defaults filled in, which are tried, since Prometheus would name a missing
// certificate file only in the log.
func (e Endpoint) complete() (*url.URL, promconfig.HTTPClientConfig, error) {
	client := e.HTTPClient
	if reflect.ValueOf(client).IsZero() {
		client = promconfig.DefaultHTTPClientConfig
	}
	u, err := url.Parse(e.URL)
	if err != nil {
		return nil, client, err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, client, errors.New("is no address; write for example http://127.0.0.1:9093")
	}
	if err := client.Validate(); err != nil {
		return nil, client, err
	}
	_, err = promconfig.NewClientFromConfig(client, "engine")
	return u, client, err
}

package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/common/config"
)

// What an Options field means when it is zero.
const (
	DefaultRetention      = 15 * 24 * time.Hour
	DefaultScrapeInterval = 15 * time.Second
	DefaultScrapeTimeout  = 10 * time.Second
	DefaultQueryTimeout   = 30 * time.Second
	// DefaultMaxSamples is enough for a week of 1,000 series at Grafana's
	// resolution several times over. A sample takes 16 bytes, so with
	// maxConcurrentQueries queries at once it bounds them to about 1.3 GB.
	DefaultMaxSamples = 10_000_000
)

// Options say how an Engine stores, scrapes and answers. Only Dir is required.
type Options struct {
	// Dir is the directory of the database, on a local file system with at
	// least 256 MiB free. It is created when missing.
	Dir string
	// Retention is how long samples are kept at least, by default
	// DefaultRetention. The unit of deletion is a block of two hours or more.
	// History goes earlier when it fills maxDiskPercent of its file system.
	Retention time.Duration

	// ScrapeInterval is the time between two scrapes of one target, at least
	// 1ms, by default DefaultScrapeInterval.
	ScrapeInterval time.Duration
	// ScrapeTimeout is how long one scrape may take, at most ScrapeInterval.
	// The default is DefaultScrapeTimeout or ScrapeInterval if that is less.
	ScrapeTimeout time.Duration
	// Scheme is that of every target, "http" (the default) or "https".
	Scheme string
	// HTTPClient says how to reach the targets: basic auth, TLS, proxy. The
	// zero value means promconfig.DefaultHTTPClientConfig. HTTP/2 is never
	// used, see dialMetered.
	HTTPClient promconfig.HTTPClientConfig

	// Own is what the process tells of itself, beside the targets.
	Own Own

	// QueryTimeout bounds every request to the API, waiting included, by
	// default DefaultQueryTimeout.
	QueryTimeout time.Duration
	// MaxSamples is how many samples one query may hold in memory at once, by
	// default DefaultMaxSamples. A query that needs more fails.
	MaxSamples int

	// Logger receives the engine's log; nil discards it.
	Logger *slog.Logger
	// Registerer receives the metrics of the embedded Prometheus
	// (prometheus_tsdb_*, prometheus_target_*, prometheus_engine_*); nil means
	// that nobody sees them.
	Registerer prometheus.Registerer
}

// complete returns o with defaults filled in, or what is wrong with o.
func (o Options) complete() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("the storage directory is not set")
	}
	if err := o.completeDurations(); err != nil {
		return o, err
	}
	if o.MaxSamples < 0 {
		return o, fmt.Errorf("max samples is %d, want 0 (default) or more", o.MaxSamples)
	}
	if o.MaxSamples == 0 {
		o.MaxSamples = DefaultMaxSamples
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, o.completeClient()
}

func (o *Options) completeDurations() error {
	for _, d := range []struct {
		name  string
		value *time.Duration
		unset time.Duration
	}{
		{"retention", &o.Retention, DefaultRetention},
		{"scrape interval", &o.ScrapeInterval, DefaultScrapeInterval},
		{"scrape timeout", &o.ScrapeTimeout, 0},
		{"query timeout", &o.QueryTimeout, DefaultQueryTimeout},
	} {
		if *d.value == 0 {
			*d.value = d.unset
			continue
		}
		// Prometheus writes durations in whole milliseconds.
		if *d.value < time.Millisecond {
			return fmt.Errorf("%s is %s, want at least 1ms", d.name, *d.value)
		}
	}
	if o.ScrapeTimeout == 0 {
		o.ScrapeTimeout = min(DefaultScrapeTimeout, o.ScrapeInterval)
	}
	if o.ScrapeTimeout > o.ScrapeInterval {
		return fmt.Errorf("scrape timeout %s is longer than the scrape interval %s", o.ScrapeTimeout, o.ScrapeInterval)
	}
	return nil
}

// completeClient also builds a client once: Prometheus would report a missing
// certificate file only in the log, and scrape nothing.
func (o *Options) completeClient() error {
	switch o.Scheme {
	case "":
		o.Scheme = "http"
	case "http", "https":
	default:
		return fmt.Errorf("scheme is %q, want http or https", o.Scheme)
	}
	if reflect.ValueOf(o.HTTPClient).IsZero() {
		o.HTTPClient = promconfig.DefaultHTTPClientConfig
	}
	if err := o.HTTPClient.Validate(); err != nil {
		return fmt.Errorf("http client for scraping: %w", err)
	}
	if _, err := promconfig.NewClientFromConfig(o.HTTPClient, "engine", newHallway().clientOptions()...); err != nil {
		return fmt.Errorf("http client for scraping: %w", err)
	}
	return nil
}

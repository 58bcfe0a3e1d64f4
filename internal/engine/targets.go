package engine

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/scrape"
)

// What one target may send in one scrape. A scrape that exceeds a limit fails
// as a whole and stores up=0. A large host, 300 VMs of 60 series, sends about
// 18,000 samples in 3 MB, so these stop a broken or hostile exporter only. See
// churnLimit for one that sends something else each time.
const (
	maxBodyBytes       = 16 << 20 // uncompressed; held in memory while it is parsed
	maxTargetSamples   = 50_000   // some 2 KB of memory for each that is new
	maxLabels          = 64       // per series
	maxLabelNameBytes  = 256
	maxLabelValueBytes = 4096 // the path of a disk image is far shorter
)

// reloadInterval is how often the scraper looks for a new target set. It is the
// longest time that SetTargets takes to have an effect.
const reloadInterval = time.Second

// Target is one exporter to scrape, at Address and the path /metrics.
type Target struct {
	// Job becomes the label job. It must not be empty.
	Job string
	// Address is host:port; it becomes the label instance unless Labels has one.
	Address string
	// Labels are added to every series of the target. Where the exporter sends
	// a label of the same name, that is kept as exported_<name>.
	Labels map[string]string
}

// check returns what is wrong with t. Names that start with two underscores
// steer Prometheus (scheme, path, parameters) and so are not for configuration.
func (t Target) check() error {
	if t.Job == "" || !utf8.ValidString(t.Job) {
		return fmt.Errorf("job is %q, want a name", t.Job)
	}
	host, port, err := net.SplitHostPort(t.Address)
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("address is %q, want host:port", t.Address)
	}
	if err := config.CheckTargetAddress(model.LabelValue(t.Address)); err != nil {
		return err
	}
	for name, value := range t.Labels {
		switch {
		case name == model.JobLabel:
			return errors.New("label job is set by the job")
		case strings.HasPrefix(name, model.ReservedLabelPrefix) || !model.LegacyValidation.IsValidLabelName(name):
			return fmt.Errorf("label name %q is reserved or has characters other than letters, digits and _", name)
		case !utf8.ValidString(value):
			return fmt.Errorf("label %s has a value that is not UTF-8", name)
		}
	}
	return nil
}

func (t Target) group() *targetgroup.Group {
	labels := make(model.LabelSet, len(t.Labels))
	for name, value := range t.Labels {
		labels[model.LabelName(name)] = model.LabelValue(value)
	}
	return &targetgroup.Group{
		Source:  t.Address,
		Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(t.Address)}},
		Labels:  labels,
	}
}

// SetTargets replaces the set of targets, before Run or at any time during it.
// It takes effect within about a second; the order of ts does not matter and
// targets that stay are scraped on without a gap. The series of a target that
// is gone end (go stale) after two more scrape intervals. An error names the
// bad target and leaves the former set in force; after Run has ended it is
// ErrClosed. Where a new job appears it looks up this machine's name, so broken
// DNS can delay it by seconds.
func (e *Engine) SetTargets(ts []Target) error {
	groups := map[string][]*targetgroup.Group{}
	if own := e.opts.Own; own.Job != "" {
		ts = append(slices.Clone(ts), Target{Job: own.Job, Address: ownAddress, Labels: map[string]string{model.InstanceLabel: own.Instance}})
	}
	for _, t := range ts {
		if err := t.check(); err != nil {
			return fmt.Errorf("target %q of job %q: %w", t.Address, t.Job, err)
		}
		groups[t.Job] = append(groups[t.Job], t.group())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if err := e.addJobs(groups); err != nil {
		return fmt.Errorf("set targets: %w", err)
	}
	// A job that is gone stays, with no targets. If its scrape config were
	// withdrawn, Prometheus would take that for a shutdown and write no stale
	// markers: queries would see its series for another five minutes.
	for job := range e.jobs {
		if _, ok := groups[job]; !ok {
			groups[job] = nil
		}
	}
	select {
	case <-e.groups: // not read yet, and outdated now
	default:
	}
	e.groups <- groups
	return nil
}

// addJobs tells the scraper about jobs that it does not know yet. The scraper
// must know a job before it sees the job's targets.
func (e *Engine) addJobs(groups map[string][]*targetgroup.Group) error {
	jobs := maps.Clone(e.jobs)
	for job := range groups {
		if jobs[job] == nil {
			jobs[job] = e.scrapeConfig(job)
		}
	}
	if len(jobs) == len(e.jobs) {
		return nil
	}
	if err := e.applyJobs(jobs); err != nil {
		return err
	}
	e.jobs = jobs
	return nil
}

// applyJobs makes jobs the scraper's whole configuration. Only a configuration
// that went through Load is accepted, hence the empty document.
func (e *Engine) applyJobs(jobs map[string]*config.ScrapeConfig) error {
	cfg, err := config.Load("", e.logger)
	if err != nil {
		return fmt.Errorf("load empty Prometheus configuration: %w", err)
	}
	for _, job := range slices.Sorted(maps.Keys(jobs)) {
		if err := jobs[job].Validate(cfg.GlobalConfig); err != nil {
			return fmt.Errorf("scrape config of job %q: %w", job, err)
		}
		cfg.ScrapeConfigs = append(cfg.ScrapeConfigs, jobs[job])
	}
	return e.scraper.ApplyConfig(cfg)
}

func (e *Engine) scrapeConfig(job string) *config.ScrapeConfig {
	c := config.DefaultScrapeConfig
	c.JobName = job
	c.Scheme = e.opts.Scheme
	c.ScrapeInterval = model.Duration(e.opts.ScrapeInterval)
	c.ScrapeTimeout = model.Duration(e.opts.ScrapeTimeout)
	c.HTTPClientConfig = e.opts.HTTPClient
	c.BodySizeLimit = maxBodyBytes
	c.SampleLimit = maxTargetSamples
	c.LabelLimit = maxLabels
	c.LabelNameLengthLimit = maxLabelNameBytes
	c.LabelValueLengthLimit = maxLabelValueBytes
	// When a value was seen is for us to say: an exporter with a wrong clock,
	// or a lying one, must not write the past or the future.
	c.HonorTimestamps = false
	// Simple exporters send no Content-Type; Prometheus 3 refuses them unless
	// told which format to assume.
	c.ScrapeFallbackProtocol = config.PrometheusText0_0_4
	if job == e.opts.Own.Job {
		c.Scheme, c.HTTPClientConfig = "http", promconfig.DefaultHTTPClientConfig
		c.BodySizeLimit, c.SampleLimit = 0, 0
	}
	return &c
}

func scrapeOptions(h *hallway) *scrape.Options {
	return &scrape.Options{
		DiscoveryReloadInterval:  model.Duration(reloadInterval),
		DiscoveryReloadOnStartup: true,
		HTTPClientOptions:        h.clientOptions(),
	}
}

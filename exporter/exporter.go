// Package exporter turns readings of hypervisors into Prometheus metrics. It is a frame around a
// list of metric families, one file each; it knows nothing of libvirt (package exporter/libvirt
// reads it) and publishes only what is, never a judgement.
package exporter

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// Reader reads one hypervisor.
type Reader interface {
	// URI says where it reads.
	URI() string
	// Read returns one reading. An error means that nothing could be read.
	Read(ctx context.Context) (stat.Host, error)
}

// Exporter makes collectors that read every hypervisor, side by side.
type Exporter struct {
	readers  []Reader
	timeout  time.Duration
	log      *slog.Logger
	families []family
	up       *prometheus.Desc
	seconds  *prometheus.Desc
	failed   *prometheus.Desc
}

// New returns an exporter of the readers. A reader that has not answered within the timeout is
// reported as down; the others are not held up longer than that.
func New(readers []Reader, timeout time.Duration, log *slog.Logger) *Exporter {
	return &Exporter{
		readers: readers, timeout: timeout, log: log, families: families(),
		up: prometheus.NewDesc("evenkeel_exporter_libvirt_up",
			"Whether the hypervisor at the libvirt URI could be read (1) or not (0).", []string{"uri"}, nil),
		seconds: prometheus.NewDesc("evenkeel_exporter_read_seconds",
			"How long reading the hypervisor took.", []string{"uri"}, nil),
		failed: prometheus.NewDesc("evenkeel_exporter_group_failed",
			"Whether a group of numbers could not be read although the hypervisor answered (1) or could (0).", []string{"uri", "group"}, nil),
	}
}

// family is a set of metrics that belong together. It stands in a file of its own.
type family func(h stat.Host, out *sink)

// families lists all of them, in the order of the documentation.
func families() []family {
	return []family{
		hostInfo(), hostCPU(), hostMemory(), hostNetwork(), storagePool(),
		vmInfo(), vmState(), vmCPU(), vmMemory(), vmBlock(), vmNetwork(), vmMovable(),
	}
}

// Within returns a collector for one scrape: it waits for no hypervisor longer than ctx lasts.
func (e *Exporter) Within(ctx context.Context) prometheus.Collector { return scrape{ctx, e} }

// scrape carries its context in a field because the interface of collectors has no room for it.
type scrape struct {
	ctx context.Context
	e   *Exporter
}

// Describe sends nothing: which series there are depends on the VMs.
func (s scrape) Describe(chan<- *prometheus.Desc) {}

// Collect reads every hypervisor and sends its metrics.
func (s scrape) Collect(ch chan<- prometheus.Metric) { s.e.collect(s.ctx, ch) }

func (e *Exporter) collect(ctx context.Context, ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	readings := make([]reading, len(e.readers))
	var wg sync.WaitGroup
	for i, r := range e.readers {
		wg.Go(func() { readings[i] = e.read(ctx, r) })
	}
	wg.Wait()
	dedupe(readings)
	out := &sink{ch: ch}
	for _, r := range readings {
		out.gauge(e.up, boolean(r.err == nil), r.uri)
		out.gauge(e.seconds, r.took.Seconds(), r.uri)
		if r.err != nil {
			continue
		}
		for _, group := range []string{"host_cpu", "host_memory", "pools", "networks", "definitions"} {
			out.gauge(e.failed, boolean(failed(r.host, group)), r.uri, group)
		}
		for _, f := range e.families {
			f(r.host, out)
		}
	}
}

type reading struct {
	uri  string
	host stat.Host
	err  error
	took time.Duration
}

func (e *Exporter) read(ctx context.Context, r Reader) reading {
	start := time.Now()
	h, err := r.Read(ctx)
	if err != nil {
		e.log.Warn("hypervisor not read", "uri", r.URI(), "err", err)
	}
	for _, f := range h.Failed {
		e.log.Debug("group not read", "uri", r.URI(), "group", f.Group, "err", f.Reason)
	}
	return reading{uri: r.URI(), host: h, err: err, took: time.Since(start)}
}

func failed(h stat.Host, group string) bool {
	for _, f := range h.Failed {
		if f.Group == group {
			return true
		}
	}
	return false
}

// dedupe leaves each VM on one host only: while it migrates, and where a definition stays behind,
// two hosts know it. VM series carry no host, so the same VM twice in one exporter would be the same
// series twice. The host that runs it wins, then one that holds it paused. Another host that holds it
// actively is kept aside and published with its name, lest a VM that runs twice look like any other.
func dedupe(readings []reading) {
	best := map[string]cluster.VMState{}
	for _, r := range readings {
		for _, v := range r.host.VMs {
			if was, ok := best[v.UUID]; !ok || rank(v.State) < rank(was) {
				best[v.UUID] = v.State
			}
		}
	}
	taken := map[string]bool{}
	for i := range readings {
		var kept []stat.VM
		for _, v := range readings[i].host.VMs {
			switch {
			case v.State == best[v.UUID] && !taken[v.UUID]:
				taken[v.UUID] = true
				kept = append(kept, v)
			case v.State.Active():
				readings[i].host.Also = append(readings[i].host.Also, v)
			}
		}
		readings[i].host.VMs = kept
	}
}

func rank(s cluster.VMState) int {
	switch {
	case s == cluster.VMRunning:
		return 0
	case s.Active():
		return 1
	}
	return 2
}

// sink makes metrics out of numbers and sends them on.
type sink struct{ ch chan<- prometheus.Metric }

func (s *sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.send(d, prometheus.GaugeValue, v, labels)
}

func (s *sink) counter(d *prometheus.Desc, v float64, labels ...string) {
	s.send(d, prometheus.CounterValue, v, labels)
}

// gaugeIf and counterIf send nothing for what is not known.
func (s *sink) gaugeIf(d *prometheus.Desc, n cluster.Number, labels ...string) {
	if n.Known {
		s.gauge(d, n.Value, labels...)
	}
}

func (s *sink) counterIf(d *prometheus.Desc, n cluster.Number, labels ...string) {
	if n.Known {
		s.counter(d, n.Value, labels...)
	}
}

func (s *sink) send(d *prometheus.Desc, t prometheus.ValueType, v float64, labels []string) {
	for i := range labels {
		labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD")
	}
	s.ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

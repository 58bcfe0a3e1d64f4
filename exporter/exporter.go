// Package exporter turns readings of hypervisors into Prometheus metrics. It is a frame around a
// list of metric families, one file each; it knows nothing of libvirt (package exporter/libvirt
// reads it) and publishes only what is, never a judgement.
package exporter

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	dto "github.com/prometheus/client_model/go"
)

// Reader reads one hypervisor.
type Reader interface {
	// URI says where it reads.
	URI() string
	// Read returns one reading. An error means that nothing could be read; of the host that comes with it
	// only the state of the connection counts.
	Read(ctx context.Context) (stat.Host, error)
}

// Machine reads the machine that the exporter runs on. What it cannot read it says in the readings.
type Machine interface {
	Read(ctx context.Context) stat.Machine
}

// Heartbeat tells of the stamps on shared storage. It never waits for the storage.
type Heartbeat interface {
	Read() stat.Heartbeat
}

// Neighbours tells how long ago other hosts answered. It never waits for them.
type Neighbours interface {
	Read() stat.Neighbours
}

// Options say what an exporter reads and publishes.
type Options struct {
	// Readers are the hypervisors, one of each URI.
	Readers []Reader
	// Local tells of a reader's URI whether it means the machine that the exporter runs on; nil means that
	// none does. It is known before the hypervisor answers, which is when the host's name is looked for.
	Local func(uri string) bool
	// Machine is nil when no hypervisor of this machine is read.
	Machine Machine
	// Heartbeat is nil without shared storage for it.
	Heartbeat Heartbeat
	// Neighbours is nil where no other host is asked.
	Neighbours Neighbours
	// Timeout is how long a hypervisor may take before it is reported as down.
	Timeout time.Duration
	// Collect tells whether a collector is on; nil means all.
	Collect func(collector string) bool
	Log     *slog.Logger
}

// Exporter reads every hypervisor, side by side, and publishes what it read.
type Exporter struct {
	opts     Options
	families []family
	own      own
	metrics  []*metric
	names    []string
	pages    chan *page

	mu     sync.Mutex
	local  string
	failed map[string]string
}

// pagesKept is how many pages stay in memory between scrapes.
const pagesKept = 2

// New returns an exporter.
func New(o Options) *Exporter {
	o.Readers = distinct(o.Readers, o.Log)
	e := &Exporter{opts: o, own: newOwn(), pages: make(chan *page, pagesKept), failed: map[string]string{}}
	for _, f := range families() {
		if o.Collect == nil || o.Collect(f.name) {
			e.families = append(e.families, f)
			e.metrics = append(e.metrics, f.metrics...)
		}
	}
	e.metrics = append(e.metrics, e.own.metrics()...)
	slices.SortFunc(e.metrics, func(x, y *metric) int { return cmp.Compare(x.name, y.name) })
	for i, m := range e.metrics {
		m.place, m.names = i, nil
		for _, l := range m.labels {
			at := slices.Index(e.names, l)
			if at < 0 {
				at, e.names = len(e.names), append(e.names, l)
			}
			m.names = append(m.names, at)
		}
	}
	return e
}

// Within returns a gatherer for one scrape: it waits for no hypervisor longer than ctx lasts.
func (e *Exporter) Within(ctx context.Context) Scrape { return Scrape{ctx, e} }

// Scrape is one scrape to be made. It carries its context in a field because the interface of
// gatherers has no room for it.
type Scrape struct {
	ctx context.Context
	e   *Exporter
}

// Gather reads every hypervisor and returns the families sorted by name. They are valid until done
// is called. It never fails: what could not be read is told by metrics.
func (s Scrape) Gather() (families []*dto.MetricFamily, done func(), err error) {
	var p *page
	select {
	case p = <-s.e.pages:
		p.clear()
	default:
		p = newPage(s.e.metrics, s.e.names)
	}
	s.e.fill(s.ctx, p)
	return p.filled(), func() {
		select {
		case s.e.pages <- p:
		default:
		}
	}, nil
}

func (e *Exporter) fill(ctx context.Context, out *page) {
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	readings := make([]reading, len(e.opts.Readers))
	var machine *stat.Machine
	var wg sync.WaitGroup
	for i, r := range e.opts.Readers {
		wg.Go(func() { readings[i] = e.read(ctx, r) })
	}
	if e.opts.Machine != nil {
		wg.Go(func() {
			m := e.opts.Machine.Read(ctx)
			machine = &m
		})
	}
	wg.Wait()
	unique(readings)
	for _, r := range readings {
		e.log(r.uri, "", text(r.err))
	}
	dedupe(readings)
	e.own.hypervisors(readings, out)
	for _, r := range e.place(readings, machine) {
		e.publish(r, out)
	}
}

// place gives what the machine's kernel, the shared storage and other hosts say to the host that the exporter runs
// on. They are published under its name even while its hypervisor does not answer: that is when they
// are needed most.
func (e *Exporter) place(readings []reading, machine *stat.Machine) []reading {
	if machine == nil {
		return readings
	}
	var beat *stat.Heartbeat
	if e.opts.Heartbeat != nil {
		b := e.opts.Heartbeat.Read()
		beat = &b
		machine.Readings = append(machine.Readings, stat.Reading{Collector: "heartbeat", Err: b.Err})
	}
	var others *stat.Neighbours
	if e.opts.Neighbours != nil {
		n := e.opts.Neighbours.Read()
		others = &n
		machine.Readings = append(machine.Readings, stat.Reading{Collector: "neighbours", Err: n.Err})
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range readings {
		if h := &readings[i].host; h.Local {
			h.Machine, h.Heartbeat, h.Neighbours, e.local = machine, beat, others, h.Name
			return readings
		}
	}
	name := cmp.Or(e.local, machine.Hostname)
	if uri := owner(readings, name); uri != "" {
		e.logLocked("", "the machine's kernel", text(errTaken(name, uri)))
		return readings
	}
	e.logLocked("", "the machine's kernel", "")
	return append(readings, reading{host: stat.Host{Name: name, Local: true, Machine: machine, Heartbeat: beat, Neighbours: others}})
}

// HostName is the name under which the machine that the exporter runs on is published: what its own
// hypervisor calls it, or what its kernel does when none answers while ctx lasts. It is settled when the
// hypervisor has told it, or when no hypervisor is on this machine that could. A hypervisor that has
// told it once is not asked again: scrapes keep the name up to date.
func (e *Exporter) HostName(ctx context.Context) (name string, settled bool) {
	e.mu.Lock()
	name = e.local
	e.mu.Unlock()
	local := e.locals()
	if name == "" {
		name = firstName(ctx, local)
	}
	switch {
	case name != "":
		e.mu.Lock()
		defer e.mu.Unlock()
		e.local = cmp.Or(e.local, name)
		return e.local, true
	case e.opts.Machine != nil:
		name = e.opts.Machine.Read(ctx).Hostname
	}
	return name, len(local) == 0
}

// locals are the readers of this very machine.
func (e *Exporter) locals() []Reader {
	var local []Reader
	for _, r := range e.opts.Readers {
		if e.opts.Local != nil && e.opts.Local(r.URI()) {
			local = append(local, r)
		}
	}
	return local
}

// firstName asks the readers all at once, so that one that hangs hides no other's answer, and returns
// the first name that one tells while ctx lasts, or "".
func firstName(ctx context.Context, readers []Reader) string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	names := make(chan string, len(readers))
	for _, r := range readers {
		go func() {
			h, err := r.Read(ctx)
			if err != nil {
				h.Name = ""
			}
			names <- h.Name
		}()
	}
	for range readers {
		select {
		case name := <-names:
			if name != "" {
				return name
			}
		case <-ctx.Done():
			return ""
		}
	}
	return ""
}

// reading is one hypervisor's answer.
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
		h = stat.Host{Connection: h.Connection}
	}
	return reading{uri: r.URI(), host: h, err: err, took: time.Since(start)}
}

// text is what an error says, or "".
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// log tells of a failure when it begins, changes or ends, not at every scrape.
func (e *Exporter) log(uri, collector, failure string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logLocked(uri, collector, failure)
}

// logLocked is log for those who hold the lock.
func (e *Exporter) logLocked(uri, collector, failure string) {
	key := uri + " " + collector
	was := e.failed[key]
	e.failed[key] = failure
	switch {
	case failure == was:
	case failure == "":
		e.opts.Log.Info("read again", "uri", uri, "collector", collector)
	default:
		e.opts.Log.Warn("not read", "uri", uri, "collector", collector, "err", failure)
	}
}

// publish writes every family of one host, with how each of them fared.
func (e *Exporter) publish(r reading, out *page) {
	for _, f := range e.families {
		start := time.Now()
		if r.err == nil {
			f.write(&r.host, out)
		}
		took := time.Since(start)
		how, known := fared(r, f)
		if !known {
			continue
		}
		if r.err == nil { // a hypervisor that was not read is told of once, not for each collector
			e.log(r.uri, f.name, how.Err)
		}
		out.put(e.own.seconds, (took + how.Took).Seconds(), f.name, r.uri)
		out.put(e.own.success, boolean(how.Err == ""), f.name, r.uri)
	}
}

// fared tells how the reading behind a family went, by the hypervisor's word and by the machine's. A
// family that nobody tried to read is not known: another hypervisor or another machine has it.
func fared(r reading, f family) (stat.Reading, bool) {
	name := cmp.Or(f.reads, f.name)
	tried := slices.Clone(r.host.Readings)
	if r.host.Machine != nil {
		tried = append(tried, r.host.Machine.Readings...)
	}
	var sum stat.Reading
	known := false
	for _, t := range tried {
		if t.Collector == name {
			known = true
			sum.Took += t.Took
			sum.Err = strings.TrimPrefix(sum.Err+"; "+t.Err, "; ")
		}
	}
	sum.Err = strings.TrimSuffix(sum.Err, "; ")
	if !known && r.err != nil && !f.machine {
		return stat.Reading{Err: r.err.Error()}, true
	}
	return sum, known
}

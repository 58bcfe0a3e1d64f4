package command

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/exporter"
	"github.com/evenkeel/evenkeel/exporter/heartbeat"
	"github.com/evenkeel/evenkeel/exporter/libvirt"
	"github.com/evenkeel/evenkeel/exporter/machine"
	"github.com/evenkeel/evenkeel/exporter/neighbours"
	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// MaxScrapes is how many scrapes may be under way at once; further ones are told to come back.
const MaxScrapes = 4

// sending is what is set aside of a scrape's time for sending the answer.
const sending = 500 * time.Millisecond

const (
	// namePatience is how long what goes by the host's name waits at the start for libvirt to tell it.
	namePatience = 10 * time.Second
	// nameEvery is how often libvirt is asked for it meanwhile, nameLaterEvery how often afterwards.
	nameEvery, nameLaterEvery = time.Second, 10 * time.Second
)

// exporterFlags are what the exporter is told on its command line.
type exporterFlags struct {
	version                       string
	listen                        Web
	uris                          []string
	timeout                       time.Duration
	level                         string
	readOnly                      bool
	balloon, dirtyEvery, agentAge time.Duration
	procfs, sysfs, rootfs         string
	heartbeatDir                  string
	heartbeatEvery                time.Duration
	neighboursFile                string
	neighboursCount               int
	neighboursEvery               time.Duration
	certificates                  []string
	noDefaults                    bool
	collectors                    collectorFlags
}

// Exporter returns the command that serves the metrics of libvirt hosts.
func Exporter(version string) *cobra.Command {
	f := exporterFlags{version: version}
	cmd := &cobra.Command{
		Use:   "exporter",
		Short: "Serve the metrics of one or more libvirt hosts",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	f.listen.Register(flags, ":9177")
	flags.StringArrayVar(&f.uris, "libvirt.uri", []string{"qemu:///system"}, "libvirt URI to read; may be repeated")
	flags.DurationVar(&f.timeout, "libvirt.timeout", 8*time.Second, "longest time to wait for a libvirt daemon; a scrape that says that it waits less gets its answer in time")
	flags.BoolVar(&f.readOnly, "libvirt.read-only", false, "never ask libvirt for more than reading; guest agents, dirty rates and balloon statistics need more")
	flags.DurationVar(&f.balloon, "collector.vm_memory.balloon-period", 10*time.Second, "how often guests are to tell their memory's numbers, where nobody chose it; 0 leaves them alone")
	flags.DurationVar(&f.dirtyEvery, "collector.vm_dirty_rate.every", 5*time.Minute, "after how long a VM's dirty rate is sampled again")
	flags.DurationVar(&f.agentAge, "collector.vm_guest_agent.every", 30*time.Second, "after how long a guest agent is asked again")
	flags.StringVar(&f.procfs, "path.procfs", "/proc", "where the kernel's process file system is mounted")
	flags.StringVar(&f.sysfs, "path.sysfs", "/sys", "where the kernel's device file system is mounted")
	flags.StringVar(&f.rootfs, "path.rootfs", "/", "where the host's root file system is mounted")
	flags.StringSliceVar(&f.certificates, "certificates", nil, "files with further certificates whose end is to be told, beside those that libvirt and QEMU use; wildcards may stand in them, and a comma between them")
	flags.StringVar(&f.heartbeatDir, "heartbeat.dir", "", "directory on storage that all hosts share, for the storage heartbeat; without it there is none")
	flags.DurationVar(&f.heartbeatEvery, "heartbeat.interval", 2*time.Second, "how often the host leaves its stamp there")
	flags.StringVar(&f.neighboursFile, "neighbours.file", "", "file with a line NAME ADDRESS:PORT for each host, the same on all of them; the next ones after this host in it are asked whether they answer")
	flags.IntVar(&f.neighboursCount, "neighbours.count", 3, "how many of them are asked")
	flags.DurationVar(&f.neighboursEvery, "neighbours.interval", 2*time.Second, "how often they are asked")
	flags.BoolVar(&f.noDefaults, "collector.disable-defaults", false, "switch all collectors off but those that are asked for")
	flags.StringVar(&f.level, "log.level", "info", "debug, info, warn or error")
	f.collectors.register(flags)
	return cmd
}

// collectorFlags are --collector.NAME and --no-collector.NAME.
type collectorFlags struct{ flags *pflag.FlagSet }

func (c *collectorFlags) register(flags *pflag.FlagSet) {
	c.flags = flags
	for _, col := range exporter.Collectors() {
		flags.Bool("collector."+col.Name, true, fmt.Sprintf("collect %s; --no-collector.%s switches it off", strings.Join(shortened(col.Metrics), ", "), col.Name))
		flags.Bool("no-collector."+col.Name, false, "")
		_ = flags.MarkHidden("no-collector." + col.Name) // the flag was made a line above
	}
}

// shortened lists the first few of some names.
func shortened(names []string) []string {
	const few = 2
	if len(names) <= few {
		return names
	}
	return append(slices.Clone(names[:few]), "…")
}

// on tells whether a collector is on; what was said last on the command line is not known to the
// library, so saying both is refused.
func (c *collectorFlags) on(noDefaults bool) (func(string) bool, error) {
	on := map[string]bool{}
	for _, col := range exporter.Collectors() {
		yes, no := c.flags.Lookup("collector."+col.Name), c.flags.Lookup("no-collector."+col.Name)
		switch {
		case yes.Changed && no.Changed:
			return nil, fmt.Errorf("--collector.%s and --no-collector.%s exclude each other: give one of them", col.Name, col.Name)
		case yes.Changed:
			on[col.Name] = yes.Value.String() == "true"
		case no.Changed:
			on[col.Name] = no.Value.String() == "false"
		default:
			on[col.Name] = !noDefaults
		}
	}
	return func(name string) bool { return on[name] }, nil
}

func (f *exporterFlags) run(ctx context.Context) error {
	log, err := Log(f.level)
	if err != nil {
		return err
	}
	collect, err := f.collectors.on(f.noDefaults)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer cancel()
	o := exporter.Options{Local: libvirt.Local, Timeout: f.timeout, Collect: collect, Log: log}
	for _, uri := range f.uris {
		r := libvirt.New(uri, libvirt.Options{Collect: collect, ReadOnly: f.readOnly, Kernel: true, BalloonPeriod: f.balloon,
			DirtyRateEvery: f.dirtyEvery, AgentEvery: f.agentAge, Log: log})
		defer r.Close()
		background.Go(func() { r.Run(ctx) })
		o.Readers = append(o.Readers, r)
	}
	if slices.ContainsFunc(f.uris, libvirt.Local) || f.heartbeatDir != "" || f.neighboursFile != "" {
		m := machine.New(machine.Options{Proc: f.procfs, Sys: f.sysfs, Root: f.rootfs, Certificates: f.certificates, Log: log, Without: func(c string) bool { return !collect(c) }})
		background.Go(func() { m.Run(ctx) })
		o.Machine = m
	}
	var runs []func(ctx context.Context, name string)
	if f.heartbeatDir != "" {
		beat := heartbeat.New(f.heartbeatDir, f.heartbeatEvery, log)
		o.Heartbeat = beat
		runs = append(runs, func(ctx context.Context, name string) {
			if err := beat.Run(ctx, name); err != nil {
				log.Error("no storage heartbeat", "err", err)
			}
		})
	}
	if f.neighboursFile != "" && collect("neighbours") {
		others, err := neighbours.New(f.neighboursFile, f.neighboursCount, f.neighboursEvery)
		if err != nil {
			return err
		}
		o.Neighbours = others
		runs = append(runs, others.Run)
	}
	e := exporter.New(o)
	if len(runs) > 0 {
		background.Go(func() { underName(ctx, e, log, runs...) })
	}
	return f.serve(ctx, e, log)
}

// underName runs these under the name that the host's series bear. That is libvirt's name for it; a
// host whose libvirt does not answer must have a heartbeat and ask its neighbours all the same, so they
// begin under the kernel's name then, and go on under libvirt's when that is known.
func underName(ctx context.Context, e *exporter.Exporter, log *slog.Logger, runs ...func(ctx context.Context, name string)) {
	name := firstHostName(ctx, e)
	for ctx.Err() == nil {
		running, stop := context.WithCancel(ctx)
		var all sync.WaitGroup
		for _, run := range runs {
			all.Go(func() { run(running, name) })
		}
		next := nextHostName(ctx, e, name)
		stop()
		all.Wait()
		if ctx.Err() == nil {
			log.Info("the host has another name now", "was", name, "is", next)
		}
		name = next
	}
}

// firstHostName waits for libvirt to tell the host's name, but not for long.
func firstHostName(ctx context.Context, e *exporter.Exporter) string {
	ctx, cancel := context.WithTimeout(ctx, namePatience)
	defer cancel()
	for {
		name, settled := e.HostName(ctx)
		if settled || !sleep(ctx, nameEvery) {
			return name
		}
	}
}

// nextHostName returns when libvirt calls the host by another name than the given one, or ctx ends.
func nextHostName(ctx context.Context, e *exporter.Exporter, name string) string {
	for sleep(ctx, nameLaterEvery) {
		asked, cancel := context.WithTimeout(ctx, namePatience)
		next, settled := e.HostName(asked)
		cancel()
		if settled && next != name {
			return next
		}
	}
	return name
}

// sleep tells whether ctx outlasted it.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (f *exporterFlags) serve(ctx context.Context, e *exporter.Exporter, log *slog.Logger) error {
	h, err := exporterHandler(e, f.timeout, f.version)
	if err != nil {
		return err
	}
	return f.listen.Serve(ctx, h, log)
}

func exporterHandler(e *exporter.Exporter, timeout time.Duration, version string) (http.Handler, error) {
	landing, err := web.NewLandingPage(web.LandingConfig{
		Name: "evenkeel exporter", Description: "Metrics of libvirt hosts and their VMs", Version: version, Profiling: "false",
		Links: []web.LandingLinks{{Address: "/metrics", Text: "Metrics"}, {Address: "/-/healthy", Text: "Health"}},
	})
	if err != nil {
		return nil, fmt.Errorf("make the landing page: %w", err)
	}
	metrics, err := serveMetrics(e, timeout, version)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "healthy") })
	mux.Handle("GET /{$}", landing)
	return mux, nil
}

// serveMetrics gathers anew for each scrape, within the time that the scrape has: where one of
// several hypervisors hangs, the others' numbers must be sent before Prometheus stops listening. The
// page is compressed as fast as can be rather than as small as can be: it is read once, nearby.
func serveMetrics(e *exporter.Exporter, timeout time.Duration, version string) (http.Handler, error) {
	own := prometheus.NewRegistry()
	own.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), BuildInfo(version))
	scrapes := make(chan struct{}, MaxScrapes)
	compress, err := gzhttp.NewWrapper(gzhttp.CompressionLevel(gzip.BestSpeed))
	if err != nil {
		return nil, fmt.Errorf("set compression up: %w", err)
	}
	return compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case scrapes <- struct{}{}:
			defer func() { <-scrapes }()
		default:
			http.Error(w, fmt.Sprintf("%d scrapes are under way; try again later", MaxScrapes), http.StatusServiceUnavailable)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), scrapeTimeout(r.Header, timeout))
		defer cancel()
		g := gatherer{scrape: e.Within(ctx), own: own}
		promhttp.HandlerForTransactional(g, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, DisableCompression: true}).ServeHTTP(w, r)
	})), nil
}

// gatherer joins what the exporter reads with what the process says of itself.
type gatherer struct {
	scrape exporter.Scrape
	own    *prometheus.Registry
}

func (g gatherer) Gather() ([]*dto.MetricFamily, func(), error) {
	families, done, err := g.scrape.Gather()
	if err != nil {
		return families, done, err
	}
	own, err := g.own.Gather()
	families = append(families, own...)
	slices.SortFunc(families, func(x, y *dto.MetricFamily) int { return cmp.Compare(x.GetName(), y.GetName()) })
	return families, done, err
}

// scrapeTimeout is how long reading may take: as long as Prometheus says that it waits, less what
// sending takes, and no longer than the limit.
func scrapeTimeout(h http.Header, limit time.Duration) time.Duration {
	seconds, err := strconv.ParseFloat(h.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || !(seconds > 0) || seconds > limit.Seconds()+sending.Seconds() {
		return limit
	}
	waits := time.Duration(seconds * float64(time.Second))
	return max(waits-sending, waits/2)
}

// BuildInfo is the metric that says which version runs.
func BuildInfo(version string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "evenkeel_build_info", Help: "Which version of evenkeel this is; 1.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	return info
}

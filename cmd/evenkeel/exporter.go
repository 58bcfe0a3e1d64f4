package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/exporter"
	"github.com/evenkeel/evenkeel/exporter/libvirt"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/spf13/cobra"
)

// maxScrapes is how many scrapes may be under way at once; further ones are told to come back.
const maxScrapes = 4

// sending is what is set aside of a scrape's time for sending the answer.
const sending = 500 * time.Millisecond

func newExporter() *cobra.Command {
	var listen webFlags
	var uris []string
	var timeout time.Duration
	var level string
	cmd := &cobra.Command{
		Use:   "exporter",
		Short: "Serve the metrics of one or more libvirt hosts",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLog(level)
			if err != nil {
				return err
			}
			var readers []exporter.Reader
			for _, uri := range uris {
				r := libvirt.New(uri, log)
				defer r.Close()
				readers = append(readers, r)
			}
			h, err := exporterHandler(exporter.New(readers, timeout, log), timeout)
			if err != nil {
				return err
			}
			return listen.serve(cmd.Context(), h, log)
		},
	}
	listen.register(cmd.Flags(), ":9177")
	cmd.Flags().StringArrayVar(&uris, "libvirt.uri", []string{"qemu:///system"}, "libvirt URI to read; may be repeated")
	cmd.Flags().DurationVar(&timeout, "libvirt.timeout", 8*time.Second, "longest time to wait for a libvirt daemon; a scrape that says that it waits less gets its answer in time")
	cmd.Flags().StringVar(&level, "log.level", "info", "debug, info, warn or error")
	return cmd
}

func exporterHandler(e *exporter.Exporter, timeout time.Duration) (http.Handler, error) {
	landing, err := web.NewLandingPage(web.LandingConfig{
		Name: "evenkeel exporter", Description: "Metrics of libvirt hosts and their VMs", Version: version, Profiling: "false",
		Links: []web.LandingLinks{{Address: "/metrics", Text: "Metrics"}, {Address: "/-/healthy", Text: "Health"}},
	})
	if err != nil {
		return nil, fmt.Errorf("make the landing page: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", serveMetrics(e, timeout))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "healthy") })
	mux.Handle("GET /{$}", landing)
	return mux, nil
}

// serveMetrics gathers anew for each scrape, within the time that the scrape has: where one of
// several hypervisors hangs, the others' numbers must be sent before Prometheus stops listening.
func serveMetrics(e *exporter.Exporter, timeout time.Duration) http.Handler {
	own := []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo()}
	scrapes := make(chan struct{}, maxScrapes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case scrapes <- struct{}{}:
			defer func() { <-scrapes }()
		default:
			http.Error(w, fmt.Sprintf("%d scrapes are under way; try again later", maxScrapes), http.StatusServiceUnavailable)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), scrapeTimeout(r.Header, timeout))
		defer cancel()
		reg := prometheus.NewRegistry()
		reg.MustRegister(own...)
		reg.MustRegister(e.Within(ctx))
		promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(w, r)
	})
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

func buildInfo() prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "evenkeel_build_info", Help: "Which version of evenkeel this is; 1.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	return info
}

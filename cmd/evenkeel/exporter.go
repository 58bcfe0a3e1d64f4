package main

import (
	"fmt"
	"net/http"
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
			h, err := exporterHandler(exporter.New(readers, timeout, log))
			if err != nil {
				return err
			}
			return listen.serve(cmd.Context(), h, log)
		},
	}
	listen.register(cmd.Flags(), ":9177")
	cmd.Flags().StringArrayVar(&uris, "libvirt.uri", []string{"qemu:///system"}, "libvirt URI to read; may be repeated")
	cmd.Flags().DurationVar(&timeout, "libvirt.timeout", 8*time.Second, "longest time to wait for a libvirt daemon; keep it below the scrape timeout")
	cmd.Flags().StringVar(&level, "log.level", "info", "debug, info, warn or error")
	return cmd
}

func exporterHandler(e *exporter.Exporter) (http.Handler, error) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(e, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	landing, err := web.NewLandingPage(web.LandingConfig{
		Name: "evenkeel exporter", Description: "Metrics of libvirt hosts and their VMs", Version: version,
		Links: []web.LandingLinks{{Address: "/metrics", Text: "Metrics"}, {Address: "/-/healthy", Text: "Health"}},
	})
	if err != nil {
		return nil, fmt.Errorf("make the landing page: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "healthy") })
	mux.Handle("GET /{$}", landing)
	return mux, nil
}

func buildInfo() prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "evenkeel_build_info", Help: "Which version of evenkeel this is; 1.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	return info
}

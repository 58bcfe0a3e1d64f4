package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"github.com/spf13/pflag"
)

// webFlags are the flags of everything that listens, as the exporters of Prometheus have them.
type webFlags struct {
	listen []string
	config string
}

func (w *webFlags) register(f *pflag.FlagSet, listen string) {
	f.StringArrayVar(&w.listen, "web.listen-address", []string{listen}, "address to listen on; may be repeated")
	f.StringVar(&w.config, "web.config.file", "", "file with TLS and basic auth settings, in the format of Prometheus' exporter-toolkit")
}

// serve answers until ctx ends, then lets requests under way end.
func (w *webFlags) serve(ctx context.Context, h http.Handler, log *slog.Logger) error {
	if err := web.Validate(w.config); err != nil {
		return fmt.Errorf("--web.config.file %s: %w", w.config, err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 3 * time.Minute, IdleTimeout: 2 * time.Minute}
	noSystemd := false
	failed := make(chan error, 1)
	go func() {
		failed <- web.ListenAndServe(server, &web.FlagConfig{WebListenAddresses: &w.listen, WebSystemdSocket: &noSystemd, WebConfigFile: &w.config}, log)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("listen: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop listening: %w", err)
	}
	return nil
}

package command

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

// Web is the flags of everything that listens, as the exporters of Prometheus have them.
type Web struct {
	// Listen are the addresses, Config the file with TLS and basic auth settings or "".
	Listen []string
	Config string
}

// Register adds the flags to a command; listen is the address that it listens on by default.
func (w *Web) Register(f *pflag.FlagSet, listen string) {
	f.StringArrayVar(&w.Listen, "web.listen-address", []string{listen}, "address to listen on; may be repeated")
	f.StringVar(&w.Config, "web.config.file", "", "file with TLS and basic auth settings, in the format of Prometheus' exporter-toolkit")
}

// Serve answers until ctx ends, then lets requests under way end.
func (w *Web) Serve(ctx context.Context, h http.Handler, log *slog.Logger) error {
	if err := web.Validate(w.Config); err != nil {
		return fmt.Errorf("--web.config.file %s: %w", w.Config, err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 3 * time.Minute, IdleTimeout: 2 * time.Minute}
	noSystemd := false
	failed := make(chan error, 1)
	go func() {
		failed <- web.ListenAndServe(server, &web.FlagConfig{WebListenAddresses: &w.Listen, WebSystemdSocket: &noSystemd, WebConfigFile: &w.Config}, log)
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

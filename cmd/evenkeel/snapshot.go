package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// directFlags let a subcommand read Prometheus by itself instead of asking a server.
type directFlags struct {
	prometheusURL             []string
	prometheusCfg, config, at string
}

func (d *directFlags) register(f *pflag.FlagSet) {
	f.StringArrayVar(&d.prometheusURL, "prometheus.url", nil, "read this Prometheus instead of asking a server; needs --config.file; give it again for each replica of it")
	f.StringVar(&d.prometheusCfg, "prometheus.http.config.file", "", "file with basic_auth, tls_config and so on for --prometheus.url")
	f.StringVar(&d.config, "config.file", "", "configuration file")
	f.StringVar(&d.at, "at", "", "time to look at, like 2006-01-02T15:04:05Z, or an age like 2h")
}

// source returns what reads Prometheus, and the time to look at: without --at, now.
func (d *directFlags) source() (*promql.Replicas, config.Config, time.Time, error) {
	if d.config == "" {
		return nil, config.Config{}, time.Time{}, errors.New("--prometheus.url needs --config.file, which names the cluster and its hosts")
	}
	c, err := config.Load(d.config)
	if err != nil {
		return nil, c, time.Time{}, err
	}
	at, err := parseTime(d.at)
	if err != nil {
		return nil, c, at, err
	}
	if at.IsZero() {
		at = time.Now().Truncate(time.Second)
	}
	source, err := othersSource(d.prometheusURL, d.prometheusCfg, sourceOptions(c))
	return source, c, at, err
}

func newSnapshot() *cobra.Command {
	var ask clientFlags
	var direct directFlags
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Write the cluster as it is, or was, as the file that plan reads",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := snapshotFile(cmd.Context(), ask, direct)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(b)
			return err
		},
	}
	ask.register(cmd.Flags())
	direct.register(cmd.Flags())
	return cmd
}

func snapshotFile(ctx context.Context, ask clientFlags, direct directFlags) ([]byte, error) {
	if len(direct.prometheusURL) > 0 {
		source, _, at, err := direct.source()
		if err != nil {
			return nil, err
		}
		s, err := source.Snapshot(ctx, at)
		if err != nil {
			return nil, err
		}
		return cluster.EncodeSnapshot(s)
	}
	client, err := ask.client()
	if err != nil {
		return nil, err
	}
	at, err := parseTime(direct.at)
	if err != nil {
		return nil, err
	}
	b, err := client.Snapshot(ctx, at)
	return append(b, '\n'), err
}

func readSnapshot(path string) (cluster.Snapshot, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return cluster.Snapshot{}, fmt.Errorf("read snapshot: %w", err)
	}
	s, err := cluster.DecodeSnapshot(b)
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/evenkeel/evenkeel/internal/command"
	"github.com/evenkeel/evenkeel/internal/config"
)

// The time from a cluster's failure to the next attempt. It doubles from failure to failure, and begins anew after an hour without.
const (
	restartAfter     = time.Second
	restartAfterMost = time.Minute
	restartForgotten = time.Hour
)

// fleet is several clusters in one process. They share nothing but that: each has its own configuration, storage, address, store and
// leader, and none waits for another.
type fleet struct {
	log   *slog.Logger
	ships []*ship
}

// ship is one cluster of several.
type ship struct {
	name  string // the configuration file
	flags serverFlags
	// driver makes what acts, for each attempt.
	driver func() driver
	first  *node
}

// newFleet puts the clusters of the file together. A mistake in one is told before any begins.
func newFleet(file string, common serverFlags, driver func() driver, log *slog.Logger) (*fleet, error) {
	read, err := config.LoadFleet(file)
	if err != nil {
		return nil, err
	}
	f := &fleet{log: log}
	had := map[string]int{}
	for i, m := range read.Clusters {
		one := common
		one.config, one.storage, one.prometheusURL, one.prometheusCfg = m.ConfigFile, m.StoragePath, m.PrometheusURLs, m.PrometheusHTTPConfig
		one.web = command.Web{Listen: m.ListenAddresses, Config: m.WebConfigFile}
		one.peer = peerFlags{url: m.PeerURL, http: m.PeerHTTPConfig}
		s := &ship{name: m.ConfigFile, flags: one, driver: driver}
		if s.first, err = s.build(log); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: clusters[%d]: %w", file, i, err), f.close())
		}
		f.ships = append(f.ships, s)
		name := s.first.inForce.Cluster
		if other, twice := had[name]; twice {
			return nil, errors.Join(fmt.Errorf("%s: clusters[%d]: it is called %s, as clusters[%d] is: give each configuration a name of its own under cluster", file, i, name, other), f.close())
		}
		had[name] = i
	}
	return f, nil
}

func (s *ship) build(log *slog.Logger) (*node, error) {
	c, err := config.Load(s.flags.config)
	if err != nil {
		return nil, err
	}
	return buildNode(s.flags, s.driver(), log.With("cluster", c.Cluster))
}

// close lets go of what was put together and not run.
func (f *fleet) close() error {
	var errs []error
	for _, s := range f.ships {
		errs = append(errs, s.first.discard())
	}
	return errors.Join(errs...)
}

// run looks after all clusters until the context ends.
func (f *fleet) run(ctx context.Context) error {
	var all []func(context.Context) error
	for _, s := range f.ships {
		all = append(all, func(ctx context.Context) error {
			f.sail(ctx, s)
			return nil
		})
	}
	return runTogether(ctx, all...)
}

// sail runs one cluster, and begins anew when it fails: the others go on.
func (f *fleet) sail(ctx context.Context, s *ship) {
	n, pause := s.first, restartAfter
	for {
		began := time.Now()
		err := errors.New("it was not put together")
		if n != nil {
			err = n.run(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > restartForgotten {
			pause = restartAfter
		}
		f.log.Error("a cluster's server ended, and begins anew; the others go on", "config", s.name, "after", pause, "err", err)
		if wait(ctx, pause); ctx.Err() != nil {
			return
		}
		pause = min(2*pause, restartAfterMost)
		if n, err = s.build(f.log); err != nil {
			f.log.Error("a cluster's server does not begin", "config", s.name, "err", err)
		}
	}
}

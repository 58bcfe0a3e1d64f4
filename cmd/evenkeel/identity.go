package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// identity returns the server's ID, made once and kept in the storage path, so that it is the same after a restart.
func identity(storage string) (string, error) {
	path := filepath.Join(storage, "server-id")
	b, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(b)); err == nil && id != "" {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the server's ID: %w", err)
	}
	id := strings.ToLower(rand.Text()[:8])
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the server's ID: %w", err)
	}
	return id, nil
}

// serverInfo says by a metric which server looks after which cluster, so that two on one cluster see each other in Prometheus.
func serverInfo(cluster, id string) prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "evenkeel_server_info", Help: "Constant 1: this server looks after this cluster."}, []string{"evenkeel_cluster", "server"}) // a target may have a label cluster of its own
	g.WithLabelValues(cluster, id).Set(1)
	return g
}

// leadership says by a metric whether this server is the one that may act: where several are seen, none is, as the gate of that name has it.
type leadership struct {
	server  *server
	cluster string
}

func leaderDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_server_leader", "Whether this server is the one that may act for the cluster (1) or not, because another looks after it as well (0).", []string{"evenkeel_cluster", "server"}, nil)
}

// Describe is part of prometheus.Collector.
func (leadership) Describe(ch chan<- *prometheus.Desc) { ch <- leaderDesc() }

// Collect is part of prometheus.Collector.
func (l leadership) Collect(ch chan<- prometheus.Metric) {
	leads := 1.0
	if slices.ContainsFunc(l.server.lastSeen().Servers, func(id string) bool { return id != l.server.id }) {
		leads = 0
	}
	ch <- prometheus.MustNewConstMetric(leaderDesc(), prometheus.GaugeValue, leads, l.cluster, l.server.id)
}

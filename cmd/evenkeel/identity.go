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

// serverInfo says by a metric which server looks after which cluster, so that two on one cluster see each other in Prometheus. Those that
// share a store bear its name: they know of each other.
type serverInfo struct {
	node    *node
	cluster string // a target may have a label cluster of its own
}

func infoDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_server_info", "Constant 1: this server looks after this cluster. Servers with the same store do so together, one at a time; without one the state is in files.", []string{"evenkeel_cluster", "server", "store"}, nil)
}

// Describe is part of prometheus.Collector.
func (serverInfo) Describe(ch chan<- *prometheus.Desc) { ch <- infoDesc() }

// Collect is part of prometheus.Collector.
func (i serverInfo) Collect(ch chan<- prometheus.Metric) {
	store := ""
	if f := i.node.follows; f != nil {
		opened, err := f.opened()
		if err != nil {
			return // it looks after nothing
		}
		store = opened.ID()
	}
	ch <- prometheus.MustNewConstMetric(infoDesc(), prometheus.GaugeValue, 1, i.cluster, i.node.id, store)
}

// leadership says by a metric whether this server is the one that may act: by the word of etcd or, where the state is in files, when no
// other is seen, as the gate of that name has it.
type leadership struct {
	node    *node
	cluster string
}

func leaderDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_server_leader", "Whether this server is the one that may act for the cluster (1) or not, because another does or nobody can say (0).", []string{"evenkeel_cluster", "server"}, nil)
}

// Describe is part of prometheus.Collector.
func (leadership) Describe(ch chan<- *prometheus.Desc) { ch <- leaderDesc() }

// Collect is part of prometheus.Collector.
func (l leadership) Collect(ch chan<- prometheus.Metric) {
	leads := 0.0
	if l.node.alone() {
		leads = 1
	}
	ch <- prometheus.MustNewConstMetric(leaderDesc(), prometheus.GaugeValue, leads, l.cluster, l.node.id)
}

// alone tells whether this server may act, and no other.
func (n *node) alone() bool {
	if n.follows != nil {
		return n.follows.leading()
	}
	s := n.leads.Load()
	return s != nil && !slices.ContainsFunc(s.lastSeen().Servers, func(id string) bool { return id != n.id })
}

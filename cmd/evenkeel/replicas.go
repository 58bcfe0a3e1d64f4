package main

import (
	"fmt"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// othersSource reads the Prometheus servers of others, which are reached as the file says.
func othersSource(urls []string, file string, o promql.Options) (*promql.Replicas, error) {
	transport, err := transport(file)
	if err != nil {
		return nil, fmt.Errorf("--prometheus.http.config.file: %w", err)
	}
	var all []*promql.Source
	for _, url := range urls {
		source, err := promql.New(url, transport, o)
		if err != nil {
			return nil, fmt.Errorf("--prometheus.url: %w", err)
		}
		all = append(all, source)
	}
	several, err := promql.NewReplicas(all...)
	if err != nil {
		return nil, fmt.Errorf("--prometheus.url: %w", err)
	}
	return several, nil
}

// replicas publishes what was found of the Prometheus servers that hold the same, where there are several.
type replicas struct{ server *server }

func replicaUsableDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_prometheus_replica_usable", "Whether the newest snapshot could be made from this replica of Prometheus (1) or not (0).", []string{"url"}, nil)
}

func replicaUsedDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_prometheus_replica_used", "Whether the newest snapshot was made from this replica of Prometheus (1) or not (0).", []string{"url"}, nil)
}

func replicaAgeDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_prometheus_replica_newest_sample_age_seconds", "How old the replica's newest sample of any host was at the instant of the newest snapshot; absent where it has none.", []string{"url"}, nil)
}

func replicaHostsDesc() *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_prometheus_replica_hosts_up", "How many of the cluster's hosts the replica had new data of for the newest snapshot.", []string{"url"}, nil)
}

// Describe is part of prometheus.Collector.
func (replicas) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{replicaUsableDesc(), replicaUsedDesc(), replicaAgeDesc(), replicaHostsDesc()} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (r replicas) Collect(ch chan<- prometheus.Metric) {
	source := r.server.source.current.Load()
	if source == nil {
		return // before the first configuration
	}
	truth := map[bool]float64{true: 1}
	for _, one := range source.Said() {
		ch <- prometheus.MustNewConstMetric(replicaUsableDesc(), prometheus.GaugeValue, truth[one.Usable], one.URL)
		ch <- prometheus.MustNewConstMetric(replicaUsedDesc(), prometheus.GaugeValue, truth[one.Used], one.URL)
		ch <- prometheus.MustNewConstMetric(replicaHostsDesc(), prometheus.GaugeValue, float64(one.HostsUp), one.URL)
		if one.NewestAgeSeconds.Known {
			ch <- prometheus.MustNewConstMetric(replicaAgeDesc(), prometheus.GaugeValue, one.NewestAgeSeconds.Value, one.URL)
		}
	}
}

// drawReplicas tells which Prometheus was read, and why.
func drawReplicas(t *table, all []cluster.Replica) {
	for _, one := range all {
		what := "the Prometheus %s is not needed: %s"
		switch {
		case one.Used:
			what = "read from the Prometheus %s: %s"
		case !one.Usable:
			what = "THE PROMETHEUS %s CANNOT BE USED: %s"
		}
		t.line(what, one.URL, one.Reason)
	}
}

package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// seen is a source that sees these servers and nothing else.
type seen []string

func (s seen) Snapshot(_ context.Context, at time.Time) (cluster.Snapshot, error) {
	return cluster.Snapshot{At: at, Servers: s}, nil
}

func TestOnlyAServerThatIsAloneLeads(t *testing.T) {
	for _, c := range []struct {
		leads   string
		servers seen
	}{
		{"1", seen{"mine"}},
		{"0", seen{"mine", "other"}},
		{"0", seen{"other"}}, // Prometheus does not scrape this one
		{"1", nil},
	} {
		a := analyzer.New(c.servers, analyzerPolicy(config.Default()), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err := a.Pass(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		n := &node{basis: basis{id: "mine"}}
		n.leads.Store(&server{analyzer: a})
		text := "# HELP evenkeel_server_leader Whether this server is the one that may act for the cluster (1) or not, because another does or nobody can say (0).\n" +
			"# TYPE evenkeel_server_leader gauge\nevenkeel_server_leader{evenkeel_cluster=\"prod\",server=\"mine\"} " + c.leads + "\n"
		if err := testutil.CollectAndCompare(leadership{n, "prod"}, strings.NewReader(text)); err != nil {
			t.Errorf("%v are seen: %v", c.servers, err)
		}
	}
}

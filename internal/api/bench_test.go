package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator"
	"github.com/evenkeel/evenkeel/actuator/gate"
	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/internal/api"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	benchCases   = 10_000
	benchHosts   = 1_000
	benchCallers = 100 // one alone would be told to wait
)

// city is a cluster of 1,000 hosts with 10,000 VMs, all on the first half of the hosts, and for each a move to the other
// half is advised. What is begun there does not end.
type city struct {
	snapshot cluster.Snapshot
	advice   []cluster.Recommendation
	// acted gets the time at which the hypervisor was called, where somebody listens.
	acted chan time.Time
}

func newCity() *city {
	c := &city{snapshot: cluster.Snapshot{Cluster: "city"}}
	for h := range benchHosts {
		c.snapshot.Hosts = append(c.snapshot.Hosts, cluster.Host{ID: fmt.Sprintf("h%04d", h), State: cluster.HostUp, CPUCores: 64, MemoryBytes: 1 << 40})
	}
	evidence := make([]cluster.Evidence, 3)
	for i := range evidence {
		evidence[i] = cluster.Evidence{Name: "cpu_utilisation", Value: 0.9123456789, Limit: cluster.Known(0.8), Unit: "ratio",
			Query: `sum by (host) (rate(evenkeel_vm_cpu_seconds_total{job="evenkeel-exporter"}[5m])) / on (host) evenkeel_host_cpu_cores`}
	}
	now := time.Now().Truncate(time.Second)
	for v := range benchCases {
		vm := cluster.VM{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", v), Name: fmt.Sprintf("vm%05d", v), Host: fmt.Sprintf("h%04d", v%(benchHosts/2)), State: cluster.VMRunning,
			VCPUs: 4, MemoryBytes: 4 << 30, CPUDemandCores: 4, MemoryDemandBytes: 2 << 30, Movable: true}
		to := fmt.Sprintf("h%04d", benchHosts/2+v%(benchHosts/2))
		r := cluster.Recommendation{Cluster: "city", Policy: "balance", Priority: 2, Reason: "it wants more CPU than its host has left, and " + to + " has most room for it",
			Because: []cluster.Finding{{Detector: "imbalance", Subject: cluster.HostSubject(vm.Host), Reason: "its CPU utilisation is far above the mean of the cluster", Evidence: evidence}},
			Action:  cluster.Action{Kind: cluster.Migrate, VM: vm.ID, Name: vm.Name, From: vm.Host, To: to},
			Before:  cluster.Assessment{Score: 71.23456789}, After: cluster.Assessment{Score: 71.34567891}, PredictedSeconds: 4.2, Gain: 0.2, Made: now, Expires: now.Add(24 * time.Hour)}
		for i := range 4 {
			r.Candidates = append(r.Candidates, cluster.Candidate{Host: fmt.Sprintf("h%04d", (v+2+i)%benchHosts), Reason: "allowed; CPU 52 % and memory 41 % before", Gain: cluster.Known(0.1)})
		}
		for _, h := range []string{vm.Host, to} {
			r.Effects = append(r.Effects, cluster.Effect{Host: h, Name: cluster.CPUUtilisation, Before: 0.8, After: 0.7}, cluster.Effect{Host: h, Name: cluster.MemoryUtilisation, Before: 0.6, After: 0.5})
		}
		c.snapshot.VMs = append(c.snapshot.VMs, vm)
		c.advice = append(c.advice, r.Identified())
	}
	return c
}

func (c *city) Recommendations() []cluster.Recommendation { return c.advice }
func (c *city) Judged() time.Time                         { return time.Now() }

func (c *city) Snapshot(_ context.Context, at time.Time) (cluster.Snapshot, error) {
	s := c.snapshot
	s.At, s.VMs = at, slices.Clone(s.VMs)
	return s, nil
}

func (c *city) Look(_ context.Context, a cluster.Action, hosts []string) cluster.Sighting {
	seen := cluster.Sighting{VM: a.VM}
	for i, h := range hosts {
		state := cluster.VMShutoff
		if i == 0 { // the host that it is to leave
			state = cluster.VMRunning
		}
		seen.Hosts = append(seen.Hosts, cluster.SightingHost{Host: h, State: state, Name: a.Name})
	}
	return seen
}

func (c *city) Act(ctx context.Context, _ cluster.Action, _ func(cluster.Progress)) error {
	select {
	case c.acted <- time.Now():
	default: // nobody listens
	}
	<-ctx.Done()
	return ctx.Err()
}

func (c *city) Abort(context.Context, cluster.Action) error { return nil }

func (c *city) Completed(context.Context, string, string) (cluster.Progress, error) {
	return cluster.Progress{}, nil
}

// BenchmarkAPI asks a server over HTTP that holds 10,000 open recommendations, while its loop runs, and writes
// approvals to a journal on disk.
func BenchmarkAPI(b *testing.B) {
	c := newCity()
	url := benchServer(b, c, gate.Parallel{Host: 1, Cluster: 2})
	next := 0
	for _, q := range []struct {
		name, path string
	}{
		{"status", "/api/v1/status"}, {"list", "/api/v1/recommendations"}, {"list-100", "/api/v1/recommendations?limit=100"}, {"one", "/api/v1/recommendations/" + c.advice[0].ID},
	} {
		b.Run(q.name, func(b *testing.B) {
			timed(b, func() *http.Request { return newRequest(b, http.MethodGet, url+q.path, "") })
		})
	}
	b.Run("approve", func(b *testing.B) {
		timed(b, func() *http.Request {
			id := c.advice[next%benchCases].ID
			next++
			return newRequest(b, http.MethodPost, url+"/api/v1/recommendations/"+id+"/approve", fmt.Sprint(secret, next%benchCallers))
		})
	})
}

// BenchmarkClick is the time from a person's approval, as it leaves their machine, to the call of the hypervisor, of a server that
// holds 10,000 open recommendations.
func BenchmarkClick(b *testing.B) {
	c := newCity()
	c.acted = make(chan time.Time, 1)
	url := benchServer(b, c, gate.Parallel{})
	var took []time.Duration
	for next := 0; b.Loop(); next++ {
		begun := time.Now()
		resp, err := http.DefaultClient.Do(newRequest(b, http.MethodPost, url+"/api/v1/recommendations/"+c.advice[next].ID+"/approve", fmt.Sprint(secret, next%benchCallers)))
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp, err)
		}
		_ = resp.Body.Close()
		took = append(took, (<-c.acted).Sub(begun))
	}
	quantiles(b, took)
}

// benchServer serves an actuator that has seen the city's advice.
func benchServer(b *testing.B, c *city, parallel gate.Parallel) string {
	j, err := journal.Open(filepath.Join(b.TempDir(), "journal.db"))
	if err != nil {
		b.Fatal(err)
	}
	policy := actuator.Policy{Settle: time.Minute, Timeout: time.Hour, Gate: gate.Policy{Level: cluster.LevelManual, MaxDataAge: time.Minute,
		Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.9}, Parallel: parallel}}
	log := slog.New(slog.DiscardHandler)
	a, err := actuator.New(c, c, c, j, policy, log, prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	s := api.New(&house{}, a, "bench", nil, log)
	access := api.Access{Anonymous: api.Viewer}
	for i := range benchCallers {
		access.Tokens = append(access.Tokens, api.Token{Name: fmt.Sprint("caller", i), Secret: fmt.Sprint(secret, i), Role: api.Approver})
	}
	s.Configure(access, cluster.LevelManual)
	srv := httptest.NewServer(s)
	b.Cleanup(func() { srv.Close(); cancel(); <-ended; _ = j.Close() })
	for len(a.List(func(cluster.Case) bool { return true })) < benchCases {
		time.Sleep(10 * time.Millisecond)
	}
	return srv.URL
}

func newRequest(b *testing.B, method, url, token string) *http.Request {
	r, err := http.NewRequest(method, url, strings.NewReader(""))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set(api.TokenHeader, token)
	return r
}

// timed sends requests one after the other and reports how long they took, from the first byte to the last.
func timed(b *testing.B, request func() *http.Request) {
	took := make([]time.Duration, 0, b.N)
	size := int64(0)
	for b.Loop() {
		r, begun := request(), time.Now()
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			why, _ := io.ReadAll(resp.Body)
			b.Fatalf("%s %s: %s %.300s", r.Method, r.URL, resp.Status, why)
		}
		size, err = io.Copy(io.Discard, resp.Body)
		took = append(took, time.Since(begun))
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			b.Fatal(err)
		}
	}
	quantiles(b, took)
	b.ReportMetric(float64(size), "bytes")
}

func quantiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	at := func(share float64) float64 { return took[int(share*float64(len(took)-1))].Seconds() * 1000 }
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
}

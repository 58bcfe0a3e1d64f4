// Package promql makes a snapshot out of what a Prometheus-compatible server holds. Every query
// stands in queries.go and all are evaluated at one time, so the same snapshot can be had for any
// time in the past. It asks and translates; what the numbers mean is for others to judge.
package promql

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// Options say what to read and how to understand it.
type Options struct {
	// Cluster is the name that snapshots carry.
	Cluster string
	// Store is what the server shares with others that look after the cluster in turn; they are not listed as other servers. Empty
	// where it keeps its state for itself.
	Store string
	// Hosts are the host names that must be there; one that was never seen is a gap. Where any are
	// named, other hosts and what is on them are left out: one Prometheus may hold several clusters.
	Hosts []string
	// Rules are copied into every snapshot.
	Rules []cluster.Rule
	// Window is what demand is taken over.
	Window time.Duration
	// Percentile is which percentile of the window counts, 0 to 1; 0 for the mean. ScrapeInterval is the time
	// between two samples, which says over how short a time a rate can be had.
	Percentile     float64
	ScrapeInterval time.Duration
	// Places say where hosts stand and what they are for, by host.
	Places map[string]Place
	// RestartPriorities are those of single VMs, by UUID or name, in place of what their metadata say.
	RestartPriorities map[string]string
	// Automation caps the automation level of single VMs, by UUID or name.
	Automation map[string]cluster.Level
	// Machines are computers without a hypervisor that are to be seen as well.
	Machines []Machine
	// Power is about hosts that sleep.
	Power Power
	// MaxDataAge is how old a host's newest sample may be before the host counts as not seen.
	MaxDataAge time.Duration
	// SharedStorage names the storage pools that are the same storage on every host that has them,
	// beside those whose kind says so.
	SharedStorage []string
	// ReservedCPUCores and ReservedMemoryBytes are kept for every host itself.
	ReservedCPUCores    float64
	ReservedMemoryBytes int64
	// Timeout bounds the queries of one snapshot together.
	Timeout time.Duration
}

// Place is what a person knows of a host and no exporter.
type Place struct {
	// Automation caps the automation level for what touches the host; nil where it does not.
	Automation    *cluster.Level
	FailureDomain string
	Tags          []string
	PowerCurve    cluster.PowerCurve
}

// Source makes snapshots. It is safe for concurrent use.
type Source struct {
	// name is the address, as it may be shown.
	name    string
	api     v1.API
	opts    Options
	queries queries
	slow    slow
	recent  recent
	// sleepers are the hosts in standby.
	sleepers sleepers
}

// New returns a source that reads the Prometheus API at the URL (without /api/v1). Parameters of the URL are sent with every query. The transport
// may be nil for the usual one.
func New(url string, transport http.RoundTripper, o Options) (*Source, error) {
	name, err := shown(url)
	if err != nil {
		return nil, fmt.Errorf("the URL of Prometheus %w", err)
	}
	client, err := api.NewClient(api.Config{Address: url, RoundTripper: transport})
	if err != nil {
		return nil, fmt.Errorf("prometheus at %s: %w", name, err)
	}
	return &Source{name: name, api: whole{v1.NewAPI(swift{client}), name}, opts: o, queries: newQueries(o)}, nil
}

// Snapshot returns the cluster as it was at the time. An error means that Prometheus could not
// answer; what Prometheus does not hold is in the snapshot's gaps.
func (s *Source) Snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	snap, err := s.snapshot(ctx, at)
	if err == nil {
		err = s.power(ctx, &snap)
	}
	if err == nil {
		err = s.machines(ctx, &snap)
	}
	if err != nil {
		return cluster.Snapshot{}, err
	}
	return snap, nil
}

// snapshot is Snapshot without what is about power.
func (s *Source) snapshot(ctx context.Context, at time.Time) (cluster.Snapshot, error) {
	f := &fetch{ctx: ctx, api: s.api, at: at}
	q := s.queries
	var r raw
	for _, ask := range []struct {
		query string
		into  *model.Vector
	}{
		{q.hosts, &r.hosts}, {q.hostSeen, &r.hostSeen}, {q.hostCPUs, &r.hostCPUs}, {q.hostMemory, &r.hostMemory},
		{q.hostCPUUsed, &r.hostCPUUsed}, {q.hostVMCPU, &r.hostVMCPU}, {q.pools, &r.pools}, {q.networks, &r.networks},
		{q.vms, &r.vms}, {q.vmsAlso, &r.vmsAlso}, {q.vmsRemembered, &r.vmsRemembered}, {q.vmsEarlier, &r.vmsEarlier},
		{q.vmState, &r.vmState}, {q.vmVCPUs, &r.vmVCPUs},
		{q.vmMemory, &r.vmMemory}, {q.vmCPU, &r.vmCPU}, {q.vmDisks, &r.vmDisks}, {q.vmNetworks, &r.vmNetworks},
		{q.vmDemand, &r.vmDemand}, {q.vmMemoryDemand, &r.vmMemoryDemand}, {q.vmSteal, &r.vmSteal},
		{q.vmMovable, &r.vmMovable}, {q.vmTied, &r.vmTied},
		{q.hostControlCPU, &r.hostControlCPU}, {q.hostPressure, &r.hostPressure},
		{q.hostMemoryPressure, &r.hostMemoryPressure}, {q.hostIOPressure, &r.hostIOPressure}, {q.hostModels, &r.hostModels}, {q.hostMaintenance, &r.hostMaintenance}, {q.hostStandby, &r.hostStandby},
		{q.vmBalloon, &r.vmBalloon}, {q.vmSwap, &r.vmSwap}, {q.vmArrived, &r.vmArrived}, {q.vmMoves, &r.vmMoves}, {q.ownMoves, &r.ownMoves}, {q.servers, &r.servers},
		{q.lastSeconds, &r.lastSeconds}, {q.lastDowntime, &r.lastDowntime}, {q.lastBytes, &r.lastBytes},
		{q.vmSettings, &r.vmSettings}, {q.vmTags, &r.vmTags}, {q.vmDirty, &r.vmDirty}, {q.vmJobs, &r.vmJobs}, {q.vmAnswers, &r.vmAnswers},
	} {
		f.vector(ask.query, ask.into)
	}
	r.faults = make([]model.Vector, len(faults()))
	for i, fault := range faults() {
		f.vector(fault.query, &r.faults[i])
	}
	if err := f.wait(); err != nil {
		return cluster.Snapshot{}, err
	}
	var err error
	if r.day, r.hours, err = s.slow.fill(ctx, s.api, q, at); err != nil {
		return cluster.Snapshot{}, err
	}
	if len(s.opts.Hosts) > 0 {
		r.only(s.opts.Hosts)
	}
	snap := build(r, s.opts, at)
	snap.Sources = []cluster.Source{
		{Number: "cpu_demand_cores", Query: q.vmDemand}, {Number: "memory_demand_bytes", Query: q.vmMemoryDemand},
		{Number: "cpu_steal_ratio", Query: q.vmSteal}, {Number: "reserved_cpu_cores", Query: q.hostCPUUsed},
		{Number: "host", Query: q.vms}, {Number: "dirty_bytes_per_second", Query: q.vmDirty}, {Number: "cpu_pressure_ratio", Query: q.hostPressure},
		{Number: "memory_pressure_ratio", Query: q.hostMemoryPressure}, {Number: "io_pressure_ratio", Query: q.hostIOPressure},
		{Number: "swap_bytes_per_second", Query: q.vmSwap}, {Number: "memory_balloon_bytes", Query: q.vmBalloon}, {Number: "movable", Query: q.vmMovable},
		{Number: "moved_at", Query: q.vmArrived}, {Number: "moves_last_day", Query: q.vmMoves}, {Number: "own_moves_last_day", Query: q.ownMoves},
		{Number: "cpu_predicted_cores", Query: strings.ReplaceAll(q.vmHours, "$range", model.Duration(learnDays*24*time.Hour).String())},
		{Number: "cpu_peak_cores", Query: q.vmCPUPeak}, {Number: "memory_peak_bytes", Query: q.vmMemoryPeak}, {Number: "io_bytes_per_second", Query: q.vmIO},
	}
	snap.Sort()
	if err := snap.Validate(); err != nil {
		return cluster.Snapshot{}, fmt.Errorf("what Prometheus holds makes no sense: %w", err)
	}
	return snap, nil
}

// raw is what the queries gave.
type raw struct {
	hosts, hostSeen, hostCPUs, hostMemory, hostCPUUsed, hostVMCPU model.Vector
	pools, networks                                               model.Vector
	vms, vmsAlso, vmsRemembered, vmsEarlier                       model.Vector
	vmState, vmVCPUs, vmMemory                                    model.Vector
	vmCPU, vmDisks                                                model.Vector
	vmNetworks, vmDemand, vmMemoryDemand, vmSteal                 model.Vector
	vmMovable, vmTied                                             model.Vector
	hostControlCPU, hostPressure                                  model.Vector
	vmSettings, vmTags, vmDirty, vmJobs, vmAnswers                model.Vector
	hostMemoryPressure, hostIOPressure                            model.Vector
	hostModels, hostMaintenance, hostStandby                      model.Vector
	vmBalloon, vmSwap, vmArrived, vmMoves, ownMoves, servers      model.Vector
	lastSeconds, lastDowntime, lastBytes                          model.Vector
	faults                                                        []model.Vector
	day                                                           past
	hours                                                         []map[string]float64
}

// only leaves out the hosts that are not named, their pools and networks, and the VMs on them.
// VM series carry no host and need not be filtered: they count only through a place that is left.
func (r *raw) only(hosts []string) {
	named := make(map[string]bool, len(hosts))
	for _, h := range hosts {
		named[h] = true
	}
	for _, v := range []*model.Vector{&r.hosts, &r.hostSeen, &r.pools, &r.networks, &r.vms, &r.vmsAlso, &r.vmsRemembered} {
		*v = slices.DeleteFunc(*v, func(s *model.Sample) bool { return !named[label(s, "host")] })
	}
}

// fetch runs queries side by side.
type fetch struct {
	ctx context.Context
	api v1.API
	at  time.Time
	wg  sync.WaitGroup
	mu  sync.Mutex
	err error
}

func (f *fetch) vector(query string, into *model.Vector) {
	f.wg.Go(func() {
		value, _, _, err := f.api.Query(f.ctx, query, f.at)
		vector, ok := value.(model.Vector)
		if err == nil && !ok {
			err = fmt.Errorf("the answer is a %T, not a vector", value)
		}
		if err != nil {
			f.fail(fmt.Errorf("query %s: %w", query, err))
			return
		}
		*into = finite(vector)
	})
}

func (f *fetch) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil || errors.Is(f.err, context.Canceled) {
		f.err = err
	}
}

func (f *fetch) wait() error {
	f.wg.Wait()
	return f.err
}

// finite drops samples that no host or VM can have, so that a lying exporter leaves a gap and no
// nonsense: NaN, infinities and what is below zero.
func finite(v model.Vector) model.Vector {
	kept := v[:0]
	for _, s := range v {
		if finiteNumber(float64(s.Value)) {
			kept = append(kept, s)
		}
	}
	return kept
}

func finiteNumber(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) && x >= 0 }

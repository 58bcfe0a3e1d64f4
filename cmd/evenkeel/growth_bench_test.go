//go:build bench

package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/actuator/etcdstore"
	"github.com/evenkeel/evenkeel/actuator/journal"
	"github.com/evenkeel/evenkeel/actuator/memory"
	"github.com/evenkeel/evenkeel/actuator/recovery"
	"github.com/evenkeel/evenkeel/analyzer"
	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/config"
	"github.com/evenkeel/evenkeel/internal/engine"
)

var growthHosts = flag.String("growth", "10,30,100,300,1000,2000", "the numbers of hosts that TestGrowthInNumbers measures, with 20 VMs each")

const (
	growthPast = 25 * time.Minute
	// growthTimes is how often each stage is measured; the median counts.
	growthTimes = 5
)

// stages are those of a pass, in their order.
func stages() []string {
	return []string{"first snapshot", "snapshot", "detect", "plan", "judge", "store", "etcd"}
}

// grown is what one size takes.
type grown struct {
	hosts, series int
	// cpu is the CPU time of each stage by its name, of all threads, took how long it lasted, allocated the memory in MiB that it asked for.
	cpu, took map[string]time.Duration
	allocated map[string]float64
	heap      float64 // of the engine with all that it holds, in MiB
}

// TestGrowthInNumbers prints what each stage of a pass takes on clusters of growing size, as a table: CPU time, how long it lasted, which depends on what else the
// machine does, and memory; and by which exponents CPU time and memory grew from the size before. "judge" is everything between the snapshot and the advice, with what detect and plan take; "store" is what the round leaves on the
// disk: the advice, where VMs run, and an intent for each recommendation; "etcd" is the same in etcd, whose own CPU time is not in it.
func TestGrowthInNumbers(t *testing.T) {
	var all []grown
	for _, n := range strings.Split(*growthHosts, ",") {
		hosts, err := strconv.Atoi(n)
		if err != nil || hosts < growthRack || hosts%growthRack != 0 {
			t.Fatalf("-growth %q: numbers of hosts are multiples of %d", n, growthRack)
		}
		t.Run(n, func(t *testing.T) { all = append(all, grow(t, hosts)) })
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| hosts, VMs | series | %s | engine, MiB |\n|---|---|%s---|\n", strings.Join(stages(), " | "), strings.Repeat("---|", len(stages())))
	for _, g := range all {
		fmt.Fprintf(&b, "| %d, %d | %d |", g.hosts, g.hosts*benchVMsOnHost, g.series)
		for _, s := range stages() {
			fmt.Fprintf(&b, " %.3g s (%.3g s), %.3g MiB |", g.cpu[s].Seconds(), g.took[s].Seconds(), g.allocated[s])
		}
		fmt.Fprintf(&b, " %.0f |\n", g.heap)
	}
	for i := 1; i < len(all); i++ {
		fmt.Fprintf(&b, "| exponent, %d to %d | %.2f |", all[i-1].hosts, all[i].hosts, exponent(all[i-1], all[i], func(g grown) float64 { return float64(g.series) }))
		for _, s := range stages() {
			fmt.Fprintf(&b, " %.2f, %.2f |", exponent(all[i-1], all[i], func(g grown) float64 { return g.cpu[s].Seconds() }), exponent(all[i-1], all[i], func(g grown) float64 { return g.allocated[s] }))
		}
		fmt.Fprintf(&b, " %.2f |\n", exponent(all[i-1], all[i], func(g grown) float64 { return g.heap }))
	}
	fmt.Println(b.String())
}

// exponent is the k by which something grew as the k-th power of the number of hosts.
func exponent(from, to grown, of func(grown) float64) float64 {
	return math.Log(of(to)/of(from)) / math.Log(float64(to.hosts)/float64(from.hosts))
}

// grow measures one size.
func grow(t *testing.T, hosts int) grown {
	g := grown{hosts: hosts, cpu: map[string]time.Duration{}, took: map[string]time.Duration{}, allocated: map[string]float64{}}
	until := time.Now().Truncate(time.Hour).Add(-time.Minute)
	c := config.Default()
	c.Cluster, c.Scrape.Interval = "growth", config.Duration(benchScrape)
	e := growthEngine(t, &g, &c, until)
	source, err := promql.New("http://embedded.invalid/prometheus", e.RoundTripper(), sourceOptions(c))
	if err != nil {
		t.Fatal(err)
	}
	at := until
	var s cluster.Snapshot
	snapshot := func() {
		if s, err = source.Snapshot(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		at = at.Add(-benchScrape)
	}
	g.measure("first snapshot", 1, snapshot)
	g.measure("snapshot", growthTimes, snapshot)
	if len(s.Hosts) != hosts || len(s.VMs) != hosts*benchVMsOnHost || len(s.Gaps) > 0 {
		t.Fatalf("the snapshot has %d hosts, %d VMs and %d gaps: %v", len(s.Hosts), len(s.VMs), len(s.Gaps), s.Gaps[:min(3, len(s.Gaps))])
	}
	p := analyzerPolicy(c)
	var findings []cluster.Finding
	g.measure("detect", growthTimes, func() { findings = detect.Findings(s, p.Detect) })
	g.measure("plan", growthTimes, func() { plan.Make(s, findings, p.Plan) })
	var judged analyzer.Judgement
	g.measure("judge", growthTimes, func() { judged = analyzer.Judge([]cluster.Snapshot{s}, p) })
	if len(judged.Recommendations) == 0 {
		t.Fatal("nothing is advised, so that nothing of it was measured")
	}
	g.measure("store", growthTimes, leaves(t, s, judged.Recommendations, inFiles))
	g.measure("etcd", growthTimes, leaves(t, s, judged.Recommendations, inEtcd))
	t.Logf("%+v", g)
	return g
}

// measure notes the median of some times.
func (g *grown) measure(stage string, times int, f func()) {
	var took, cpu []time.Duration
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range times {
		begun, used := time.Now(), ownCPU()
		f()
		took, cpu = append(took, time.Since(begun)), append(cpu, ownCPU()-used)
	}
	runtime.ReadMemStats(&after)
	slices.Sort(took)
	slices.Sort(cpu)
	g.took[stage], g.cpu[stage] = took[len(took)/2], cpu[len(cpu)/2]
	g.allocated[stage] = float64(after.TotalAlloc-before.TotalAlloc) / float64(times) / (1 << 20)
}

// ownCPU is the CPU time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it fails for other processes only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// inFiles keeps what a server does by itself.
func inFiles(t *testing.T) (*journal.Journal, func(string) memory.Place) {
	dir := t.TempDir()
	j, err := journal.Open(filepath.Join(dir, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	return j, func(name string) memory.Place { return memory.File(filepath.Join(dir, name+".json")) }
}

// inEtcd keeps it in a real etcd of one node.
func inEtcd(t *testing.T) (*journal.Journal, func(string) memory.Place) {
	address, _ := startEtcd(t)
	store, err := etcdstore.Open(t.Context(), etcdstore.Options{Endpoints: []string{"http://" + address}, Cluster: "growth", TTL: 60})
	if err != nil {
		t.Fatal(err)
	}
	term, err := store.Campaign(t.Context(), etcdstore.Server{ID: "growth"})
	if err != nil {
		t.Fatal(err)
	}
	j, err := store.Journal(t.Context(), term, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return j, func(name string) memory.Place { return store.Document(term, name) }
}

// leaves writes what a round leaves.
func leaves(t *testing.T, s cluster.Snapshot, advice []cluster.Recommendation, open func(*testing.T) (*journal.Journal, func(string) memory.Place)) func() {
	j, place := open(t)
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	homes := recovery.Memory{At: s.At, Homes: map[string]recovery.Home{}}
	for _, v := range s.VMs {
		homes.Homes[v.ID] = recovery.Home{Host: v.Host, Name: v.Name, Since: s.At}
	}
	kept, where := memory.On[[]cluster.Recommendation](place("advice"), "advice"), memory.On[recovery.Memory](place("memory"), "where VMs run")
	return func() {
		if err := kept.Save(advice); err != nil {
			t.Fatal(err)
		}
		if err := where.Save(homes); err != nil {
			t.Fatal(err)
		}
		for _, r := range advice {
			if _, err := j.Append(cluster.Entry{At: s.At, Kind: cluster.EntryIntent, ID: r.ID, Recommendation: &r}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// growthEngine is an engine that holds what the exporters of so many hosts told, and names the hosts in the configuration.
func growthEngine(t *testing.T, g *grown, c *config.Config, until time.Time) *engine.Engine {
	before, dir := heap(), t.TempDir()
	growthFill(t, g, c, dir, until)
	e, err := engine.Open(engine.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	g.heap = heap() - before
	return e
}

// heap is what is in use, in MiB.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// growthFill writes the past into the directory.
func growthFill(t *testing.T, g *grown, c *config.Config, dir string, until time.Time) {
	names, page := growthCluster(t, g.hosts)
	for _, host := range names {
		c.Hosts = append(c.Hosts, config.Host{Name: host})
	}
	g.series = len(page)
	scrapePast(t, dir, page, until.Add(-growthPast), until)
}

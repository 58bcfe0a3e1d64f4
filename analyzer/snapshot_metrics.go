package analyzer

import (
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

// snapshotCollector publishes the cluster as the newest pass saw and judged it, so that dashboards and alerts show what evenkeel goes by.
type snapshotCollector struct {
	analyzer *Analyzer

	state, use, pressure, vms, demand, memory, lost *prometheus.Desc
}

func newSnapshotCollector(a *Analyzer) *snapshotCollector {
	return &snapshotCollector{
		analyzer: a,
		state:    prometheus.NewDesc("evenkeel_host_state", "How the host stands by the newest snapshot: 1 for the state that it is in, 0 for the others.", []string{"host", "kind", "state"}, nil),
		use:      prometheus.NewDesc("evenkeel_host_utilisation_ratio", "How much of the host's CPU and memory is in demand, by its VMs and itself together, as the planner counts it; above 1 where more is wanted than there is.", []string{"host", "kind", "resource"}, nil),
		pressure: prometheus.NewDesc("evenkeel_host_waiting_ratio", "Share of the analysis window in which at least one task of the host waited for the resource; absent where the host does not tell.", []string{"host", "kind", "resource"}, nil),
		vms:      prometheus.NewDesc("evenkeel_host_vms", "VMs that run on the host, those on their way to it included.", []string{"host"}, nil),
		demand:   prometheus.NewDesc("evenkeel_vm_cpu_demand_cores", "What the running VM used and waited for, in cores, as the planner counts it.", []string{"vm"}, nil),
		memory:   prometheus.NewDesc("evenkeel_vm_memory_demand_bytes", "What of its memory the running VM has in use, as the planner counts it.", []string{"vm"}, nil),
		lost:     prometheus.NewDesc("evenkeel_vm_score_lost_points", "What is missing to a running VM's score of 100, by what costs it; absent for what costs nothing.", []string{"vm", "part"}, nil),
	}
}

func (c *snapshotCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.state, c.use, c.pressure, c.vms, c.demand, c.memory, c.lost} {
		ch <- d
	}
}

func (c *snapshotCollector) Collect(ch chan<- prometheus.Metric) {
	board, _ := c.analyzer.Board()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, l := range board.Loads {
		for _, s := range cluster.HostStates() {
			in := 0.0
			if s == l.State.String() {
				in = 1
			}
			gauge(c.state, in, l.Host, l.Kind, s)
		}
		if l.Kind == cluster.KindHypervisor {
			gauge(c.vms, float64(l.VMs), l.Host)
		}
		if l.State != cluster.HostUp && l.State != cluster.HostMaintenance {
			continue // nothing is known of the others' use
		}
		gauge(c.use, l.CPUUtilisation, l.Host, l.Kind, "cpu")
		gauge(c.use, l.MemoryUtilisation, l.Host, l.Kind, "memory")
	}
	for _, h := range board.Snapshot.Hosts {
		c.pressures(gauge, h.ID, cluster.KindHypervisor, h.CPUPressureRatio, h.MemoryPressureRatio, h.IOPressureRatio)
	}
	for _, m := range board.Snapshot.Machines {
		c.pressures(gauge, m.ID, cluster.KindPhysical, m.CPUPressureRatio, m.MemoryPressureRatio, m.IOPressureRatio)
	}
	for _, v := range board.Snapshot.VMs {
		if v.State == cluster.VMRunning {
			gauge(c.demand, v.CPUDemandCores, v.ID)
			gauge(c.memory, float64(v.MemoryDemandBytes), v.ID)
		}
	}
	for _, v := range board.Scores {
		for _, part := range parts(v.Lost) {
			if part.value > 0 { // zeros would be more than half of all that a large cluster's server publishes
				gauge(c.lost, part.value, v.VM, part.name)
			}
		}
	}
}

// pressures publishes those that are known.
func (c *snapshotCollector) pressures(gauge func(d *prometheus.Desc, v float64, labels ...string), host, kind string, cpu, memory, io cluster.Number) {
	for _, p := range []struct {
		resource string
		ratio    cluster.Number
	}{{"cpu", cpu}, {"memory", memory}, {"io", io}} {
		if p.ratio.Known {
			gauge(c.pressure, p.ratio.Value, host, kind, p.resource)
		}
	}
}

// part is one of the things that cost points of a score.
type part struct {
	name  string
	value float64
}

func parts(p cluster.Points) []part {
	return []part{
		{"cpu_contention", p.CPUContention}, {"cpu_headroom", p.CPUHeadroom},
		{"memory_contention", p.MemoryContention}, {"memory_headroom", p.MemoryHeadroom}, {"rules", p.Rules},
	}
}

package promql_test

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

// node is what node_exporter tells of a machine of two CPUs, half busy, with a quarter of its memory in use.
func node(instance, samples string) string {
	return `
  up{instance="` + instance + `",job="node"} 1x` + samples + `
  node_memory_MemTotal_bytes{instance="` + instance + `",job="node"} 1000x` + samples + `
  node_memory_MemAvailable_bytes{instance="` + instance + `",job="node"} 750x` + samples + `
  node_cpu_seconds_total{instance="` + instance + `",job="node",cpu="0",mode="user"} 0+15x` + samples + `
  node_cpu_seconds_total{instance="` + instance + `",job="node",cpu="0",mode="idle"} 0+0x` + samples + `
  node_cpu_seconds_total{instance="` + instance + `",job="node",cpu="1",mode="user"} 0+0x` + samples + `
  node_cpu_seconds_total{instance="` + instance + `",job="node",cpu="1",mode="idle"} 0+15x` + samples + `
  node_pressure_io_waiting_seconds_total{instance="` + instance + `",job="node"} 0+3x` + samples
}

// a is well and scraped by two jobs, b does not answer, c has been silent, d was never heard of; a stranger is none of ours.
func TestMachinesStandBesideTheHosts(t *testing.T) {
	o := options()
	for _, name := range []string{"d", "c", "b", "a"} {
		o.Machines = append(o.Machines, promql.Machine{Name: name, Instance: name + ":9100", Tags: []string{"rack1"}})
	}
	s := snapshot(t, o, host("h1", 40, 1)+host("h2", 40, 1)+node("a:9100", "40")+node("c:9100", "30")+node("stranger:9100", "40")+`
  node_memory_MemTotal_bytes{instance="a:9100",job="other"} 1000x40
  node_cpu_seconds_total{instance="a:9100",job="other",cpu="0",mode="user"} 0+15x40
  node_cpu_seconds_total{instance="a:9100",job="other",cpu="0",mode="idle"} 0x40
  up{instance="b:9100",job="node"} 0x40
  node_memory_MemTotal_bytes{instance="b:9100",job="node"} 1000x40`, 10*time.Minute)
	if len(s.Machines) != 4 || len(s.Gaps) > 0 || len(s.Hosts) != 2 {
		t.Fatalf("machines %+v, gaps %v, hosts %d", s.Machines, s.Gaps, len(s.Hosts))
	}
	a := s.Machines[0]
	if a.ID != "a" || a.State != cluster.HostUp || a.Reason != "" || a.CPUCores != 2 || a.MemoryBytes != 1000 || a.MemoryUsedBytes != cluster.Known(250) || a.MemoryPressureRatio.Known || len(a.Tags) != 1 {
		t.Errorf("a: %+v", a)
	}
	near(t, "what a uses", a.CPUUsedCores.Value, 1)
	near(t, "what a waits for disks", a.IOPressureRatio.Value, 0.2)
	if l := a.Load(); l.Kind != cluster.KindPhysical || l.CPUUtilisation < 0.49 || l.CPUUtilisation > 0.51 || l.MemoryUtilisation != 0.25 || l.VMs != 0 {
		t.Errorf("a carries %+v", l)
	}
	for i, want := range []cluster.HostState{cluster.HostUp, cluster.HostDown, cluster.HostUnknown, cluster.HostUnknown} {
		m := s.Machines[i]
		if m.State != want || (m.Reason == "") != (want == cluster.HostUp) || want != cluster.HostUp && (m.CPUCores != 0 || m.CPUUsedCores.Known) {
			t.Errorf("%s: %+v, want %s", m.ID, m, want)
		}
	}
}

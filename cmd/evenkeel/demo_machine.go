package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// demoMachine is the demo's physical machine: what a node_exporter would tell of a backup server that works by night.
type demoMachine struct {
	now func() time.Time // in the simulated day

	mu             sync.Mutex
	at             time.Time // of the last page, in real time
	busy, idle, io float64   // seconds of a core so far
}

const (
	demoMachineCores  = 8
	demoMachineMemory = 64 << 30
)

// ServeHTTP writes the page. The counters go on as fast as real time does, since rates are taken over that.
func (m *demoMachine) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	share := 0.1
	if hour := m.now().UTC().Hour(); hour >= 22 || hour < 6 {
		share = 0.6
	}
	if passed := time.Since(m.at).Seconds(); !m.at.IsZero() {
		m.busy += share * passed
		m.idle += (1 - share) * passed
		m.io += share / 4 * passed
	}
	m.at = time.Now()
	var b strings.Builder
	b.WriteString("# TYPE node_cpu_seconds_total counter\n")
	for cpu := range demoMachineCores {
		fmt.Fprintf(&b, "node_cpu_seconds_total{cpu=\"%d\",mode=\"user\"} %g\nnode_cpu_seconds_total{cpu=\"%d\",mode=\"idle\"} %g\n", cpu, m.busy, cpu, m.idle)
	}
	fmt.Fprintf(&b, "# TYPE node_memory_MemTotal_bytes gauge\nnode_memory_MemTotal_bytes %d\n# TYPE node_memory_MemAvailable_bytes gauge\nnode_memory_MemAvailable_bytes %g\n", demoMachineMemory, (0.8-share/2)*demoMachineMemory)
	for resource, seconds := range map[string]float64{"cpu": m.io / 2, "memory": 0, "io": m.io} {
		fmt.Fprintf(&b, "# TYPE node_pressure_%s_waiting_seconds_total counter\nnode_pressure_%s_waiting_seconds_total %g\n", resource, resource, seconds)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(b.String())) // who asked is gone, or there
}

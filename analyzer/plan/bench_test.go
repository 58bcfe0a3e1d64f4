package plan_test

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/evenkeel/evenkeel/analyzer/detect"
	"github.com/evenkeel/evenkeel/analyzer/plan"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
)

// large is a cluster of hosts of 32 cores with ten VMs each, of which every tenth host has its VMs
// at full load.
func large(hosts int) cluster.Snapshot {
	r := rand.New(rand.NewSource(1))
	s := cluster.Snapshot{Cluster: "large", At: clustertest.At()}
	for i := range hosts {
		id := fmt.Sprintf("h%04d", i)
		s.Hosts = append(s.Hosts, cluster.Host{ID: id, State: cluster.HostUp, CPUCores: 32, MemoryBytes: 256 << 30, Storage: []string{"nfs"}, Networks: []string{"br0"}})
		for j := range 10 {
			demand := r.Float64()
			if i%10 == 0 {
				demand = 3 + r.Float64()
			}
			s.VMs = append(s.VMs, cluster.VM{ID: fmt.Sprintf("v%04d-%d", i, j), Host: id, State: cluster.VMRunning, VCPUs: 4, MemoryBytes: 8 << 30,
				MemoryDemandBytes: 6 << 30, CPUDemandCores: demand, Movable: true, Storage: []string{"nfs"}, Networks: []string{"br0"}})
		}
	}
	return s
}

func BenchmarkPlan(b *testing.B) {
	for _, hosts := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("%d-hosts-%d-VMs", hosts, 10*hosts), func(b *testing.B) {
			s := large(hosts)
			p := plan.Policy{Threshold: 3, MaxMoves: 8, Limits: cluster.Limits{MaxCPUUtilisation: 0.9, MaxMemoryUtilisation: 0.95}, BandwidthBytesPerSecond: 1 << 30}
			for b.Loop() {
				if got := plan.Make(s, detect.Findings(s, detect.Policy{Threshold: 3}), p); len(got.Actions) == 0 {
					b.Fatal("nothing to plan")
				}
			}
		})
	}
}

package admission

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/evenkeel/evenkeel/internal/clustertest"
)

// large is a cluster of hosts of 256 GiB that are filled up to the share with VMs of mixed sizes. Every tenth VM
// stands under a rule.
func large(hosts int, full float64) cluster.Snapshot {
	r := rand.New(rand.NewSource(1))
	s := cluster.Snapshot{Cluster: "large", At: clustertest.At()}
	for i := range hosts {
		h := cluster.Host{ID: fmt.Sprintf("h%04d", i), State: cluster.HostUp, CPUCores: 64, MemoryBytes: 256 * gibibyte, ReservedMemoryBytes: 4 * gibibyte,
			Storage: []string{"nfs"}, Networks: []string{"br0"}, FailureDomain: fmt.Sprintf("rack%02d", i/16)}
		s.Hosts = append(s.Hosts, h)
		for used, j := int64(4), 0; float64(used) < full*256; j++ {
			size := []int64{4, 8, 8, 12, 16, 16, 24, 32}[r.Intn(8)]
			used += size
			v := cluster.VM{ID: fmt.Sprintf("v%04d-%02d", i, j), Host: h.ID, State: cluster.VMRunning, VCPUs: 4, MemoryBytes: size * gibibyte, MemoryDemandBytes: size * gibibyte / 2,
				CPUDemandCores: r.Float64(), Movable: true, Storage: h.Storage, Networks: h.Networks}
			s.VMs = append(s.VMs, v)
		}
	}
	for i := range hosts / 2 { // pairs that must be apart
		r := cluster.Rule{Name: fmt.Sprintf("apart%04d", i), Kind: cluster.VMVMAntiAffinity, Strength: cluster.Must, VMs: []string{fmt.Sprintf("v%04d-00", 2*i), fmt.Sprintf("v%04d-00", 2*i+1)}}
		s.Rules = append(s.Rules, r)
	}
	s.Sort()
	return s
}

func benchmark(b *testing.B, hosts int, full float64, pol Policy, survived bool) {
	p := cluster.NewPlacement(large(hosts, full))
	b.ResetTimer()
	for b.Loop() {
		r := Check(p, pol, limits())
		if len(r.Cases) < hosts || r.OK() != survived {
			b.Fatalf("%d cases, %d broken", len(r.Cases), len(r.Broken()))
		}
	}
}

func BenchmarkAdmission1000(b *testing.B) {
	b.Run("1-failure", func(b *testing.B) { benchmark(b, 1000, 0.7, Policy{HostFailures: 1}, true) })
	b.Run("1-failure-not-survived", func(b *testing.B) { benchmark(b, 1000, 0.85, Policy{HostFailures: 1}, false) })
	b.Run("domains", func(b *testing.B) { benchmark(b, 1000, 0.7, Policy{HostFailures: 1, FailureDomain: true}, true) })
	b.Run("2-failures", func(b *testing.B) { benchmark(b, 1000, 0.7, Policy{HostFailures: 2}, true) })
	b.Run("3-failures", func(b *testing.B) { benchmark(b, 1000, 0.7, Policy{HostFailures: 3}, true) })
}

func BenchmarkAdmission10000(b *testing.B) {
	benchmark(b, 10000, 0.7, Policy{HostFailures: 1}, true)
}

func BenchmarkAdmission100(b *testing.B) {
	b.Run("2-failures", func(b *testing.B) { benchmark(b, 100, 0.7, Policy{HostFailures: 2}, true) })
	b.Run("3-failures", func(b *testing.B) { benchmark(b, 100, 0.7, Policy{HostFailures: 3}, true) })
}

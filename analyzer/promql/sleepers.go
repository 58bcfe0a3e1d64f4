package promql

import (
	"context"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// sleepers remembers what hosts in standby had when they were awake, by host: they say nothing themselves, and what they
// would bring must be known to tell whether they are needed.
type sleepers struct {
	mu    sync.Mutex
	known map[string]sleeper
}

// sleeper is a host as it was when it was told to shut down.
type sleeper struct {
	since float64
	host  cluster.Host
}

// remind gives the hosts in standby the sizes and the reach that they had when they were told to shut down, at the times
// given in seconds. What Prometheus does not hold any more stays unknown.
func (s *Source) remind(ctx context.Context, hosts []cluster.Host, since map[string]float64) {
	for i := range hosts {
		h := &hosts[i]
		if h.State != cluster.HostStandby || since[h.ID] == 0 {
			continue
		}
		was, known := s.sleepers.of(h.ID, since[h.ID])
		if !known {
			past, err := s.snapshot(ctx, time.UnixMilli(int64(since[h.ID]*1000)))
			if err != nil {
				return // the next snapshot asks again
			}
			was, _ = past.Host(h.ID)
			s.sleepers.keep(h.ID, since[h.ID], was)
		}
		h.CPUCores, h.MemoryBytes, h.ReservedCPUCores = was.CPUCores, was.MemoryBytes, was.ReservedCPUCores
		h.CPUCompat, h.CPUModels, h.Hypervisor, h.Storage, h.Networks = was.CPUCompat, was.CPUModels, was.Hypervisor, was.Storage, was.Networks
	}
}

func (s *sleepers) of(host string, since float64) (cluster.Host, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, known := s.known[host]
	return was.host, known && was.since == since
}

func (s *sleepers) keep(host string, since float64, was cluster.Host) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[string]sleeper{}
	}
	s.known[host] = sleeper{since: since, host: was}
}

package promql_test

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

// A host that sleeps says nothing. What it had when it was told to shut down is what it would bring.
func TestWhatASleepingHostHadIsRemembered(t *testing.T) {
	s := snapshot(t, options(), host("h1", 40, 1)+host("h2", 19, 1)+`
  evenkeel_host_standby{instance="server",host="h2"} 1x20 2x20
  evenkeel_host_standby_timestamp_seconds{instance="server",host="h2"} 0x20 270x20`, 10*time.Minute)
	h1, _ := s.Host("h1")
	h2, _ := s.Host("h2")
	if h2.State != cluster.HostStandby || h2.CPUCores == 0 || h2.MemoryBytes == 0 || h2.CPUCores != h1.CPUCores || h2.CPUCompat != h1.CPUCompat || len(h2.Storage) != len(h1.Storage) {
		t.Errorf("h2: %+v, h1: %+v", h2, h1)
	}
}

// h1 is emptied to be put into standby, h2 sleeps, h3 sleeps by the server's word and is read all the same.
func TestAHostThatSleepsIsNoGap(t *testing.T) {
	o := options()
	o.Hosts = []string{"h1", "h2", "h3"}
	s := snapshot(t, o, host("h1", 40, 1)+host("h3", 40, 1)+`
  evenkeel_host_info{instance="h2:9177",host="h2"} 1x39 stale
  evenkeel_host_standby{instance="server",host="h1"} 1x40
  evenkeel_host_standby{instance="server",host="h2"} 2x40
  evenkeel_host_standby{instance="server",host="h3"} 2x40`, 10*time.Minute)
	want := map[string]cluster.HostState{"h1": cluster.HostMaintenance, "h2": cluster.HostStandby, "h3": cluster.HostMaintenance}
	for id, state := range want {
		h, known := s.Host(id)
		if !known || h.State != state || !h.Retiring || s.GapOf(cluster.HostSubject(id)) != "" {
			t.Errorf("%s: %+v, gap %q", id, h, s.GapOf(cluster.HostSubject(id)))
		}
	}
}

package promql_test

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
)

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

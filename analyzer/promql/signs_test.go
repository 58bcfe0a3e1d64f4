package promql_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/analyzer/promql"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func TestSignsOfLife(t *testing.T) {
	// h1 is read all the time, h2 was not at the last scrape; h3 is known by its stamp alone, which h1 sees as younger than h2 did. h4 and h5 are known
	// by their neighbours alone: one reached h4, none ever h5. What a host said of h6 that is not read any more does not count.
	url := prometheus(t, `load 15s
  evenkeel_host_cpus{instance="h1:9177",host="h1"} 4x40
  evenkeel_vm_info{instance="h1:9177",host="h1",vm="busy",name="b"} 1x40
  evenkeel_vm_info{instance="h1:9177",host="h1",vm="calm",name="c"} 1x40
  evenkeel_vm_job_info{instance="h1:9177",vm="busy",operation="migration_out"} 1x40
  evenkeel_vm_job_info{instance="h1:9177",vm="calm",operation="backup"} 1x39 stale
  evenkeel_host_cpus{instance="h2:9177",host="h2"} 4x39 stale
  evenkeel_host_heartbeat_peer_age_seconds{instance="h1:9177",host="h1",peer="h2"} 70x40
  evenkeel_host_heartbeat_peer_age_seconds{instance="h1:9177",host="h1",peer="h3"} 2x40
  evenkeel_host_heartbeat_peer_age_seconds{instance="h4:9177",host="h4",peer="h3"} 9x40
  evenkeel_host_neighbour_answer_age_seconds{instance="h1:9177",host="h1",peer="h2"} 30x40
  evenkeel_host_neighbour_answer_age_seconds{instance="h1:9177",host="h1",peer="h4"} _x40 +Inf
  evenkeel_host_neighbour_answer_age_seconds{instance="h3:9177",host="h3",peer="h4"} 1x40
  evenkeel_host_neighbour_answer_age_seconds{instance="h1:9177",host="h1",peer="h5"} _x40 +Inf
  evenkeel_host_neighbour_answer_age_seconds{instance="h2:9177",host="h2",peer="h6"} 1x39 stale`)
	s, err := promql.New(url, nil, options())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(600, 0)
	signs, err := s.Signs(context.Background(), at)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(signs, func(a, b cluster.HostSigns) int { return strings.Compare(a.Host, b.Host) })
	want := []cluster.HostSigns{{Host: "h1", SeenAt: at, Busy: []string{"busy"}}, {Host: "h2", HeartbeatAgeSeconds: cluster.Known(70), NeighbourAgeSeconds: cluster.Known(30), LivedAt: at.Add(-30 * time.Second)},
		{Host: "h3", HeartbeatAgeSeconds: cluster.Known(2), LivedAt: at.Add(-2 * time.Second)}, {Host: "h4", NeighbourAgeSeconds: cluster.Known(1), LivedAt: at.Add(-time.Second)},
		{Host: "h5", NeighbourAgeSeconds: cluster.Known(7 * 24 * 3600)}}
	if !slices.EqualFunc(signs, want, func(a, b cluster.HostSigns) bool {
		return a.Host == b.Host && a.SeenAt.Equal(b.SeenAt) && a.HeartbeatAgeSeconds == b.HeartbeatAgeSeconds && a.NeighbourAgeSeconds == b.NeighbourAgeSeconds && slices.Equal(a.Busy, b.Busy) && a.LivedAt.Equal(b.LivedAt)
	}) {
		t.Errorf("got %+v", signs)
	}
}

func TestServersOfThisClusterAreSeen(t *testing.T) {
	script := host("h1", 40, 1) + host("h2", 40, 1) + `
  evenkeel_server_info{instance="a:9178",evenkeel_cluster="c",cluster="x",server="two"} 1x40
  evenkeel_server_info{instance="b:9178",evenkeel_cluster="c",server="one"} 1x40
  evenkeel_server_info{instance="d:9178",evenkeel_cluster="c",server="gone"} 1x39 stale
  evenkeel_server_info{instance="e:9178",evenkeel_cluster="another",server="three"} 1x40`
	o := options()
	o.Cluster = "c"
	if got := snapshot(t, o, script, 10*time.Minute).Servers; !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("servers %v", got)
	}
}

// Servers that share this one's store look after the cluster in turn, and are none beside it.
func TestServersOfTheSameStoreAreNoOthers(t *testing.T) {
	script := host("h1", 40, 1) + `
  evenkeel_server_info{instance="a:9178",evenkeel_cluster="c",server="one",store="etcd-1/c"} 1x40
  evenkeel_server_info{instance="b:9178",evenkeel_cluster="c",server="two",store="etcd-1/c"} 1x40
  evenkeel_server_info{instance="d:9178",evenkeel_cluster="c",server="three",store="etcd-2/c"} 1x40
  evenkeel_server_info{instance="e:9178",evenkeel_cluster="c",server="four",store=""} 1x40`
	o := options()
	o.Hosts, o.Cluster, o.Store = []string{"h1"}, "c", "etcd-1/c"
	if got := snapshot(t, o, script, 10*time.Minute).Servers; !slices.Equal(got, []string{"four", "three"}) {
		t.Errorf("servers %v", got)
	}
}

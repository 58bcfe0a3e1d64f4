package promql

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
)

// Signs returns for each host that Prometheus knows of whether it lives: two queries, so that it can be asked every second.
func (s *Source) Signs(ctx context.Context, at time.Time) ([]cluster.HostSigns, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	f := &fetch{ctx: ctx, api: s.api, at: at}
	var seen, heartbeats model.Vector
	f.vector(`max by (host) (timestamp(evenkeel_host_cpus))`, &seen)
	f.vector(`min by (peer) (evenkeel_host_heartbeat_peer_age_seconds)`, &heartbeats)
	if err := f.wait(); err != nil {
		return nil, err
	}
	ages := by(heartbeats, "peer")
	var signs []cluster.HostSigns
	add := func(host string, seen time.Time) {
		one := cluster.HostSigns{Host: host, SeenAt: seen}
		if age, known := ages[host]; known {
			one.HeartbeatAgeSeconds = cluster.Known(age)
			delete(ages, host)
		}
		signs = append(signs, one)
	}
	for host, second := range by(seen, "host") {
		add(host, time.UnixMilli(int64(second*1000)))
	}
	for host := range ages { // whose exporter is gone
		add(host, time.Time{})
	}
	return signs, nil
}

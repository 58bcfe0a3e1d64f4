package promql

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/common/model"
)

// Signs returns for each host that Prometheus knows of whether it lives, by name: six queries, so that it can be asked every second.
func (s *Source) Signs(ctx context.Context, at time.Time) ([]cluster.HostSigns, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	f := &fetch{ctx: ctx, api: s.api, at: at}
	var seen, heartbeats, neighbours, busy, stamped, answered model.Vector
	f.vector(`max by (host) (timestamp(evenkeel_host_cpus))`, &seen)
	f.vector(`min by (peer) (evenkeel_host_heartbeat_peer_age_seconds)`, &heartbeats)
	// A peer that never answered is infinitely old there, which is no number here.
	f.vector(`clamp_max(min by (peer) (evenkeel_host_neighbour_answer_age_seconds), 604800)`, &neighbours)
	f.vector(`max by (peer) (timestamp(evenkeel_host_heartbeat_peer_age_seconds) - evenkeel_host_heartbeat_peer_age_seconds)`, &stamped)
	f.vector(`max by (peer) (timestamp(evenkeel_host_neighbour_answer_age_seconds) - evenkeel_host_neighbour_answer_age_seconds) > 0`, &answered)
	f.vector(`count by (vm, host) (evenkeel_vm_info * on (vm, instance) group_left () (count by (vm, instance) (evenkeel_vm_job_info)))`, &busy)
	if err := f.wait(); err != nil {
		return nil, err
	}
	all := map[string]cluster.HostSigns{} // also of hosts whose exporter is gone
	for host, second := range by(seen, "host") {
		one := all[host]
		one.SeenAt = time.UnixMilli(int64(second * 1000))
		all[host] = one
	}
	for host, age := range by(heartbeats, "peer") {
		one := all[host]
		one.HeartbeatAgeSeconds = cluster.Known(age)
		all[host] = one
	}
	for host, age := range by(neighbours, "peer") {
		one := all[host]
		one.NeighbourAgeSeconds = cluster.Known(age)
		all[host] = one
	}
	for _, lived := range []model.Vector{stamped, answered} {
		for host, second := range by(lived, "peer") {
			one := all[host]
			if at := time.UnixMilli(int64(second * 1000)); at.After(one.LivedAt) {
				one.LivedAt = at
			}
			all[host] = one
		}
	}
	for _, b := range busy {
		one := all[label(b, "host")]
		one.Busy = append(one.Busy, label(b, "vm"))
		slices.Sort(one.Busy)
		all[label(b, "host")] = one
	}
	signs := make([]cluster.HostSigns, 0, len(all))
	for _, host := range slices.Sorted(maps.Keys(all)) {
		one := all[host]
		one.Host = host
		signs = append(signs, one)
	}
	return signs, nil
}

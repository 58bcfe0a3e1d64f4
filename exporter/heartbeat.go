package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func heartbeat() family {
	const source = "--heartbeat.dir"
	own := gauge("evenkeel_host_heartbeat_age_seconds", "seconds", "How long ago the host last left its stamp on the shared storage.", source, anyLinux, "host")
	peer := gauge("evenkeel_host_heartbeat_peer_age_seconds", "seconds", "How long ago the peer last left its stamp, as the host sees it. It does not depend on the two clocks agreeing.", source, anyLinux, "host", "peer")
	return family{name: "heartbeat", machine: true, metrics: []*metric{own, peer}, write: func(h *stat.Host, out *page) {
		b := h.Heartbeat
		if b == nil {
			return
		}
		out.putIf(own, b.AgeSeconds, h.Name)
		for _, p := range b.Peers {
			out.put(peer, p.AgeSeconds, h.Name, p.Host)
		}
	}}
}

package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func neighbours() family {
	age := gauge("evenkeel_host_neighbour_answer_age_seconds", "seconds", "How long ago the peer last answered the host, which asks it over the network; +Inf for a peer that never did, although it was asked several times. Absent while the host cannot ask.",
		"--neighbours.file", anyLinux, "host", "peer")
	return family{name: "neighbours", machine: true, metrics: []*metric{age}, write: func(h *stat.Host, out *page) {
		if h.Neighbours == nil {
			return
		}
		for _, p := range h.Neighbours.Peers {
			out.put(age, p.AgeSeconds, h.Name, p.Host)
		}
	}}
}

package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostNetwork() family {
	info := desc("evenkeel_host_network_info", "A network that guests of the host can be plugged into: a libvirt network or a bridge; shared tells whether it leads outside the host; 1.",
		"host", "network", "shared")
	return func(h stat.Host, out *sink) {
		for _, n := range h.Networks {
			out.gauge(info, 1, h.Name, n.Name, truth(n.Shared))
		}
	}
}

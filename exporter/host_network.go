package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostNetwork() family {
	network := info("evenkeel_host_network_info", "A network that guests of the host can be plugged into: a libvirt network or a bridge; shared tells whether it leads outside the host; 1.",
		"ListAllNetworks, /sys/class/net", everywhere, "host", "network", "shared")
	return family{name: "host_network", metrics: []*metric{network}, write: func(h *stat.Host, out *page) {
		for _, n := range h.Networks {
			out.put(network, 1, h.Name, n.Name, truth(n.Shared))
		}
	}}
}

package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func storagePool() family {
	info := desc("evenkeel_storage_pool_info", "A storage pool that is active on the host; shared tells whether its kind is one that several hosts reach; 1.",
		"host", "pool", "type", "path", "shared")
	return func(h stat.Host, out *sink) {
		for _, p := range h.Pools {
			out.gauge(info, 1, h.Name, p.Name, p.Type, p.Path, truth(p.Shared))
		}
	}
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func storagePool() family {
	info := desc("evenkeel_storage_pool_info", "A storage pool that is active on the host; shared tells whether its kind is one that several hosts reach, source where its content comes from, empty for a directory of the host; 1.",
		"host", "pool", "type", "path", "source", "shared")
	return func(h stat.Host, out *sink) {
		for _, p := range h.Pools {
			out.gauge(info, 1, h.Name, p.Name, p.Type, p.Path, p.Source, truth(p.Shared))
		}
	}
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

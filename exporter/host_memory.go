package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostMemory() family {
	size := desc("evenkeel_host_memory_bytes", "Memory of the host.", "host")
	free := desc("evenkeel_host_memory_free_bytes", "Memory of the host that nobody uses.", "host")
	available := desc("evenkeel_host_memory_available_bytes", "Memory of the host that programs could have without swapping.", "host")
	return func(h stat.Host, out *sink) {
		if m := h.Memory; m != nil {
			out.gauge(size, float64(m.Total), h.Name)
			out.gauge(free, float64(m.Free), h.Name)
			out.gauge(available, float64(m.Available), h.Name)
		}
	}
}

package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostEDAC() family {
	const source = "/sys/devices/system/edac/mc"
	correctable := counter("evenkeel_host_memory_errors_correctable_total", "", "Errors of the host's memory that were corrected.", source, anyLinux, "host", "controller")
	uncorrectable := counter("evenkeel_host_memory_errors_uncorrectable_total", "", "Errors of the host's memory that could not be corrected.", source, anyLinux, "host", "controller")
	return family{name: "host_edac", machine: true, metrics: []*metric{correctable, uncorrectable}, write: func(h *stat.Host, out *page) {
		if h.Machine == nil {
			return
		}
		for _, c := range h.Machine.EDAC {
			out.put(correctable, c.Correctable, h.Name, c.Name)
			out.put(uncorrectable, c.Uncorrectable, h.Name, c.Name)
		}
	}}
}

package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostMultipath() family {
	const source = "/sys/block/dm-*"
	active := gauge("evenkeel_host_multipath_paths_active", "", "Paths to the multipath device that work.", source, anyLinux, "host", "map")
	failed := gauge("evenkeel_host_multipath_paths_failed", "", "Paths to the multipath device that do not work.", source, anyLinux, "host", "map")
	return family{name: "host_multipath", machine: true, metrics: []*metric{active, failed}, write: func(h *stat.Host, out *page) {
		if h.Machine == nil {
			return
		}
		for _, m := range h.Machine.Multipaths {
			out.put(active, float64(m.Active), h.Name, m.Name)
			out.put(failed, float64(m.Failed), h.Name, m.Name)
		}
	}}
}

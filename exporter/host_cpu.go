package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostCPU() family {
	cpus := desc("evenkeel_host_cpus", "Logical CPUs of the host.", "host")
	seconds := desc("evenkeel_host_cpu_seconds_total", "CPU time of the host, summed over its CPUs.", "host", "mode")
	return func(h stat.Host, out *sink) {
		out.gauge(cpus, float64(h.CPUs), h.Name)
		if t := h.Time; t != nil {
			out.counter(seconds, t.User, h.Name, "user")
			out.counter(seconds, t.System, h.Name, "system")
			out.counter(seconds, t.Idle, h.Name, "idle")
			out.counter(seconds, t.IOWait, h.Name, "iowait")
		}
	}
}

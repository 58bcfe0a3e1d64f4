package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostCPU() family {
	cpus := gauge("evenkeel_host_cpus", "", "Logical CPUs of the host.", "GetNodeInfo", everywhere, "host")
	seconds := counter("evenkeel_host_cpu_seconds_total", "seconds", "CPU time of the host, summed over its CPUs. Each second is counted in one mode; guest, steal, irq, softirq and nice are told on the exporter's own machine alone and stand in user and system elsewhere.",
		"/proc/stat, or NodeGetCPUStats", kvm, "host", "mode")
	return family{name: "host_cpu", metrics: []*metric{cpus, seconds}, write: func(h *stat.Host, out *page) {
		if h.CPU.Logical > 0 {
			out.put(cpus, float64(h.CPU.Logical), h.Name)
		}
		if m := kernelOf(h); m != nil && m.CPU != nil {
			for _, c := range []struct {
				mode string
				v    float64
			}{{"user", m.CPU.User}, {"nice", m.CPU.Nice}, {"system", m.CPU.System}, {"idle", m.CPU.Idle}, {"iowait", m.CPU.IOWait},
				{"irq", m.CPU.IRQ}, {"softirq", m.CPU.SoftIRQ}, {"steal", m.CPU.Steal}, {"guest", m.CPU.Guest}} {
				out.put(seconds, c.v, h.Name, c.mode)
			}
		} else if t := h.Time; t != nil {
			out.put(seconds, t.User, h.Name, "user")
			out.put(seconds, t.System, h.Name, "system")
			out.put(seconds, t.Idle, h.Name, "idle")
			out.put(seconds, t.IOWait, h.Name, "iowait")
		}
	}}
}

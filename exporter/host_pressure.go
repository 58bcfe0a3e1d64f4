package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostPressure() family {
	const source = "/proc/pressure"
	some := counter("evenkeel_host_pressure_some_seconds_total", "seconds", "Time in which at least one task of the host stood still for want of the resource.", source, kernel, "host", "resource")
	full := counter("evenkeel_host_pressure_full_seconds_total", "seconds", "Time in which all tasks of the host stood still for want of the resource.", source, kernel, "host", "resource")
	someRatio := gauge("evenkeel_host_pressure_some_ratio", "", "Share of the last 10 seconds in which at least one task stood still.", source, kernel, "host", "resource")
	fullRatio := gauge("evenkeel_host_pressure_full_ratio", "", "Share of the last 10 seconds in which all tasks stood still.", source, kernel, "host", "resource")
	return family{name: "host_pressure", machine: true, metrics: []*metric{some, full, someRatio, fullRatio}, write: func(h *stat.Host, out *page) {
		m := kernelOf(h)
		if m == nil || m.Pressure == nil {
			return
		}
		for _, p := range []struct {
			resource string
			stalls   *stat.Stalls
		}{{"cpu", m.Pressure.CPU}, {"memory", m.Pressure.Memory}, {"io", m.Pressure.IO}} {
			if p.stalls == nil {
				continue
			}
			out.put(some, p.stalls.Some.Seconds, h.Name, p.resource)
			out.put(someRatio, p.stalls.Some.Ratio, h.Name, p.resource)
			if f := p.stalls.Full; f != nil {
				out.put(full, f.Seconds, h.Name, p.resource)
				out.put(fullRatio, f.Ratio, h.Name, p.resource)
			}
		}
	}}
}

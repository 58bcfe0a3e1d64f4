package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostLoad() family {
	const load, counts = "/proc/loadavg", "/proc/stat"
	one := gauge("evenkeel_host_load1", "", "Load of the host over 1 minute.", load, kernel, "host")
	five := gauge("evenkeel_host_load5", "", "Load of the host over 5 minutes.", load, kernel, "host")
	fifteen := gauge("evenkeel_host_load15", "", "Load of the host over 15 minutes.", load, kernel, "host")
	running := gauge("evenkeel_host_tasks_running", "", "Tasks of the host that run or want to.", counts, kernel, "host")
	blocked := gauge("evenkeel_host_tasks_blocked", "", "Tasks of the host that wait for a disk.", counts, kernel, "host")
	return family{name: "host_load", machine: true, metrics: []*metric{one, five, fifteen, running, blocked}, write: func(h *stat.Host, out *page) {
		m := kernelOf(h)
		if m == nil || m.Load == nil {
			return
		}
		out.put(one, m.Load.One, h.Name)
		out.put(five, m.Load.Five, h.Name)
		out.put(fifteen, m.Load.Fifteen, h.Name)
		out.put(running, float64(m.Load.Running), h.Name)
		out.put(blocked, float64(m.Load.Blocked), h.Name)
	}}
}

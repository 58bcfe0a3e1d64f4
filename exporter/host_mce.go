package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostMCE() family {
	checks := counter("evenkeel_host_machine_checks_total", "", "Machine check exceptions that the host's CPUs raised; counted anew every minute.", "/proc/interrupts", anyLinux, "host")
	return family{name: "host_mce", machine: true, metrics: []*metric{checks}, write: func(h *stat.Host, out *page) {
		if h.Machine != nil && h.Machine.MachineChecks != nil {
			out.put(checks, *h.Machine.MachineChecks, h.Name)
		}
	}}
}

package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostInfo() family {
	info := desc("evenkeel_host_info", "What the host is; 1.",
		"host", "uuid", "hypervisor", "hypervisor_version", "libvirt_version", "arch", "cpu_model", "cpu_compat")
	return func(h stat.Host, out *sink) {
		out.gauge(info, 1, h.Name, h.UUID, h.Hypervisor, h.HypervisorVersion, h.LibvirtVersion, h.Arch, h.CPUModel, h.CPUCompat)
	}
}

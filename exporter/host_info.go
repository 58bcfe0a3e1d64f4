package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostInfo() family {
	what := info("evenkeel_host_info", "What the host is; 1.", "GetCapabilities, GetVersion, GetLibVersion", everywhere,
		"host", "uuid", "hypervisor", "hypervisor_version", "libvirt_version", "arch", "cpu_vendor", "cpu_model", "cpu_compat")
	model := info("evenkeel_host_cpu_model_info", "A CPU model that guests can have on the host: a VM with it can run on any host that has it; 1.", "GetDomainCapabilities", kvm, "host", "model")
	sockets := gauge("evenkeel_host_cpu_sockets", "", "CPU sockets of the host.", "GetNodeInfo", everywhere, "host")
	cores := gauge("evenkeel_host_cpu_cores", "", "CPU cores of the host.", "GetNodeInfo", everywhere, "host")
	threads := gauge("evenkeel_host_cpu_threads_per_core", "", "Threads that each core runs.", "GetNodeInfo", everywhere, "host")
	hertz := gauge("evenkeel_host_cpu_hertz", "hertz", "Nominal clock rate of the host's CPUs.", "GetNodeInfo", everywhere, "host")
	nodes := gauge("evenkeel_host_numa_nodes", "", "NUMA nodes of the host; 1 for a machine whose nodes are not alike, which libvirt does not tell apart here.", "GetNodeInfo", everywhere, "host")
	acceleration := gauge("evenkeel_host_kvm_available", "", "Whether guests of the host can run with hardware virtualisation (1) or are emulated (0).", "GetCapabilities", kvm, "host")
	return family{name: "host_info", reads: stat.ReadHost, metrics: []*metric{what, model, sockets, cores, threads, hertz, nodes, acceleration}, write: func(h *stat.Host, out *page) {
		if h.Hypervisor == "" {
			return
		}
		c := h.CPU
		out.put(what, 1, h.Name, h.UUID, h.Hypervisor, h.HypervisorVersion, h.LibvirtVersion, c.Arch, c.Vendor, c.Model, c.Compat)
		for _, m := range c.Usable {
			out.put(model, 1, h.Name, m)
		}
		if c.Sockets > 0 {
			out.put(sockets, float64(c.Sockets), h.Name)
			out.put(cores, float64(c.Cores), h.Name)
			out.put(threads, float64(c.Threads), h.Name)
			out.put(nodes, float64(c.NUMANodes), h.Name)
		}
		if c.Hertz > 0 {
			out.put(hertz, c.Hertz, h.Name)
		}
		out.putBool(acceleration, h.KVM, h.Name)
	}}
}

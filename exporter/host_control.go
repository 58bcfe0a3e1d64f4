package exporter

import (
	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func hostControl() family {
	seconds := counter("evenkeel_host_control_domain_cpu_seconds_total", "seconds", "CPU time of the hypervisor's own domain (Domain-0), in which the host's software runs.", "GetInfo", xen, "host")
	memory := gauge("evenkeel_host_control_domain_memory_bytes", "bytes", "Memory of the hypervisor's own domain.", "GetInfo", xen, "host")
	vcpus := gauge("evenkeel_host_control_domain_vcpus", "", "Virtual CPUs of the hypervisor's own domain.", "GetInfo", xen, "host")
	return family{name: "host_control", reads: stat.ReadDomains, metrics: []*metric{seconds, memory, vcpus}, write: func(h *stat.Host, out *page) {
		if c := h.Control; c != nil {
			out.putIf(seconds, c.CPUSeconds, h.Name)
			out.putIf(memory, c.MemoryBytes, h.Name)
			out.putIf(vcpus, cluster.Number{Value: float64(c.VCPUs), Known: c.VCPUs > 0}, h.Name)
		}
	}}
}

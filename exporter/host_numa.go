package exporter

import (
	"strconv"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

func hostNUMA() family {
	const source = "/sys/devices/system/node"
	cpus := gauge("evenkeel_host_numa_cpus", "", "Logical CPUs of the NUMA node.", source, kernel, "host", "node")
	size := gauge("evenkeel_host_numa_memory_bytes", "bytes", "Memory of the NUMA node.", source, kernel, "host", "node")
	free := gauge("evenkeel_host_numa_memory_free_bytes", "bytes", "Memory of the NUMA node that nobody uses.", source, kernel, "host", "node")
	huge := gauge("evenkeel_host_numa_hugepages", "", "Huge pages of the NUMA node, by their size.", source, kernel, "host", "node", "page_bytes")
	hugeFree := gauge("evenkeel_host_numa_hugepages_free", "", "Huge pages of the NUMA node that nobody uses.", source, kernel, "host", "node", "page_bytes")
	return family{name: "host_numa", machine: true, metrics: []*metric{cpus, size, free, huge, hugeFree}, write: func(h *stat.Host, out *page) {
		m := kernelOf(h)
		if m == nil {
			return
		}
		for _, n := range m.NUMA {
			node := strconv.Itoa(n.Node)
			out.put(cpus, float64(n.CPUs), h.Name, node)
			out.put(size, float64(n.Total), h.Name, node)
			out.put(free, float64(n.Free), h.Name, node)
			for _, p := range n.HugePages {
				bytes := strconv.FormatInt(p.Size, 10)
				out.put(huge, float64(p.Total), h.Name, node, bytes)
				out.put(hugeFree, float64(p.Free), h.Name, node, bytes)
			}
		}
	}}
}

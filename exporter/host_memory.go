package exporter

import (
	"strconv"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

func hostMemory() family {
	const source, meminfo, pages = "/proc/meminfo, or NodeGetMemoryStats, NodeGetFreeMemory", "/proc/meminfo", "/sys/kernel/mm/hugepages"
	size := gauge("evenkeel_host_memory_bytes", "bytes", "Memory of the host.", "GetNodeInfo, /proc/meminfo", everywhere, "host")
	free := gauge("evenkeel_host_memory_free_bytes", "bytes", "Memory of the host that nobody uses.", source, everywhere, "host")
	available := gauge("evenkeel_host_memory_available_bytes", "bytes", "Memory of the host that programs could have without swapping.", source, everywhere, "host")
	dirty := gauge("evenkeel_host_memory_dirty_bytes", "bytes", "Memory of the host that waits to be written to disks.", meminfo, kernel, "host")
	swap := gauge("evenkeel_host_swap_bytes", "bytes", "Swap of the host.", meminfo, kernel, "host")
	swapFree := gauge("evenkeel_host_swap_free_bytes", "bytes", "Swap of the host that nobody uses.", meminfo, kernel, "host")
	huge := gauge("evenkeel_host_hugepages", "", "Huge pages of the host, by their size.", pages, kernel, "host", "page_bytes")
	hugeFree := gauge("evenkeel_host_hugepages_free", "", "Huge pages of the host that nobody uses.", pages, kernel, "host", "page_bytes")
	hugeReserved := gauge("evenkeel_host_hugepages_reserved", "", "Huge pages of the host that are promised and still counted as free.", pages, kernel, "host", "page_bytes")
	hugeSurplus := gauge("evenkeel_host_hugepages_surplus", "", "Huge pages of the host beyond the configured number.", pages, kernel, "host", "page_bytes")
	all := []*metric{size, free, available, dirty, swap, swapFree, huge, hugeFree, hugeReserved, hugeSurplus}
	return family{name: "host_memory", metrics: all, write: func(h *stat.Host, out *page) {
		m := kernelOf(h)
		if m == nil || m.Memory == nil {
			if h.Memory != nil {
				out.put(size, float64(h.Memory.Total), h.Name)
				out.putIf(free, h.Memory.Free, h.Name)
				out.putIf(available, h.Memory.Available, h.Name)
			}
			return
		}
		out.put(size, float64(m.Memory.Total), h.Name)
		out.put(free, float64(m.Memory.Free), h.Name)
		out.putIf(available, m.Memory.Available, h.Name)
		out.putIf(dirty, m.Memory.Dirty, h.Name)
		out.put(swap, float64(m.Memory.SwapTotal), h.Name)
		out.put(swapFree, float64(m.Memory.SwapFree), h.Name)
		for _, p := range m.Memory.HugePages {
			bytes := strconv.FormatInt(p.Size, 10)
			out.put(huge, float64(p.Total), h.Name, bytes)
			out.put(hugeFree, float64(p.Free), h.Name, bytes)
			out.putIf(hugeReserved, p.Reserved, h.Name, bytes)
			out.put(hugeSurplus, float64(p.Surplus), h.Name, bytes)
		}
	}}
}

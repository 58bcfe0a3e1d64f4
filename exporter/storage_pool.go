package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func storagePool() family {
	const source = "ListAllStoragePools; in the background"
	const asOf = ", as of the pool's last refresh by libvirt or an operator."
	pool := info("evenkeel_storage_pool_info", "A storage pool that is active on the host; shared tells whether its kind is one that several hosts reach, source where its content comes from, empty for a directory of the host; 1.",
		source, everywhere, "host", "pool", "type", "path", "source", "shared")
	state := gauge("evenkeel_storage_pool_state", "", "The pool's state: 1 for the state that it is in, 0 for the others.", source, everywhere, "host", "pool", "state")
	capacity := gauge("evenkeel_storage_pool_capacity_bytes", "bytes", "Size of the pool"+asOf, source, everywhere, "host", "pool")
	allocation := gauge("evenkeel_storage_pool_allocation_bytes", "bytes", "What of the pool is taken"+asOf, source, everywhere, "host", "pool")
	available := gauge("evenkeel_storage_pool_available_bytes", "bytes", "What of the pool is free"+asOf, source, everywhere, "host", "pool")
	return family{name: "storage_pool", metrics: []*metric{pool, state, capacity, allocation, available}, write: func(h *stat.Host, out *page) {
		for _, p := range h.Pools {
			for _, s := range stat.PoolStates() {
				out.put(state, boolean(p.State == s), h.Name, p.Name, s)
			}
			if p.State == "inactive" {
				continue
			}
			out.put(pool, 1, h.Name, p.Name, p.Type, p.Path, p.Source, truth(p.Shared))
			out.putIf(capacity, p.Capacity, h.Name, p.Name)
			out.putIf(allocation, p.Allocation, h.Name, p.Name)
			out.putIf(available, p.Available, h.Name, p.Name)
		}
	}}
}

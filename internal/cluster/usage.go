package cluster

// VMUsage is what a VM used over a long time, by means of a quarter of an hour, of which all but the highest in a hundred count.
type VMUsage struct {
	VM                    string  `json:"vm"`
	CPUCores              float64 `json:"cpu_cores"`
	NetworkBytesPerSecond float64 `json:"network_bytes_per_second"`
	DiskBytesPerSecond    float64 `json:"disk_bytes_per_second"`
	// MemoryBytes is the most that its guest had in use, caches that it could give back not counted; unknown where the guest does
	// not tell.
	MemoryBytes Number `json:"memory_bytes,omitzero"`
}

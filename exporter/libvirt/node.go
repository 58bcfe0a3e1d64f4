package libvirt

import (
	"time"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"libvirt.org/go/libvirt"
)

// node is what a hypervisor says of its host's load. A driver that lacks a call (libxl lacks both)
// leaves its part out.
type node struct {
	time     *stat.CPUTime
	memory   *stat.HostMemory
	readings []stat.Reading
}

func readNode(c *libvirt.Connect, total int64) node {
	var n node
	start := time.Now()
	cpu, err := c.GetCPUStats(int(libvirt.NODE_CPU_STATS_ALL_CPUS), 0)
	if err == nil {
		n.time = &stat.CPUTime{User: float64(cpu.User) / 1e9, System: float64(cpu.Kernel) / 1e9,
			Idle: float64(cpu.Idle) / 1e9, IOWait: float64(cpu.Iowait) / 1e9}
	}
	n.note("host_cpu", start, err)
	start = time.Now()
	mem, err := c.GetMemoryStats(int(libvirt.NODE_MEMORY_STATS_ALL_CELLS), 0)
	if err == nil && mem.TotalSet && mem.FreeSet {
		n.memory = &stat.HostMemory{Total: int64(mem.Total) << 10, Free: kibibytes(mem.Free), Available: kibibytes(mem.Free + mem.Buffers + mem.Cached)}
		n.note("host_memory", start, nil)
		return n
	}
	free, err := c.GetFreeMemory()
	if err == nil {
		n.memory = &stat.HostMemory{Total: total, Free: number(free), Available: number(free)}
	}
	n.note("host_memory", start, err)
	return n
}

// note records a reading; a call that the driver does not have is no failure.
func (n *node) note(collector string, start time.Time, err error) {
	reading := stat.Reading{Collector: collector, Took: time.Since(start)}
	if err != nil && !unsupported(err) {
		reading.Err = err.Error()
	}
	n.readings = append(n.readings, reading)
}

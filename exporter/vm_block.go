package exporter

import (
	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

func vmBlock() family {
	counters := []struct {
		desc *prometheus.Desc
		of   func(stat.Block) cluster.Number
	}{
		{desc("evenkeel_vm_block_read_bytes_total", "Bytes that the VM read from the device.", "vm", "device"), func(b stat.Block) cluster.Number { return b.ReadBytes }},
		{desc("evenkeel_vm_block_write_bytes_total", "Bytes that the VM wrote to the device.", "vm", "device"), func(b stat.Block) cluster.Number { return b.WriteBytes }},
		{desc("evenkeel_vm_block_read_requests_total", "Reads of the device.", "vm", "device"), func(b stat.Block) cluster.Number { return b.ReadRequests }},
		{desc("evenkeel_vm_block_write_requests_total", "Writes to the device.", "vm", "device"), func(b stat.Block) cluster.Number { return b.WriteRequests }},
		{desc("evenkeel_vm_block_read_seconds_total", "Time spent on reads of the device.", "vm", "device"), func(b stat.Block) cluster.Number { return b.ReadSeconds }},
		{desc("evenkeel_vm_block_write_seconds_total", "Time spent on writes to the device.", "vm", "device"), func(b stat.Block) cluster.Number { return b.WriteSeconds }},
		{desc("evenkeel_vm_block_flush_requests_total", "Flushes of the device.", "vm", "device"), func(b stat.Block) cluster.Number { return b.FlushRequests }},
		{desc("evenkeel_vm_block_flush_seconds_total", "Time spent on flushes of the device.", "vm", "device"), func(b stat.Block) cluster.Number { return b.FlushSeconds }},
	}
	capacity := desc("evenkeel_vm_block_capacity_bytes", "Size of the device as the guest sees it.", "vm", "device")
	allocation := desc("evenkeel_vm_block_allocation_bytes", "Highest byte that the guest has written.", "vm", "device")
	physical := desc("evenkeel_vm_block_physical_bytes", "Size of the device's file or volume on the host.", "vm", "device")
	return func(h stat.Host, out *sink) {
		for _, v := range h.VMs {
			for _, b := range v.Blocks {
				for _, c := range counters {
					out.counterIf(c.desc, c.of(b), v.UUID, b.Device)
				}
				out.gaugeIf(capacity, b.CapacityBytes, v.UUID, b.Device)
				out.gaugeIf(allocation, b.AllocationBytes, v.UUID, b.Device)
				out.gaugeIf(physical, b.PhysicalBytes, v.UUID, b.Device)
			}
		}
	}
}

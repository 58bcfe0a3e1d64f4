package exporter

import (
	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func vmBlock() family {
	const block, flags = "GetAllDomainStats block.N.", ", or BlockStatsFlags"
	return vmParts("vm_block", func(v *stat.VM) []stat.Block { return v.Blocks }, func(b *stat.Block) string { return b.Device }, []partNumber[stat.Block]{
		{counter("evenkeel_vm_block_read_bytes_total", "bytes", "Bytes that the VM read from the device.", block+"rd.bytes"+flags, everywhere, "vm", "device"), func(b *stat.Block) cluster.Number { return b.ReadBytes }},
		{counter("evenkeel_vm_block_write_bytes_total", "bytes", "Bytes that the VM wrote to the device.", block+"wr.bytes"+flags, everywhere, "vm", "device"), func(b *stat.Block) cluster.Number { return b.WriteBytes }},
		{counter("evenkeel_vm_block_read_requests_total", "", "Reads of the device.", block+"rd.reqs"+flags, everywhere, "vm", "device"), func(b *stat.Block) cluster.Number { return b.ReadRequests }},
		{counter("evenkeel_vm_block_write_requests_total", "", "Writes to the device.", block+"wr.reqs"+flags, everywhere, "vm", "device"), func(b *stat.Block) cluster.Number { return b.WriteRequests }},
		{counter("evenkeel_vm_block_read_seconds_total", "seconds", "Time spent on reads of the device.", block+"rd.times", kvm, "vm", "device"), func(b *stat.Block) cluster.Number { return b.ReadSeconds }},
		{counter("evenkeel_vm_block_write_seconds_total", "seconds", "Time spent on writes to the device.", block+"wr.times", kvm, "vm", "device"), func(b *stat.Block) cluster.Number { return b.WriteSeconds }},
		{counter("evenkeel_vm_block_flush_requests_total", "", "Flushes of the device.", block+"fl.reqs"+flags, everywhere, "vm", "device"), func(b *stat.Block) cluster.Number { return b.FlushRequests }},
		{counter("evenkeel_vm_block_flush_seconds_total", "seconds", "Time spent on flushes of the device.", block+"fl.times", kvm, "vm", "device"), func(b *stat.Block) cluster.Number { return b.FlushSeconds }},
		{counter("evenkeel_vm_block_errors_total", "", "Requests to the device that failed.", "BlockStatsFlags errs", xen, "vm", "device"), func(b *stat.Block) cluster.Number { return b.Errors }},
		{gauge("evenkeel_vm_block_capacity_bytes", "bytes", "Size of the device as the guest sees it.", block+"capacity", kvm, "vm", "device"), func(b *stat.Block) cluster.Number { return b.CapacityBytes }},
		{gauge("evenkeel_vm_block_allocation_bytes", "bytes", "Highest byte that the guest has written.", block+"allocation", kvm, "vm", "device"), func(b *stat.Block) cluster.Number { return b.AllocationBytes }},
		{gauge("evenkeel_vm_block_physical_bytes", "bytes", "Size of the device's file or volume on the host.", block+"physical", kvm, "vm", "device"), func(b *stat.Block) cluster.Number { return b.PhysicalBytes }},
	})
}

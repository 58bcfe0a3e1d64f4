package exporter

import (
	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func vmDirtyRate() family {
	of := func(of func(stat.DirtyRate) float64) func(*stat.VM) cluster.Number {
		return func(v *stat.VM) cluster.Number {
			if v.DirtyRate == nil {
				return cluster.Number{}
			}
			return cluster.Known(of(*v.DirtyRate))
		}
	}
	const source = "StartDirtyRateCalc, GetAllDomainStats dirtyrate; in the background"
	return vmNumbers("vm_dirty_rate", "",
		vmNumber{gauge("evenkeel_vm_dirty_bytes_per_second", "bytes", "How fast the guest writes to pages of its memory that it had not written to, sampled now and then. Absent for VMs of less than 128 MiB, which QEMU does not sample.", source, kvm, "vm"),
			of(func(d stat.DirtyRate) float64 { return d.BytesPerSecond })},
		vmNumber{gauge("evenkeel_vm_dirty_rate_timestamp_seconds", "seconds", "When the dirty rate was sampled, in seconds since 1970.", source, kvm, "vm"),
			of(func(d stat.DirtyRate) float64 { return d.At })},
	)
}

package exporter

import (
	"strconv"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

func vmCPU() family {
	vcpus := desc("evenkeel_vm_vcpus", "Virtual CPUs of the VM.", "vm")
	seconds := desc("evenkeel_vm_cpu_seconds_total", "CPU time of the host spent on the VM.", "vm")
	user := desc("evenkeel_vm_cpu_user_seconds_total", "CPU time of the host spent on the VM in user mode.", "vm")
	system := desc("evenkeel_vm_cpu_system_seconds_total", "CPU time of the host spent on the VM in the host's kernel.", "vm")
	steal := desc("evenkeel_vm_vcpu_steal_seconds_total", "Time in which the vCPU was ready to run and waited for a CPU of the host. Absent where the host cannot tell (libvirt before 7.2, kernel without schedstats).", "vm", "vcpu")
	return func(h stat.Host, out *sink) {
		for _, v := range h.VMs {
			out.gauge(vcpus, float64(v.VCPUs), v.UUID)
			out.counterIf(seconds, v.CPUSeconds, v.UUID)
			out.counterIf(user, v.UserSeconds, v.UUID)
			out.counterIf(system, v.SystemSeconds, v.UUID)
			for _, s := range v.StealSeconds {
				out.counter(steal, s.Seconds, v.UUID, strconv.Itoa(s.VCPU))
			}
		}
	}
}

package exporter

import (
	"strconv"

	"github.com/evenkeel/evenkeel/exporter/stat"
)

func vmCPU() family {
	vcpus := gauge("evenkeel_vm_vcpus", "", "Virtual CPUs of the VM that are plugged in; of one that is shut off, as many as it may have.", "GetAllDomainStats vcpu, or GetInfo", everywhere, "vm")
	seconds := counter("evenkeel_vm_cpu_seconds_total", "seconds", "CPU time of the host spent on the VM.", "GetAllDomainStats cpu.time, or GetInfo", everywhere, "vm")
	user := counter("evenkeel_vm_cpu_user_seconds_total", "seconds", "CPU time of the host spent on the VM in user mode.", "GetAllDomainStats cpu.user", kvm, "vm")
	system := counter("evenkeel_vm_cpu_system_seconds_total", "seconds", "CPU time of the host spent on the VM in the host's kernel.", "GetAllDomainStats cpu.system", kvm, "vm")
	vcpu := counter("evenkeel_vm_vcpu_seconds_total", "seconds", "Time in which the vCPU ran.", "GetAllDomainStats vcpu.N.time, or GetVcpus", everywhere, "vm", "vcpu")
	steal := counter("evenkeel_vm_vcpu_steal_seconds_total", "seconds", "Time in which the vCPU was ready to run and waited for a CPU of the host. Absent where the host cannot tell (libvirt before 7.2, kernel without schedstats).",
		"GetAllDomainStats vcpu.N.delay", kvm, "vm", "vcpu")
	wait := counter("evenkeel_vm_vcpu_wait_seconds_total", "seconds", "Time in which the vCPU waited for I/O.", "GetAllDomainStats vcpu.N.wait", kvm, "vm", "vcpu")
	halted := gauge("evenkeel_vm_vcpu_halted", "", "Whether the guest has nothing to do on the vCPU now (1) or has (0).", "GetAllDomainStats vcpu.N.halted", kvm, "vm", "vcpu")
	return family{name: "vm_cpu", reads: stat.ReadDomains, metrics: []*metric{vcpus, seconds, user, system, vcpu, steal, wait, halted}, write: func(h *stat.Host, out *page) {
		for _, v := range h.VMs {
			if v.VCPUs > 0 { // nobody has told it yet
				out.put(vcpus, float64(v.VCPUs), v.UUID)
			}
			out.putIf(seconds, v.CPUSeconds, v.UUID)
			out.putIf(user, v.UserSeconds, v.UUID)
			out.putIf(system, v.SystemSeconds, v.UUID)
			for _, c := range v.PerVCPU {
				n := strconv.Itoa(c.Number)
				out.putIf(vcpu, c.Seconds, v.UUID, n)
				out.putIf(steal, c.Steal, v.UUID, n)
				out.putIf(wait, c.Wait, v.UUID, n)
				out.putBool(halted, c.Halted, v.UUID, n)
			}
		}
	}}
}

package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostKVM() family {
	device := gauge("evenkeel_host_kvm_device", "", "Whether the host has /dev/kvm (1) or not (0).", "/dev/kvm", kernel, "host")
	nested := gauge("evenkeel_host_kvm_nested", "", "Whether guests of the host may run guests of their own (1) or not (0).", "/sys/module/kvm_intel, kvm_amd", kernel, "host")
	return family{name: "host_kvm", machine: true, metrics: []*metric{device, nested}, write: func(h *stat.Host, out *page) {
		if m := kernelOf(h); m != nil && m.KVM != nil {
			out.put(device, boolean(m.KVM.Device), h.Name)
			out.putBool(nested, m.KVM.Nested, h.Name)
		}
	}}
}

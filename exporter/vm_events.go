package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func vmEvents() family {
	events := counter("evenkeel_vm_events_total", "", "What befell the VM since the exporter saw it first. On Xen only the life cycle is told, and a reboot as a start and a stop.",
		"DomainEvent*Register", everywhere, "vm", "event")
	errors := counter("evenkeel_vm_block_io_errors_total", "", "I/O errors of the device that QEMU reported since the exporter saw the VM first.", "DomainEventIOErrorReasonRegister", kvm, "vm", "device")
	names := stat.EventNames()
	return family{name: "vm_events", metrics: []*metric{events, errors}, write: func(h *stat.Host, out *page) {
		for _, v := range h.VMs {
			for i, n := range v.Events {
				out.put(events, n, v.UUID, names[i])
			}
			for _, b := range v.Blocks {
				if n, ok := v.IOErrors[b.Device]; ok {
					out.put(errors, n, v.UUID, b.Device)
				}
			}
		}
	}}
}

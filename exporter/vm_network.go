package exporter

import (
	"strconv"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
)

func vmNetwork() family {
	const net, each = "GetAllDomainStats net.N.", ", or InterfaceStats"
	return vmParts("vm_network", func(v *stat.VM) []stat.Interface { return v.Interfaces }, func(i *stat.Interface) string { return strconv.Itoa(i.Index) }, []partNumber[stat.Interface]{
		{counter("evenkeel_vm_network_receive_bytes_total", "bytes", "Bytes that the VM received.", net+"rx.bytes"+each, everywhere, "vm", "interface"), func(i *stat.Interface) cluster.Number { return i.ReceiveBytes }},
		{counter("evenkeel_vm_network_transmit_bytes_total", "bytes", "Bytes that the VM sent.", net+"tx.bytes"+each, everywhere, "vm", "interface"), func(i *stat.Interface) cluster.Number { return i.TransmitBytes }},
		{counter("evenkeel_vm_network_receive_packets_total", "", "Packets that the VM received.", net+"rx.pkts"+each, everywhere, "vm", "interface"), func(i *stat.Interface) cluster.Number { return i.ReceivePackets }},
		{counter("evenkeel_vm_network_transmit_packets_total", "", "Packets that the VM sent.", net+"tx.pkts"+each, everywhere, "vm", "interface"), func(i *stat.Interface) cluster.Number { return i.TransmitPackets }},
		{counter("evenkeel_vm_network_receive_errors_total", "", "Faulty packets that came for the VM.", net+"rx.errs"+each, everywhere, "vm", "interface"), func(i *stat.Interface) cluster.Number { return i.ReceiveErrors }},
		{counter("evenkeel_vm_network_transmit_errors_total", "", "Packets of the VM that could not be sent.", net+"tx.errs"+each, everywhere, "vm", "interface"), func(i *stat.Interface) cluster.Number { return i.TransmitErrors }},
		{counter("evenkeel_vm_network_receive_drops_total", "", "Packets for the VM that were dropped.", net+"rx.drop"+each, everywhere, "vm", "interface"), func(i *stat.Interface) cluster.Number { return i.ReceiveDrops }},
		{counter("evenkeel_vm_network_transmit_drops_total", "", "Packets of the VM that were dropped.", net+"tx.drop"+each, everywhere, "vm", "interface"), func(i *stat.Interface) cluster.Number { return i.TransmitDrops }},
	})
}

// partNumber is a metric of a part of a VM (a device, an interface) with the number that it shows.
type partNumber[T any] struct {
	metric *metric
	of     func(*T) cluster.Number
}

// vmParts makes a family of one number a metric and part. The parts' name is the second label.
func vmParts[T any](name string, parts func(*stat.VM) []T, label func(*T) string, numbers []partNumber[T]) family {
	f := family{name: name, reads: stat.ReadDomains}
	for _, n := range numbers {
		f.metrics = append(f.metrics, n.metric)
	}
	f.write = func(h *stat.Host, out *page) {
		for i := range h.VMs {
			list := parts(&h.VMs[i])
			for j := range list {
				text := label(&list[j])
				for _, n := range numbers {
					out.putIf(n.metric, n.of(&list[j]), h.VMs[i].UUID, text)
				}
			}
		}
	}
	return f
}

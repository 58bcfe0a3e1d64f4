package exporter

import (
	"strconv"

	"github.com/evenkeel/evenkeel/exporter/stat"
	"github.com/evenkeel/evenkeel/internal/cluster"
	"github.com/prometheus/client_golang/prometheus"
)

func vmNetwork() family {
	counters := []struct {
		desc *prometheus.Desc
		of   func(stat.Interface) cluster.Number
	}{
		{desc("evenkeel_vm_network_receive_bytes_total", "Bytes that the VM received.", "vm", "interface"), func(i stat.Interface) cluster.Number { return i.ReceiveBytes }},
		{desc("evenkeel_vm_network_transmit_bytes_total", "Bytes that the VM sent.", "vm", "interface"), func(i stat.Interface) cluster.Number { return i.TransmitBytes }},
		{desc("evenkeel_vm_network_receive_packets_total", "Packets that the VM received.", "vm", "interface"), func(i stat.Interface) cluster.Number { return i.ReceivePackets }},
		{desc("evenkeel_vm_network_transmit_packets_total", "Packets that the VM sent.", "vm", "interface"), func(i stat.Interface) cluster.Number { return i.TransmitPackets }},
		{desc("evenkeel_vm_network_receive_errors_total", "Faulty packets that came for the VM.", "vm", "interface"), func(i stat.Interface) cluster.Number { return i.ReceiveErrors }},
		{desc("evenkeel_vm_network_transmit_errors_total", "Packets of the VM that could not be sent.", "vm", "interface"), func(i stat.Interface) cluster.Number { return i.TransmitErrors }},
		{desc("evenkeel_vm_network_receive_drops_total", "Packets for the VM that were dropped.", "vm", "interface"), func(i stat.Interface) cluster.Number { return i.ReceiveDrops }},
		{desc("evenkeel_vm_network_transmit_drops_total", "Packets of the VM that were dropped.", "vm", "interface"), func(i stat.Interface) cluster.Number { return i.TransmitDrops }},
	}
	return func(h stat.Host, out *sink) {
		for _, v := range h.VMs {
			for _, i := range v.Interfaces {
				for _, c := range counters {
					out.counterIf(c.desc, c.of(i), v.UUID, strconv.Itoa(i.Index))
				}
			}
		}
	}
}

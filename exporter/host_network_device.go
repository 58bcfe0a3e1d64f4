package exporter

import (
	"github.com/evenkeel/evenkeel/exporter/stat"
)

func hostNetworkDevice() family {
	const net, dev = "/sys/class/net", "/proc/net/dev"
	up := gauge("evenkeel_host_network_device_up", "", "Whether the network device is switched on and has a link (1) or not (0).", net, anyLinux, "host", "device", "kind")
	speed := gauge("evenkeel_host_network_device_speed_bytes_per_second", "bytes", "Speed of the network device's link.", net, anyLinux, "host", "device")
	type number struct {
		metric *metric
		of     func(*stat.NetworkDevice) float64
	}
	numbers := []number{
		{counter("evenkeel_host_network_device_receive_bytes_total", "bytes", "Bytes that the network device received.", dev, anyLinux, "host", "device"), func(d *stat.NetworkDevice) float64 { return d.ReceiveBytes }},
		{counter("evenkeel_host_network_device_transmit_bytes_total", "bytes", "Bytes that the network device sent.", dev, anyLinux, "host", "device"), func(d *stat.NetworkDevice) float64 { return d.TransmitBytes }},
		{counter("evenkeel_host_network_device_receive_errors_total", "", "Faulty packets that the network device received.", dev, anyLinux, "host", "device"), func(d *stat.NetworkDevice) float64 { return d.ReceiveErrors }},
		{counter("evenkeel_host_network_device_transmit_errors_total", "", "Packets that the network device could not send.", dev, anyLinux, "host", "device"), func(d *stat.NetworkDevice) float64 { return d.TransmitErrors }},
		{counter("evenkeel_host_network_device_receive_drops_total", "", "Packets that were dropped after the network device received them.", dev, anyLinux, "host", "device"), func(d *stat.NetworkDevice) float64 { return d.ReceiveDrops }},
		{counter("evenkeel_host_network_device_transmit_drops_total", "", "Packets that were dropped before the network device sent them.", dev, anyLinux, "host", "device"), func(d *stat.NetworkDevice) float64 { return d.TransmitDrops }},
	}
	f := family{name: "host_network_device", machine: true, metrics: []*metric{up, speed}}
	for _, n := range numbers {
		f.metrics = append(f.metrics, n.metric)
	}
	f.write = func(h *stat.Host, out *page) {
		if h.Machine == nil {
			return
		}
		for i := range h.Machine.NetworkDevices {
			d := &h.Machine.NetworkDevices[i]
			out.put(up, boolean(d.Enabled && d.Carrier), h.Name, d.Name, d.Kind)
			if d.Speed.Known {
				out.put(speed, d.Speed.Value/8, h.Name, d.Name)
			}
			for _, n := range numbers {
				out.put(n.metric, n.of(d), h.Name, d.Name)
			}
		}
	}
	return f
}

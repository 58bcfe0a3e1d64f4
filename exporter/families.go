package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

// families lists all of them, in the order of the documentation.
func families() []family {
	return []family{
		vmInfo(), vmState(), vmCPU(), vmMemory(), vmBlock(), vmNetwork(), vmDefinition(), vmMovable(), vmSettings(), vmResources(),
		vmDirtyRate(), vmJob(), vmGuestAgent(), vmEvents(),
		hostInfo(), hostCPU(), hostMemory(), hostControl(), hostNetwork(), storagePool(),
		hostNUMA(), hostLoad(), hostPressure(), hostTime(), hostKVM(), hostBond(), hostNetworkDevice(), hostMultipath(), hostEDAC(), hostMCE(), hostFilesystem(), hostCertificate(),
		heartbeat(), neighbours(),
	}
}

// Collector is a family of metrics that can be switched on and off.
type Collector struct {
	// Name is the file that it stands in, its flag's name and its label.
	Name string
	// Metrics are the names of its metrics.
	Metrics []string
}

// Collectors lists all families of metrics.
func Collectors() []Collector {
	var list []Collector
	for _, f := range families() {
		c := Collector{Name: f.name}
		for _, m := range f.metrics {
			c.Metrics = append(c.Metrics, m.name)
		}
		list = append(list, c)
	}
	return list
}

// kernelOf is what the kernel of the exporter's own machine says of its host; nil for a host read from
// elsewhere, and where that kernel is itself a guest of the hypervisor.
func kernelOf(h *stat.Host) *stat.Machine {
	if h.Machine == nil || h.Machine.ControlDomain {
		return nil
	}
	return h.Machine
}

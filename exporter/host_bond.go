package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostBond() family {
	const source = "/sys/class/net/*/bonding"
	what := info("evenkeel_host_bond_info", "A bonded network device and how it uses its slaves; 1.", source, anyLinux, "host", "bond", "mode")
	slaves := gauge("evenkeel_host_bond_slaves", "", "Network devices that the bond was given.", source, anyLinux, "host", "bond")
	up := gauge("evenkeel_host_bond_slaves_up", "", "Network devices of the bond that have a link.", source, anyLinux, "host", "bond")
	return family{name: "host_bond", machine: true, metrics: []*metric{what, slaves, up}, write: func(h *stat.Host, out *page) {
		if h.Machine == nil {
			return
		}
		for _, b := range h.Machine.Bonds {
			out.put(what, 1, h.Name, b.Name, b.Mode)
			out.put(slaves, float64(b.Slaves), h.Name, b.Name)
			out.put(up, float64(b.Up), h.Name, b.Name)
		}
	}}
}

package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostCertificate() family {
	ends := gauge("evenkeel_host_certificate_expiry_timestamp_seconds", "seconds", "When the first of the certificates in the file ends, in seconds since 1970; files that libvirt and QEMU use, and those of --certificates. Absent for one that cannot be read.", "/etc/pki; in the background", anyLinux, "host", "path")
	return family{name: "host_certificate", machine: true, metrics: []*metric{ends}, write: func(h *stat.Host, out *page) {
		if h.Machine == nil {
			return
		}
		for _, c := range h.Machine.Certificates {
			out.put(ends, float64(c.NotAfter.Unix()), h.Name, c.Path)
		}
	}}
}

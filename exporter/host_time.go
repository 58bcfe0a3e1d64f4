package exporter

import "github.com/evenkeel/evenkeel/exporter/stat"

func hostTime() family {
	boot := gauge("evenkeel_host_boot_timestamp_seconds", "seconds", "When the host's kernel started, in seconds since 1970.", "/proc/stat", anyLinux, "host")
	synchronised := gauge("evenkeel_host_clock_synchronised", "", "Whether the kernel takes its clock for synchronised (1) or not (0).", "adjtimex", anyLinux, "host")
	offset := gauge("evenkeel_host_clock_offset_seconds", "seconds", "What of the clock's error is still to be corrected; a time service that steers by frequency alone leaves it 0.", "adjtimex", anyLinux, "host")
	estimated := gauge("evenkeel_host_clock_estimated_error_seconds", "seconds", "The clock's error as its time service estimates it.", "adjtimex", anyLinux, "host")
	maximum := gauge("evenkeel_host_clock_maximum_error_seconds", "seconds", "The clock's greatest possible error.", "adjtimex", anyLinux, "host")
	return family{name: "host_time", machine: true, metrics: []*metric{boot, synchronised, offset, estimated, maximum}, write: func(h *stat.Host, out *page) {
		if h.Machine == nil || h.Machine.Time == nil {
			return
		}
		out.putIf(boot, h.Machine.Time.Boot, h.Name)
		if c := h.Machine.Time.Clock; c != nil {
			out.put(synchronised, boolean(c.Synchronised), h.Name)
			out.put(offset, c.Offset, h.Name)
			out.put(estimated, c.EstimatedError, h.Name)
			out.put(maximum, c.MaximumError, h.Name)
		}
	}}
}

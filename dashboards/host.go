package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/common"

func hostPage() *page {
	p := newPage("evenkeel-host", "Host", "One host: what is in demand of it, who is on it and was, what its kernel and its hardware say.",
		ask("host", "Host", `label_values(evenkeel_host_state{instance=~"$server"}, host)`))
	use := func(resource string) string {
		return own("evenkeel_host_utilisation_ratio", "", `host="$host"`, `resource="`+resource+`"`)
	}
	p.line(4,
		number("State", "How the host stands by the newest snapshot. One that is down or unknown takes no VMs, and evenkeel plans nothing with it.", asCount,
			query{orZero(`max(` + numbered("evenkeel_host_state", "host", "state", hostStateWords(), `host="$host"`) + `)`), ""}).Mappings(stateMeanings()).GraphMode(common.BigValueGraphModeNone),
		number("Verdict", "What has become of the host, by exporter, libvirt, heartbeats and neighbours together. Anything but alive: see the Failures dashboard.", asCount,
			query{orZero(`max(` + numbered("evenkeel_host_verdict", "host", "verdict", verdictWords(), `host="$host"`) + `)`), ""}).Mappings(verdictMeanings()).GraphMode(common.BigValueGraphModeNone),
		number("CPU in demand", "What VMs want and the host itself uses, of all its CPUs. Above 100 % VMs wait.", asRatio, query{orZero(use("cpu")), ""}).Thresholds(utilisation()).Decimals(0),
		number("Memory in use", "What VMs and the host itself have in use, of its memory.", asRatio, query{orZero(use("memory")), ""}).Thresholds(utilisation()).Decimals(0),
		number("VMs", "VMs that run on the host, those on their way to it included.", asCount, query{orZero(own("evenkeel_host_vms", "", `host="$host"`)), ""}),
		number("Survived", "Whether the cluster would survive the loss of this host: every VM on it has a place elsewhere. No means that some would stay down.", asCount,
			query{`(` + own("evenkeel_failover_ok", "", `case_kind="host"`, `subject="$host"`) + `) or on () vector(-1)`, ""}).
			Mappings(means(meaning{"1", "yes", good}, meaning{"0", "no", worst}, meaning{"-1", "not asked for", quiet})),
		number("Draws", "What the host draws now, by its BMC or by its curve.", inWatts, query{orZero(own("evenkeel_host_power_watts", "", `host="$host"`)), ""}),
		number("Silent", "For how long neither exporter nor libvirt gave a sign of life. More than a few scrapes is a host in trouble.", inSeconds,
			query{orZero(own("evenkeel_host_silent_seconds", "", `host="$host"`)), ""}).Thresholds(limits(good, step{15, fair}, step{60, worst})),
	)
	p.heading("Who is on it")
	p.line(10,
		running("VMs on this host now", "The VMs that run on the host, those with the lowest score first.", thisHost),
		timeline("VMs that were here", "A row for each VM that ran here within the time shown, for as long as it did. A gap is a VM that was elsewhere, or off.", asCount,
			query{orAbsent(`max by (name) (`+runs(thisHost)+`)`, `evenkeel_vm_info{host="$host"}`, "name", "none"), "{{name}}"}).
			ShowValue(common.VisibilityModeNever).Mappings(means(meaning{"1", "here", plain}, meaning{"0", "none", quiet})).DataLinks(vmLinks()),
	)
	p.line(9,
		listed(stacked("What the VMs want of its CPU", "What each VM used and waited for, on top of one another. Above the number of CPUs there is not enough for all.", inCores,
			query{orAbsent(named(own("evenkeel_vm_cpu_demand_cores", "vm"), thisHost), `evenkeel_vm_info{host="$host"}`, "name", "no VM"), "{{name}}"})).DataLinks(vmLinks()),
		listed(stacked("Memory that the VMs have in use", "What each VM has in use, on top of one another.", inBytes,
			query{orAbsent(named(own("evenkeel_vm_memory_demand_bytes", "vm"), thisHost), `evenkeel_vm_info{host="$host"}`, "name", "no VM"), "{{name}}"})).DataLinks(vmLinks()),
	)
	p.heading("What it has, and what is done with it")
	p.line(8,
		ruled(graph("In demand", "CPU and memory in demand, of what the host has, as the planner counts it. Physical machines are here as well.", asRatio,
			query{own("evenkeel_host_utilisation_ratio", "resource", `host="$host"`), "{{resource}}"}), quiet, step{1, worst}),
		stacked("CPU time by mode", "What the host's CPUs did, in cores. Much system, irq or softirq beside little user is a host busy with itself; iowait is waiting for disks.", inCores,
			query{told(`sum by (mode) (max by (instance, mode) (rate(evenkeel_host_cpu_seconds_total{host="$host", mode!="idle"}[$__rate_interval])))`, "evenkeel_host_cpu_seconds_total", "mode"), "{{mode}}"}),
		ruled(graph("Tasks that stand still", "Share of time in which at least one task of the host stood still for want of CPU, memory or disks (PSI). Memory above a few percent is a host about to swap.", asRatio,
			query{told(`max by (resource) (rate(evenkeel_host_pressure_some_seconds_total{host="$host"}[$__rate_interval]))`, "evenkeel_host_pressure_some_seconds_total", "resource"), "{{resource}}"}), quiet, step{0.1, bad}, step{0.4, worst}),
	)
	p.line(8,
		graph("Memory", "What there is, what programs could still have, and swap in use. Swap that grows is a host that has promised too much.", inBytes,
			query{told(`max by (host) (evenkeel_host_memory_bytes{host="$host"})`, "evenkeel_host_memory_bytes", "host"), "all"},
			query{orZero(`max(evenkeel_host_memory_available_bytes{host="$host"})`), "available"},
			query{orZero(`max(evenkeel_host_swap_bytes{host="$host"}) - max(evenkeel_host_swap_free_bytes{host="$host"})`), "swap in use"}),
		graph("Network, received up and sent down", "Bytes a second of the host's network devices. A line at the speed of the link is a link that is full; migrations show here.", "Bps",
			query{told(`max by (device) (rate(evenkeel_host_network_device_receive_bytes_total{host="$host"}[$__rate_interval]))`, "evenkeel_host_network_device_receive_bytes_total", "device"), "{{device}} received"},
			query{told(`-max by (device) (rate(evenkeel_host_network_device_transmit_bytes_total{host="$host"}[$__rate_interval]))`, "evenkeel_host_network_device_transmit_bytes_total", "device"), "{{device}} sent"}),
		graph("Power", "What the host draws, by who says so.", inWatts,
			query{orAbsent(own("evenkeel_host_power_watts", "source", `host="$host"`), `evenkeel_host_power_watts{host="$host"}`, "source", "nobody tells"), "{{source}}"}),
	)
	p.heading("Its health")
	p.line(8,
		list("What is broken", "What the host's kernel says is not as it should be: file systems mounted for reading alone or giving no answer, bonds with slaves missing, multipath devices with failed paths, memory errors. An empty list is a good one.",
			nil,
			column{name: "how many", unit: asCount, limits: anyIs(worst), expr: orNone(`max by (what) (label_replace(evenkeel_host_filesystem_readonly{host="$host"} == 1, "what", "read only: $1", "mountpoint", "(.*)")`+
				` or label_replace(evenkeel_host_filesystem_stalled{host="$host"} == 1, "what", "no answer: $1", "mountpoint", "(.*)")`+
				` or label_replace((evenkeel_host_bond_slaves{host="$host"} - evenkeel_host_bond_slaves_up{host="$host"}) > 0, "what", "links missing: $1", "bond", "(.*)")`+
				` or label_replace(evenkeel_host_multipath_paths_failed{host="$host"} > 0, "what", "failed paths: $1", "map", "(.*)")`+
				` or label_replace(increase(evenkeel_host_memory_errors_uncorrectable_total{host="$host"}[$__range]) > 0, "what", "memory errors: $1", "controller", "(.*)"))`, "what", "nothing")}),
		graph("Clock", "By how much the host's clock is off, and by how much at most. Above a second evidence about failures cannot be put in order.", inSeconds,
			query{told(`max by (host) (abs(evenkeel_host_clock_offset_seconds{host="$host"}))`, "evenkeel_host_clock_offset_seconds", "host"), "offset"},
			query{orZero(`max(evenkeel_host_clock_maximum_error_seconds{host="$host"})`), "at most"}),
		graph("File systems", "How full the host's file systems are. A full root stops libvirt's logs and then libvirt.", asRatio,
			query{told(`1 - max by (mountpoint) (evenkeel_host_filesystem_available_bytes{host="$host"} / evenkeel_host_filesystem_size_bytes{host="$host"})`, "evenkeel_host_filesystem_size_bytes", "mountpoint"), "{{mountpoint}}"}).Max(1),
		graph("Memory errors", "Errors of the host's memory in an hour that were corrected, and those that were not. The first are a warning, the second are lost data.", asCount,
			query{told(`sum by (controller) (increase(evenkeel_host_memory_errors_correctable_total{host="$host"}[1h]))`, "evenkeel_host_memory_errors_correctable_total", "controller"), "{{controller}} corrected"},
			query{told(`sum by (controller) (increase(evenkeel_host_memory_errors_uncorrectable_total{host="$host"}[1h]))`, "evenkeel_host_memory_errors_uncorrectable_total", "controller"), "{{controller}} lost"}),
	)
	return p
}

// told is what the exporter of the host says, or that it does not.
func told(expr, metric, label string) string {
	return orAbsent(expr, metric+`{host="$host"}`, label, "not told here")
}

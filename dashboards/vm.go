package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/common"

func vmPage() *page {
	p := newPage("evenkeel-vm", "VM", "One VM: where it is and was, what it wants and gets, what is missing to its score, and who shares its host.",
		ask("vm", "VM", `label_values(evenkeel_vm_info{host=~"$hosts"}, name)`),
		every("uuid", `label_values(evenkeel_vm_info{host=~"$hosts", name="$vm"}, vm)`))
	p.line(4,
		number("Score", "What the VM gets of what it wants, 0 to 100. Below 75 whoever uses it notices.", inPoints, query{orZero(own("evenkeel_vm_score", "", `vm=~"$uuid"`)), ""}).
			Thresholds(scores()).Decimals(0).Min(0).Max(100),
		fact("Runs on", "The host that it runs on now. Click for the host.", "string", query{orNone(placed(thisVM), "host", "nowhere"), "{{host}}"}).
			TextMode(common.BigValueTextModeName).DataLinks(hostLinks()),
		fact("State", "The VM's state, by its hypervisor.", asCount, query{orZero(numberedVM()), ""}).
			Mappings(means(meaning{"0", "unknown", bad}, meaning{"1", "running", good}, meaning{"2", "paused", bad}, meaning{"3", "shutting down", fair}, meaning{"4", "off", plain}, meaning{"5", "crashed", worst}, meaning{"6", "suspended", plain})),
		number("Waits for CPU", "Share of time in which its vCPUs were ready and waited. Above 5 % people notice.", asRatio, query{orZero(`max(` + waiting("$__rate_interval") + ` and on (vm) ` + placed(thisVM) + `)`), ""}).
			Thresholds(limits(good, step{0.05, bad}, step{0.1, worst})).Decimals(1),
		number("Wants", "CPU that it used and waited for.", inCores, query{orZero(own("evenkeel_vm_cpu_demand_cores", "", `vm=~"$uuid"`)), ""}).Decimals(2),
		number("Memory in use", "What of its memory it has in use.", inBytes, query{orZero(own("evenkeel_vm_memory_demand_bytes", "", `vm=~"$uuid"`)), ""}),
		fact("Hosts it was on", "On how many hosts it was within the time shown. 1 is a VM that stayed where it is.", asCount,
			query{orZero(`count(count by (host) (present_over_time(evenkeel_vm_info{vm=~"$uuid"}[$__range])))`), ""}),
		fact("Can be moved", "Whether nothing in its definition forbids a live migration. What does, the table below says.", asCount,
			query{`min(evenkeel_vm_movable{vm=~"$uuid"}) or on () vector(-1)`, ""}).
			Mappings(means(meaning{"1", "yes", good}, meaning{"0", "no", bad}, meaning{"-1", "not known", quiet})),
	)
	p.heading("Where, and how it fares")
	p.line(5,
		timeline("Where it ran", "A row for each host that it ran on within the time shown. Where bars follow on one another it was moved; a gap is a time in which it did not run.", asCount,
			query{orAbsent(`max by (host) (`+runs(thisVM)+`)`, `evenkeel_vm_info{vm=~"$uuid"}`, "host", "nowhere"), "{{host}}"}).
			ShowValue(common.VisibilityModeNever).Mappings(means(meaning{"1", "here", plain}, meaning{"0", "nowhere", quiet})).DataLinks(hostLinks()),
	)
	p.line(8,
		graph("CPU: wants, gets, has", "What it wants, what it got, and its vCPUs. A gap between the first two is CPU that its neighbours had; a demand at the number of its vCPUs is a VM that is too small.", inCores,
			query{orAbsent(own("evenkeel_vm_cpu_demand_cores", "", `vm=~"$uuid"`), `evenkeel_vm_cpu_demand_cores{vm=~"$uuid"}`, "vm", "none"), "wants"},
			query{orZero(`sum(max by (vm, instance) (rate(evenkeel_vm_cpu_seconds_total{vm=~"$uuid"}[$__rate_interval])))`), "gets"},
			query{orZero(`max(evenkeel_vm_vcpus{vm=~"$uuid"})`), "vCPUs"}),
		graph("Memory", "What it was given, what its balloon leaves it, what it has in use and what its host holds for it. A balloon below what was given is a host that is short of memory.", inBytes,
			query{orAbsent(`max(evenkeel_vm_memory_bytes{vm=~"$uuid"})`, `evenkeel_vm_memory_bytes{vm=~"$uuid"}`, "vm", "none"), "given"},
			query{orZero(`max(evenkeel_vm_memory_balloon_bytes{vm=~"$uuid"})`), "left by the balloon"},
			query{orZero(own("evenkeel_vm_memory_demand_bytes", "", `vm=~"$uuid"`)), "in use"},
			query{orZero(`max(evenkeel_vm_memory_rss_bytes{vm=~"$uuid"})`), "held by the host"}),
		stacked("What is missing to a score of 100", "The points that it loses, by what costs them. Contention is what it does not get now, headroom is room for a burst that its host does not have.", inPoints,
			query{orAbsent(own("evenkeel_vm_score_lost_points", "part", `vm=~"$uuid"`), `evenkeel_vm_score_lost_points{vm=~"$uuid"}`, "part", "none"), "{{part}}"}),
	)
	p.heading("Its neighbours")
	p.line(9,
		listed(stacked("What all on its host want", "The CPU that each VM on the same host wants, itself included, on the host that it was on at each time. The large one beside it is who it waits for.", inCores,
			query{orAbsent(beside(named(own("evenkeel_vm_cpu_demand_cores", "vm"), everyVM)), `evenkeel_vm_info{vm=~"$uuid"}`, "name", "none"), "{{name}}"})).DataLinks(vmLinks()),
		list("Neighbours now", "The VMs on the same host, itself included.", []string{"vm"},
			column{name: "score", unit: asCount, expr: orNone(beside(named(own("evenkeel_vm_score", "vm"), everyVM)), "name", "none"), limits: scores()},
			column{name: "wants", unit: inCores, expr: beside(named(own("evenkeel_vm_cpu_demand_cores", "vm"), everyVM))},
			column{name: "memory in use", unit: inBytes, expr: beside(named(own("evenkeel_vm_memory_demand_bytes", "vm"), everyVM))},
		).SortBy(sorted("wants", true)),
	)
	p.heading("Disks and network")
	p.line(8,
		graph("Disks, read up and written down", "Bytes a second by device.", "Bps",
			query{ofVM(`sum by (device) (rate(evenkeel_vm_block_read_bytes_total{vm=~"$uuid"}[$__rate_interval]))`, "evenkeel_vm_block_read_bytes_total", "device"), "{{device}} read"},
			query{ofVM(`-sum by (device) (rate(evenkeel_vm_block_write_bytes_total{vm=~"$uuid"}[$__rate_interval]))`, "evenkeel_vm_block_write_bytes_total", "device"), "{{device}} written"}),
		graph("Time a request takes", "Mean time of a read and of a write. Tens of milliseconds on flash is storage in trouble.", inSeconds,
			query{ofVM(`sum by (device) (rate(evenkeel_vm_block_read_seconds_total{vm=~"$uuid"}[$__rate_interval])) / (sum by (device) (rate(evenkeel_vm_block_read_requests_total{vm=~"$uuid"}[$__rate_interval])) > 0)`, "evenkeel_vm_block_read_seconds_total", "device"), "{{device}} read"},
			query{ofVM(`sum by (device) (rate(evenkeel_vm_block_write_seconds_total{vm=~"$uuid"}[$__rate_interval])) / (sum by (device) (rate(evenkeel_vm_block_write_requests_total{vm=~"$uuid"}[$__rate_interval])) > 0)`, "evenkeel_vm_block_write_seconds_total", "device"), "{{device}} write"}),
		graph("Network, received up and sent down", "Bytes a second by interface.", "Bps",
			query{ofVM(`sum by (interface) (rate(evenkeel_vm_network_receive_bytes_total{vm=~"$uuid"}[$__rate_interval]))`, "evenkeel_vm_network_receive_bytes_total", "interface"), "{{interface}} received"},
			query{ofVM(`-sum by (interface) (rate(evenkeel_vm_network_transmit_bytes_total{vm=~"$uuid"}[$__rate_interval]))`, "evenkeel_vm_network_transmit_bytes_total", "interface"), "{{interface}} sent"}),
		list("Its disks", "Where its disks are. One that is not shared ties it to its host.", []string{"Value"},
			column{name: "disks", unit: asCount, expr: orNone(`max by (device, pool, path, shared) (evenkeel_vm_disk_info{vm=~"$uuid"})`, "device", "none")}),
	)
	p.heading("Its moves, and what befell it")
	p.line(8,
		graph("How fast it dirties its memory", "The faster, the longer a migration takes; faster than the network, and it does not end by itself.", "Bps",
			query{ofVM(`max(evenkeel_vm_dirty_bytes_per_second{vm=~"$uuid"})`, "evenkeel_vm_dirty_bytes_per_second", "vm"), "dirtied"}),
		graph("What its last move cost", "How long the migration took that brought it to its host, and how long it stood still in it. Above a second people notice.", inSeconds,
			query{ofVM(`max(evenkeel_vm_last_migration_seconds{vm=~"$uuid"})`, "evenkeel_vm_last_migration_seconds", "vm"), "took"},
			query{ofVM(`max(evenkeel_vm_last_migration_downtime_seconds{vm=~"$uuid"})`, "evenkeel_vm_last_migration_downtime_seconds", "vm"), "stood still"}),
		bars("What befell it in this time", "Starts, stops, crashes, panics and errors within the time shown, by what its hypervisor tells.", asCount,
			query{orNone(`sum by (event) (increase(evenkeel_vm_events_total{vm=~"$uuid"}[$__range])) > 0`, "event", "nothing"), "{{event}}"}),
		list("What forbids moving it", "What in its definition ties it to its host, and what of its settings evenkeel cannot use.", []string{"Value"},
			column{name: "reasons", unit: asCount, expr: orNone(`max by (reason) (evenkeel_vm_immovable_info{vm=~"$uuid"} or label_replace(evenkeel_vm_settings_problem_info{vm=~"$uuid"}, "reason", "settings: $1", "problem", "(.*)"))`, "reason", "nothing")}),
		number("Guest agent", "Whether the agent in the guest answers. Without it nobody knows whether the guest itself is well, and it cannot be asked to shut down.", asCount,
			query{`min(evenkeel_vm_guest_agent_up{vm=~"$uuid"}) or on () vector(-1)`, ""}).
			Mappings(means(meaning{"1", "answers", good}, meaning{"0", "silent", bad}, meaning{"-1", "has none", quiet})).Span(3),
	)
	return p
}

// beside keeps what is on the host of the VM that was chosen.
func beside(expr string) string { return "(" + expr + ") and on (host) " + placed(thisVM) }

// ofVM is what exporters say of the VM, or that they do not.
func ofVM(expr, metric, label string) string {
	return orAbsent(expr, metric+`{vm=~"$uuid"}`, label, "not told here")
}

// numberedVM is the number of the VM's state, in the order of the exporter's.
func numberedVM() string {
	all := ""
	for i, w := range []string{"unknown", "running", "paused", "shutdown", "shutoff", "crashed", "pmsuspended"} {
		if i > 0 {
			all += " or on () "
		}
		all += `(max(evenkeel_vm_state{vm=~"$uuid", state="` + w + `"}) == 1) * ` + string(rune('0'+i))
	}
	return all
}

package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/stat"

// What all hosts have together, and what is wanted of it and promised.
const (
	allCPUs     = `sum(max by (host) (evenkeel_host_cpus{host=~"$hosts"}))`
	allMemory   = `sum(max by (host) (evenkeel_host_memory_bytes{host=~"$hosts"}))`
	wantedCPU   = `sum(max by (vm) (evenkeel_vm_cpu_demand_cores{instance=~"$server"}))`
	usedMemory  = `sum(max by (vm) (evenkeel_vm_memory_demand_bytes{instance=~"$server"}))`
	givenMemory = `sum(max by (vm) (evenkeel_vm_memory_bytes) and on (vm) max by (vm) (evenkeel_vm_memory_demand_bytes{instance=~"$server"}))`
)

func capacityPage() *page {
	p := newPage("evenkeel-capacity", "Capacity", "How much is left, when it will be used up, what would be survived, and which VMs have more than they use.").from("now-7d")
	p.line(4,
		number("CPU in demand", "What all VMs want, of the CPUs of all hosts that are on.", asRatio, query{wantedCPU + ` / ` + allCPUs, ""}).Thresholds(utilisation()).Decimals(0),
		number("Memory given", "Memory that running VMs were given, of what all hosts that are on have. Above 100 % more is promised than there is.", asRatio, query{givenMemory + ` / ` + allMemory, ""}).Thresholds(limits(good, step{0.8, fair}, step{0.9, bad}, step{1, worst})).Decimals(0),
		number("Memory in use", "What of that memory is in use.", asRatio, query{usedMemory + ` / ` + allMemory, ""}).Thresholds(utilisation()).Decimals(0),
		number("vCPUs for each CPU", "vCPUs of running VMs for each CPU of the hosts. What is too many depends on what the VMs do; see contention on the Cluster dashboard.", asCount,
			query{`sum(` + placed(everyVM) + ` * on (vm) group_left () max by (vm) (evenkeel_vm_vcpus)) / ` + allCPUs, ""}).Decimals(2),
		full("CPU full in", "When what VMs want would be all that there is, if it went on as in the time shown. Choose a time of some weeks: a rising morning is no trend.", wantedCPU, allCPUs),
		full("Memory full in", "When what VMs were given would be all that there is, by the same trend.", givenMemory, allMemory),
		number("Not survived", "Failures that the configuration's reserve asks to survive, and that the cluster would not. Capacity is used up when this is not 0, whatever the rest says.", asCount, query{orZero(own("evenkeel_failover_cases", "", `result="broken"`)), ""}).Thresholds(anyIs(worst)),
		number("Least headroom", "How much memory could still be started in the worst of the failures that are to be survived, in VMs of usual size.", inBytes, query{orZero(`min(` + own("evenkeel_failover_headroom_bytes", "case_kind, subject") + `)`), ""}).Thresholds(limits(worst, step{1, good})),
	)
	p.heading("What there is, what is wanted, and what is to come")
	p.line(9,
		graph("CPU", "What all hosts that are on have, what VMs want, and what they would want after as long again as the time shown, by its trend. Where that comes near the upper line, hosts have to be bought.", inCores,
			query{allCPUs, "all CPUs"}, query{wantedCPU, "wanted"}, query{later(wantedCPU), "wanted after as long again"}),
		graph("Memory", "What all hosts that are on have, what VMs were given and use, and what they would have been given after as long again as the time shown, by its trend.", inBytes,
			query{allMemory, "all memory"}, query{givenMemory, "given"}, query{usedMemory, "in use"}, query{later(givenMemory), "given after as long again"}),
		graph("Headroom in each failure", "How much memory could still be started in each of the failures that are to be survived. A line at 0 is a failure in which VMs stay down.", inBytes,
			query{orAbsent(own("evenkeel_failover_headroom_bytes", "case_kind, subject"), `evenkeel_failover_headroom_bytes{instance=~"$server"}`, "subject", "nothing is asked for"), "{{case_kind}} {{subject}}"}),
	)
	p.heading("VMs that have more than they use")
	p.line(10,
		list("Oversized: vCPUs", "The thirty VMs with the most vCPUs that they did not need within the time shown: nineteen of twenty times they used less than the second column. evenkeel rightsizing looks at a week and says what they would need; choose a week here as well.", []string{"vm"},
			column{name: "not needed", unit: inCores, expr: orNone(`topk(30, `+named(`max by (vm) (evenkeel_vm_vcpus) - on (vm) `+peakCPU, everyVM)+`)`, "name", "none"), limits: limits(good, step{1, fair}, step{4, bad})},
			column{name: "used at most", unit: inCores, expr: named(peakCPU, everyVM)},
			column{name: "vCPUs", unit: asCount, expr: named(`max by (vm) (evenkeel_vm_vcpus)`, everyVM)},
		).SortBy(sorted("not needed", true)),
		list("Oversized: memory", "The thirty VMs with the most memory that they did not use within the time shown.", []string{"vm"},
			column{name: "not used", unit: inBytes, expr: orNone(`topk(30, `+named(`max by (vm) (evenkeel_vm_memory_bytes) - on (vm) `+peakMemory, everyVM)+`)`, "name", "none"), limits: limits(good, step{4 << 30, fair}, step{16 << 30, bad})},
			column{name: "used at most", unit: inBytes, expr: named(peakMemory, everyVM)},
			column{name: "given", unit: inBytes, expr: named(`max by (vm) (evenkeel_vm_memory_bytes)`, everyVM)},
		).SortBy(sorted("not used", true)),
		list("Idle", "VMs that used less than a twentieth of a core, nineteen of twenty times within the time shown. They hold memory, and a host awake.", []string{"vm"},
			column{name: "used at most", unit: inCores, expr: orNone(named(peakCPU+` < 0.05`, everyVM), "name", "none")},
		).SortBy(sorted("used at most", false)),
	)
	p.heading("Storage")
	p.line(9,
		list("Pools", "Storage pools by how full they are, and when they would be full by the trend of the time shown. A pool that is full pauses its VMs. Pools that several hosts see are one row.", nil,
			column{name: "full", unit: asRatio, gauge: true, limits: limits(good, step{0.8, fair}, step{0.9, worst}), expr: orNone(`max by (pool) (evenkeel_storage_pool_allocation_bytes{host=~"$hosts"} / (evenkeel_storage_pool_capacity_bytes{host=~"$hosts"} > 0))`, "pool", "no pool tells its size")},
			column{name: "free", unit: inBytes, expr: orNone(poolFree, "pool", "no pool tells its size")},
			column{name: "full in", unit: inSeconds, expr: orNone(`min by (pool) (evenkeel_storage_pool_available_bytes{host=~"$hosts"} / (deriv(evenkeel_storage_pool_allocation_bytes{host=~"$hosts"}[$__range]) > 0)) or `+poolFree+` * 0 - 1`, "pool", "no pool tells its size"), mappings: means(meaning{"-1", "not filling", good}), limits: limits(worst, step{7 * 86400, bad}, step{30 * 86400, good})},
		).SortBy(sorted("full", true)),
		graph("Pools filling", "How full each pool was.", asRatio,
			query{orAbsent(`max by (pool) (evenkeel_storage_pool_allocation_bytes{host=~"$hosts"} / (evenkeel_storage_pool_capacity_bytes{host=~"$hosts"} > 0))`, `evenkeel_storage_pool_capacity_bytes{host=~"$hosts"}`, "pool", "no pool tells its size"), "{{pool}}"}).Max(1),
		bars("Fullest file systems in guests", "The ten fullest, by the guests' agents. What fills a guest is not seen from outside.", asRatio,
			query{orNone(`topk(10, `+`(max by (vm, mountpoint) (evenkeel_vm_guest_filesystem_used_bytes / (evenkeel_vm_guest_filesystem_size_bytes > 0))) * on (vm) group_left (name) `+placed(everyVM)+`)`, "name", "no guest tells"), "{{name}} {{mountpoint}}"}).Max(1).Thresholds(limits(good, step{0.8, fair}, step{0.9, worst})).DataLinks(vmLinks()),
	)
	return p
}

const poolFree = `min by (pool) (evenkeel_storage_pool_available_bytes{host=~"$hosts"})`

// peakCPU and peakMemory are what a VM used nineteen of twenty times, or what it uses where only a moment is known.
const (
	peakCPU    = `max by (vm) (quantile_over_time(0.95, evenkeel_vm_cpu_demand_cores{instance=~"$server"}[$__range:$__rate_interval]) or evenkeel_vm_cpu_demand_cores{instance=~"$server"})`
	peakMemory = `max by (vm) (quantile_over_time(0.95, evenkeel_vm_memory_demand_bytes{instance=~"$server"}[$__range:$__rate_interval]) or evenkeel_vm_memory_demand_bytes{instance=~"$server"})`
)

// later is what a value would be after as long again as the time shown, or what it is where there is no trend yet. Further ahead a
// trend says nothing.
func later(expr string) string {
	return `clamp_min(predict_linear((` + expr + `)[$__range:$__rate_interval] @ end(), $__range_s), 0) or ` + expr
}

// full is the time until a value that rises reaches what there is; below 0 where it does not rise.
func full(title, says, used, all string) *stat.PanelBuilder {
	return fact(title, says+" Nothing is shown for what does not rise.", "dtdurations",
		query{`(` + all + ` - ` + used + `) / (deriv((` + used + `)[$__range:$__rate_interval]) > 0) or on () vector(-1)`, ""}).
		Mappings(means(meaning{"-1", "not rising", good})).Thresholds(limits(good, step{0, worst}, step{7 * 86400, bad}, step{30 * 86400, fair}, step{180 * 86400, good}))
}

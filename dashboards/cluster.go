package dashboards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
)

func clusterPage() *page {
	p := newPage("evenkeel-cluster", "Cluster", "Which host carries what, how evenly, what the VMs do not get, and who moved when.")
	p.line(4,
		number("Score", "How much of the CPU and memory that they want the VMs get, 0 to 100, as evenkeel measures it. Below 75 VMs wait for CPU or memory; the graph behind it says since when.", inPoints,
			query{own("evenkeel_cluster_score", ""), ""}).Thresholds(scores()).Decimals(0).Min(0).Max(100),
		number("Fullest host, CPU", "The highest demand for CPU of any host, of what the host has. Above 100 % its VMs wait for one another.", asRatio,
			query{own("evenkeel_host_utilisation_ratio", "", `resource="cpu"`), ""}).Thresholds(utilisation()).Decimals(0),
		number("Fullest host, memory", "The highest use of memory of any host. Near 100 % the host swaps or kills.", asRatio,
			query{own("evenkeel_host_utilisation_ratio", "", `resource="memory"`), ""}).Thresholds(utilisation()).Decimals(0),
		number("Hosts up", "Hosts that are up and not in maintenance. Fewer than before without anybody's doing is a failure: see the Failures dashboard.", asCount,
			query{orZero(`sum(` + own("evenkeel_host_state", "host", `state="up"`) + `)`), ""}),
		number("Hosts not up", "Hosts that are down or unknown. One in maintenance or asleep on purpose is not counted. Anything but 0 wants a look at the Failures dashboard.", asCount,
			query{orZero(`sum(` + own("evenkeel_host_state", "host", `state=~"down|unknown"`) + `)`), ""}).Thresholds(anyIs(worst)),
		number("VMs that run", "VMs that run on all hosts together, those on their way counted once.", asCount,
			query{orZero(`count(` + placed(everyVM) + `)`), ""}),
		number("Findings", "What evenkeel finds wrong and has seen for long enough to act upon: hosts that stand out, VMs that wait, rules that are broken. More than 0 for long means that nothing can be done about it, or that nobody says yes.", asCount,
			query{orZero(`sum(` + own("evenkeel_findings", "detector", `held="true"`) + `)`), ""}).Thresholds(anyIs(fair)),
		number("Advice that waits", "Recommendations that wait for a person's word. See the Advice and actions dashboard.", asCount,
			query{own("evenkeel_recommendations", "", `state="open"`), ""}).Thresholds(anyIs(plain)),
	)
	p.heading("The map: hosts by load")
	p.line(10,
		list("Hosts now", "Every host that evenkeel knows, hypervisors and physical machines alike, with what is in demand of it. Red is a host on which more is wanted than there is; a state other than up is a host that takes no VMs.",
			nil,
			column{name: "state", unit: asCount, expr: hostStates(), mappings: stateMeanings()},
			column{name: "CPU", unit: asRatio, expr: own("evenkeel_host_utilisation_ratio", "host, kind", `resource="cpu"`), limits: utilisation(), gauge: true},
			column{name: "memory", unit: asRatio, expr: own("evenkeel_host_utilisation_ratio", "host, kind", `resource="memory"`), limits: utilisation(), gauge: true},
			column{name: "VMs", unit: asCount, expr: `sum by (host, kind) (` + own("evenkeel_host_state", "host, kind") + ` * on (host) group_left () ` + own("evenkeel_host_vms", "host") + `)`},
		).SortBy(sorted("host", false)).Span(10),
		history("CPU in demand, by host", "A row for each host and a cell for each time: how much of its CPU was in demand. A red row beside green ones is imbalance; red everywhere is a cluster that is too small.", asRatio,
			query{own("evenkeel_host_utilisation_ratio", "host", `resource="cpu"`), "{{host}}"}).Thresholds(utilisation()).DataLinks(hostLinks()),
		history("Memory in use, by host", "The same for memory.", asRatio,
			query{own("evenkeel_host_utilisation_ratio", "host", `resource="memory"`), "{{host}}"}).Thresholds(utilisation()).DataLinks(hostLinks()),
	)
	p.line(10, moved(), running("VMs now", "Every VM that runs, with what it wants, for what share of time it waits for a CPU, and what it has. Those with the lowest score come first: they suffer most.", everyVM))
	p.heading("How even, and what it costs")
	p.line(8,
		ruled(graph("CPU: fullest, mean and emptiest host", "The wider the band, the less even the load. evenkeel acts on hosts that stand out from the mean, and on those above what a host may be filled to.", asRatio,
			query{own("evenkeel_host_utilisation_ratio", "", `resource="cpu"`), "fullest"},
			query{`avg(` + own("evenkeel_host_utilisation_ratio", "host", `resource="cpu"`) + `)`, "mean"},
			query{`min(` + own("evenkeel_host_utilisation_ratio", "host", `resource="cpu"`) + `)`, "emptiest"}), quiet, step{1, worst}),
		ruled(graph("Imbalance", "By how much the fullest host stands above the mean of all. At migration threshold 2, 3, 4 and 5 a host stands out from 30, 20, 10 and 5 points on. A line that stays high says that nothing can or may be moved.", asRatio,
			query{standsOut("cpu"), "CPU"}, query{standsOut("memory"), "memory"}), quiet, step{0.2, bad}, step{0.3, worst}),
		graph("Score: measured and planned", "The score as measured, as the planner's model gives it, and what it would be after all that is advised. A gap between the last two is what could be gained by saying yes.", inPoints,
			query{own("evenkeel_cluster_score", ""), "measured"}, query{own("evenkeel_cluster_score_planned", "when"), "model, {{when}} the plan"}).Max(100),
	)
	p.line(8,
		stacked("What is missing to 100", "The points that are lost, by what costs them: contention is what VMs do not get now, headroom is room for bursts that is not there, rules are placements that break one.", inPoints,
			query{own("evenkeel_cluster_score_lost_points", "part"), "{{part}}"}),
		ruled(graph("Contention", "Share of time in which vCPUs were ready and waited for a CPU: the mean of all VMs, and the VM that waits most. Above 5 % people notice; above 10 % they call.", asRatio,
			query{orZero(`avg(` + waiting("$__rate_interval") + ` and on (vm) ` + placed(everyVM) + `)`), "mean of all VMs"},
			query{orZero(`max(` + waiting("$__rate_interval") + ` and on (vm) ` + placed(everyVM) + `)`), "the VM that waits most"}), quiet, step{0.05, bad}, step{0.1, worst}),
		graph("Moves in an hour", "Migrations of evenkeel's within the past hour, by how they ended. Failures want a look at Advice and actions; a steady stream on a steady load would be a planner that does not settle.", asCount,
			query{`sum by (result) (increase(evenkeel_actions_total{instance=~"$server", kind="migrate"}[1h]))`, "{{result}}"}),
	)
	p.line(8,
		graph("Tasks that wait for CPU, by host", "Share of time in which at least one task of the host stood still for want of CPU, by the kernel's word (PSI). It rises before the score falls. Hosts without PSI, such as Xen's, are not there.", asRatio,
			query{orAbsent(`max by (host) (rate(evenkeel_host_pressure_some_seconds_total{host=~"$hosts", resource="cpu"}[$__rate_interval]))`, `evenkeel_host_pressure_some_seconds_total{host=~"$hosts"}`, "host", "no host tells"), "{{host}}"}).DataLinks(hostLinks()),
		listed(graph("VMs that wait most", "The ten VMs that waited most for a CPU. Click one for what it is, where it is and who its neighbours are.", asRatio,
			query{orAbsent(`topk(10, `+named(waiting("$__rate_interval"), everyVM)+`)`, "evenkeel_vm_vcpu_steal_seconds_total", "name", "no host tells"), "{{name}} on {{host}}"})).DataLinks(vmLinks()),
		bars("Findings by kind", "What evenkeel finds wrong, held for long enough or not. Each is explained by evenkeel explain.", asCount,
			query{`sum by (detector) (` + own("evenkeel_findings", "detector, held") + `)`, "{{detector}}"}).Thresholds(anyIs(bad)),
	)
	return p
}

// waiting is the share of time in which a VM's vCPUs were ready and waited.
func waiting(window string) string {
	return `sum by (vm) (max by (vm, instance, vcpu) (rate(evenkeel_vm_vcpu_steal_seconds_total[` + window + `]))) / on (vm) max by (vm) (evenkeel_vm_vcpus > 0)`
}

func standsOut(resource string) string {
	use := own("evenkeel_host_utilisation_ratio", "host", `resource="`+resource+`"`)
	return `max(` + use + `) - avg(` + use + `)`
}

// hostStateWords are the states of a host, in the order of their numbers here.
func hostStateWords() []string { return []string{"unknown", "up", "down", "maintenance", "standby"} }

func hostStates() string {
	return numbered("evenkeel_host_state", "host, kind", "state", hostStateWords())
}

func stateMeanings() []dashboard.ValueMapping {
	return means(meaning{"0", "unknown", bad}, meaning{"1", "up", good}, meaning{"2", "down", worst}, meaning{"3", "maintenance", plain}, meaning{"4", "asleep", "purple"})
}

// moved is the map of the past: where the VMs were that changed their host within the time shown. Those that did not would
// be one long bar each.
func moved() *statetimeline.PanelBuilder {
	was := `max by (name, host) (` + runs(everyVM) + `)`
	several := `(count by (name) (count by (name, host) (present_over_time(evenkeel_vm_info{host=~"$hosts"}[$__range] @ end()))) > 1)`
	none := `(label_replace(label_replace(vector(0), "host", "-", "", ""), "name", "no VM moved", "", "") unless on () count(` + several + `))`
	b := timeline("VMs that moved: where they were when",
		"A row for each VM that was on more than one host within the time shown, with the host that it ran on. Bars that change often are a VM that is sent back and forth. The colour is by the last letter or digit of the host's name.", asCount)
	return b.WithTarget(query{expr: was + ` and on (name) ` + several + ` or on () ` + none}.builder(0).Range().Format(prometheus.PromQueryFormatTable)).
		WithTransformation(dashboard.DataTransformerConfig{Id: "groupingToMatrix", Options: map[string]any{"columnField": "name", "rowField": "Time", "valueField": "host", "emptyValue": "null"}}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "sortBy", Options: map[string]any{"fields": map[string]any{}, "sort": []any{map[string]any{"field": `Time\name`}}}}).
		MaxDataPoints(240).Mappings(hostColours()).Span(14)
}

// hostColours colours names by their last letter or digit, since the names are not known here.
func hostColours() []dashboard.ValueMapping {
	palette := []string{"green", "yellow", "blue", "orange", "purple", "red", "super-light-green", "super-light-blue", "super-light-orange", "super-light-purple"}
	var all []dashboard.ValueMapping
	for i, colour := range palette {
		ends := fmt.Sprintf("%d", i)
		for letter := 'a' + rune(i); letter <= 'z'; letter += rune(len(palette)) {
			ends += string(letter)
		}
		text := "$1"
		all = append(all, dashboard.ValueMapping{RegexMap: &dashboard.RegexMap{Type: dashboard.MappingTypeRegexToText,
			Options: dashboard.DashboardRegexMapOptions{Pattern: "/^(.*[" + ends + "])$/i", Result: dashboard.ValueMappingResult{Text: &text, Color: &colour}}}})
	}
	return all
}

// running is a table of VMs that run.
func running(title, says, which string) *table.PanelBuilder {
	return list(title, says, []string{"vm"},
		column{name: "score", unit: asCount, expr: orNone(named(own("evenkeel_vm_score", "vm"), which), "name", "none"), limits: scores()},
		column{name: "wants", unit: inCores, expr: named(own("evenkeel_vm_cpu_demand_cores", "vm"), which)},
		column{name: "waits", unit: asRatio, expr: named(waiting("$__rate_interval"), which), limits: limits(good, step{0.05, bad}, step{0.1, worst})},
		column{name: "vCPUs", unit: asCount, expr: named(`max by (vm) (evenkeel_vm_vcpus)`, which)},
		column{name: "memory in use", unit: inBytes, expr: named(own("evenkeel_vm_memory_demand_bytes", "vm"), which)},
	).SortBy(sorted("score", false))
}

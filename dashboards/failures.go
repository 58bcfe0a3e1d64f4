package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

func failuresPage() *page {
	p := newPage("evenkeel-failures", "Failures", "Which host is not well and what proves it, which VMs are down, what is done about it, and what the cluster would survive.")
	p.line(4,
		number("Hosts not alive", "Hosts whose verdict is anything but alive, without those that are kept asleep. The timeline below says which and what.", asCount,
			query{orZero(`count((` + own("evenkeel_host_verdict", "host", `verdict="alive"`) + ` == 0) unless on (host) (` + own("evenkeel_host_standby", "host") + ` == 2))`), ""}).Thresholds(anyIs(worst)),
		number("Longest silence", "For how long the host that is silent longest has given no sign of life.", inSeconds, query{orZero(own("evenkeel_host_silent_seconds", "")), ""}).Thresholds(limits(good, step{15, fair}, step{60, worst})),
		number("VMs down", "VMs that should run and do not.", asCount, query{orZero(`count(` + own("evenkeel_vm_down_seconds", "vm") + `)`), ""}).Thresholds(anyIs(worst)),
		number("Waits for a person", "Failures about which nothing more is done by itself. The table below names them; evenkeel failures says what it takes.", asCount, query{orZero(`sum(` + own("evenkeel_recovery_stuck", "subject, name, cause") + `)`), ""}).Thresholds(anyIs(worst)),
		number("Not survived", "Failures that the configuration's reserve asks to survive, and that the cluster would not. VMs would stay down.", asCount, query{orZero(own("evenkeel_failover_cases", "", `result="broken"`)), ""}).Thresholds(anyIs(worst)),
		number("Not proven", "The same for those of which nobody can say.", asCount, query{orZero(own("evenkeel_failover_cases", "", `result="unproven"`)), ""}).Thresholds(anyIs(fair)),
		fact("Restarts in this time", "VMs that were started again after a failure, or on a person's word.", asCount, query{orZero(`sum(increase(evenkeel_actions_total{instance=~"$server", kind="start", result="done"}[$__range]))`), ""}).Decimals(0),
		number("Definitions kept", "VMs whose definition is kept, so that they can be started on another host. 0 with VMs that should be restarted is a cluster that cannot.", asCount, query{orZero(own("evenkeel_definitions_kept", "")), ""}),
	)
	p.heading("The evidence")
	p.line(9,
		timeline("Verdicts", "A row for each host with what has become of it, as evenkeel judges from all the evidence. Only dead proves that its VMs do not run: then alone are they started elsewhere.", asCount,
			query{numbered("evenkeel_host_verdict", "host", "verdict", verdictWords()), "{{host}}"}).Mappings(verdictMeanings()).DataLinks(hostLinks()).Span(12),
		list("The evidence now, host by host", "Each word about each host: its exporter's, its libvirt's, the youngest stamp of it that other hosts see on shared storage, and how long ago it last answered a neighbour. Several that fall silent at once are a dead host; one alone is that service.",
			nil,
			column{name: "verdict", unit: asCount, expr: numbered("evenkeel_host_verdict", "host", "verdict", verdictWords()), mappings: verdictMeanings()},
			column{name: "silent", unit: inSeconds, expr: own("evenkeel_host_silent_seconds", "host"), limits: limits(good, step{15, fair}, step{60, worst})},
			column{name: "exporter", unit: asCount, expr: `min by (host) (` + scraped("up") + `)`, mappings: answers()},
			column{name: "libvirt", unit: asCount, expr: `min by (host) (` + scraped("min by (job, instance) (evenkeel_exporter_libvirt_up)") + `)`, mappings: answers()},
			column{name: "stamp", unit: inSeconds, expr: heard("evenkeel_host_heartbeat_peer_age_seconds"), limits: limits(good, step{30, fair}, step{120, worst}), mappings: means(meaning{"-1", "none", quiet})},
			column{name: "neighbours", unit: inSeconds, expr: heard("evenkeel_host_neighbour_answer_age_seconds"), limits: limits(good, step{30, fair}, step{120, worst}), mappings: means(meaning{"-1", "none", quiet})},
		).Span(12),
	)
	p.line(8,
		graph("Silence", "For how long each host has given no sign of life, neither exporter nor libvirt.", inSeconds, query{own("evenkeel_host_silent_seconds", "host"), "{{host}}"}).DataLinks(hostLinks()),
		graph("Stamps on shared storage", "Age of the youngest stamp of each host, as the others see it. One line that climbs is a host that does not write any more; all of them are the storage.", inSeconds,
			query{orAbsent(`min by (peer) (evenkeel_host_heartbeat_peer_age_seconds{peer=~"$hosts"})`, `evenkeel_host_heartbeat_peer_age_seconds{peer=~"$hosts"}`, "peer", "no host leaves stamps"), "{{peer}}"}),
		graph("Answers to neighbours", "How long ago each host last answered any of the others. One line that climbs is a host off the network; all of them are the network.", inSeconds,
			query{orAbsent(`min by (peer) (evenkeel_host_neighbour_answer_age_seconds{peer=~"$hosts"} < Inf)`, `evenkeel_host_neighbour_answer_age_seconds{peer=~"$hosts"}`, "peer", "no host asks its neighbours"), "{{peer}}"}),
	)
	p.heading("What is down, and what is done about it")
	p.line(8,
		list("VMs down", "VMs that should run and do not, since when, where they were, and why.", []string{"vm"},
			column{name: "down for", unit: inSeconds, expr: orNone(own("evenkeel_vm_down_seconds", "vm, name, host, cause"), "name", "none"), limits: anyIs(worst)}).SortBy(sorted("down for", true)),
		list("What waits for a person", "Failures about which evenkeel does nothing more by itself, each with its cause. evenkeel failures says what it takes.", nil,
			column{name: "stuck", unit: asCount, expr: orNone(own("evenkeel_recovery_stuck", "subject, name, cause"), "subject", "nothing"), limits: anyIs(worst)}),
		bars("What was done in this time", "Hosts turned off, VMs started, and hosts given up, by result. A fence that failed leaves the host's VMs down: nobody may start what may still run.", asCount,
			query{orNone(`sum by (kind, result) (increase(evenkeel_actions_total{instance=~"$server", kind=~"fence|start|reset|forget|wake"}[$__range])) > 0`, "kind", "nothing"), "{{kind}} {{result}}"}).Decimals(0),
	)
	p.line(8,
		bars("What befell VMs in this time", "Crashes, panics, watchdogs and errors of all VMs, by what their hypervisors tell.", asCount,
			query{orNone(`sum by (event) (increase(evenkeel_vm_events_total{event=~"crashed|panicked|watchdog|io-error|memory-failure|control-error"}[$__range])`+ofTheHosts+`) > 0`, "event", "nothing"), "{{event}}"}).Decimals(0).Thresholds(anyIs(worst)),
		graph("VMs down, over time", "How many VMs that should run did not.", asCount, query{orZero(`count(` + own("evenkeel_vm_down_seconds", "vm") + `)`), "down"}),
	)
	p.heading("What would be survived: the drill that never stops")
	p.line(9,
		list("Failover proof", "Every failure that the configuration's reserve asks to survive, tried on paper at each pass: whether every VM would have a place, and how much memory could still be started then. A drill with evenkeel drill says which VM would go where.", nil,
			column{name: "survived", unit: asCount, expr: orNone(own("evenkeel_failover_ok", "case_kind, subject"), "subject", "nothing is asked for"), mappings: means(meaning{"1", "yes", good}, meaning{"0", "no", worst})},
			column{name: "headroom", unit: inBytes, expr: own("evenkeel_failover_headroom_bytes", "case_kind, subject")},
		).SortBy(sorted("headroom", false)).Span(12),
		graph("Cases, by what came of them", "Failures that would be survived, that would not, and of which nobody can say. Broken ones appear when hosts fill up: before anything has failed.", asCount,
			query{own("evenkeel_failover_cases", "result"), "{{result}}"}).Span(12),
	)
	return p
}

// verdictWords are the verdicts on a host, in the order of their numbers here.
func verdictWords() []string {
	return []string{"blind", "alive", "exporter-lost", "libvirt-lost", "isolated", "hung", "dead", "unproven"}
}

func verdictMeanings() []dashboard.ValueMapping {
	return means(meaning{"0", "blind", quiet}, meaning{"1", "alive", good}, meaning{"2", "exporter lost", fair}, meaning{"3", "libvirt lost", bad},
		meaning{"4", "isolated", bad}, meaning{"5", "hung", worst}, meaning{"6", "dead", worst}, meaning{"7", "unproven", "purple"})
}

// heard is how long ago any other host heard of each host; -1 where the others do not listen for it.
func heard(metric string) string {
	return `min by (host) (label_replace(` + metric + `{peer=~"$hosts"}, "host", "$1", "peer", "(.*)")) or ` + own("evenkeel_host_silent_seconds", "host") + ` * 0 - 1`
}

func answers() []dashboard.ValueMapping {
	return means(meaning{"1", "answers", good}, meaning{"0", "silent", worst})
}

// ofTheHosts keeps what the exporters of the cluster's hosts say, of series that bear no host.
const ofTheHosts = ` and on (job, instance) evenkeel_host_cpus{host=~"$hosts"}`

// scraped gives what is known of the target of each host's exporter the host's name. A host whose exporter has been silent for
// less than an hour is remembered.
func scraped(expr string) string {
	return `group by (job, instance, host) (last_over_time(evenkeel_host_cpus{host=~"$hosts"}[1h])) * on (job, instance) group_left () (` + expr + `)`
}

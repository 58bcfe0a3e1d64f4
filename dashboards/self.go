package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/common"

func selfPage() *page {
	p := newPage("evenkeel-self", "evenkeel itself", "Whether evenkeel sees and thinks as it should: its passes, its journal, its exporters, its Prometheus, its process.")
	p.line(4,
		number("Age of what it sees", "How old the newest snapshot is. Older than a few passes, and evenkeel neither advises nor acts: look at the log.", inSeconds, query{own("evenkeel_snapshot_age_seconds", ""), ""}).Thresholds(limits(good, step{120, bad}, step{300, worst})),
		number("Gaps", "Hosts and VMs that the newest snapshot could not see properly. They are left alone; evenkeel status names them.", asCount, query{own("evenkeel_snapshot_gaps", ""), ""}).Thresholds(anyIs(fair)),
		fact("Passes failed in this time", "Passes over the cluster that came to nothing: Prometheus did not answer, or not in time.", asCount, query{orZero(`sum(increase(evenkeel_analyzer_passes_total{instance=~"$server", result="failure"}[$__range]))`), ""}).Thresholds(limits(good, step{0.5, worst})).Decimals(0),
		fact("Exporters silent", "Exporters that Prometheus cannot read now. Their hosts are gaps.", asCount, query{orZero(`count((` + scraped("up") + `) == 0)`), ""}).Thresholds(anyIs(worst)),
		fact("Journal entries lost", "Entries that could not be written within the time shown. Nothing is done whose entry fails: the disk may be full.", asCount, query{orZero(`sum(increase(evenkeel_journal_appends_total{instance=~"$server", result="failure"}[$__range]))`), ""}).Thresholds(limits(good, step{0.5, worst})).Decimals(0),
		fact("Slack", "Whether the last call to Slack worked.", asCount, query{`(` + own("evenkeel_slack_up", "") + `) or on () vector(-1)`, ""}).
			Mappings(means(meaning{"1", "works", good}, meaning{"0", "fails", worst}, meaning{"-1", "not configured", quiet})),
		fact("Configuration read", "When the configuration was last read and taken.", "dateTimeFromNow", query{own("evenkeel_config_last_reload_timestamp_seconds", "", `result="success"`) + ` * 1000`, ""}),
		fact("Version", "The version of each server. Several at once: an upgrade that is under way, or a server that was forgotten.", "string", query{own("evenkeel_build_info", "version"), "{{version}}"}).TextMode(common.BigValueTextModeName),
	)
	p.heading("Passes")
	p.line(8,
		graph("How long a pass takes", "Half of the passes took at most the lower line, 99 of 100 the upper one, queries included. Near the interval of the analysis they do not keep up.", inSeconds,
			query{passes("0.5"), "half"}, query{passes("0.99"), "99 of 100"}),
		graph("Age of what it sees", "Saw teeth as high as the interval of the analysis are as it should be; a slope is a server that does not get through a pass.", inSeconds, query{own("evenkeel_snapshot_age_seconds", ""), "age"}),
		graph("Passes a minute, by result", "Failures are passes that came to nothing.", asCount, query{`sum by (result) (rate(evenkeel_analyzer_passes_total{instance=~"$server"}[$__rate_interval])) * 60`, "{{result}}"}),
		graph("Gaps", "Hosts and VMs that could not be seen properly. New VMs are gaps until a window has passed.", asCount, query{own("evenkeel_snapshot_gaps", ""), "gaps"}),
	)
	p.line(8,
		graph("Error of the forecast", "Mean error over all VMs of expecting that a VM uses what it used at the same hours of past days, and of expecting what it used last. The forecast is used only where its error is the smaller one.", inCores,
			query{orAbsent(`avg by (forecast) (`+own("evenkeel_vm_cpu_forecast_error_cores", "vm, forecast")+`)`, `evenkeel_vm_cpu_forecast_error_cores{instance=~"$server"}`, "forecast", "no day has passed yet"), "{{forecast}}"}),
		graph("Journal: time to write an entry", "99 of 100 entries were on disk within this time. Each action waits for its entry: tenths of a second are a slow disk.", inSeconds,
			query{orAbsent(`histogram_quantile(0.99, sum by (le) (rate(evenkeel_journal_append_duration_seconds_bucket{instance=~"$server"}[1h]))) >= 0`, `evenkeel_journal_entries{instance=~"$server"}`, "le", ""), "99 of 100"}),
		graph("Journal: size", "Size of the journal's file. It does not shrink; its room is used again.", inBytes, query{own("evenkeel_journal_bytes", ""), "file"}),
		graph("Slack: calls a minute", "Calls to Slack by result, and plans of which Slack does not show the present state yet.", asCount,
			query{orAbsent(`sum by (result) (rate(evenkeel_slack_requests_total{instance=~"$server"}[$__rate_interval])) * 60`, `evenkeel_slack_up{instance=~"$server"}`, "result", "not configured"), "{{result}}"},
			query{orZero(own("evenkeel_slack_messages_pending", "")), "messages pending"}),
	)
	p.heading("Exporters")
	p.line(10,
		list("Exporters now", "Every exporter: whether Prometheus can read it and how long that takes, whether it can read its hypervisor, calls into libvirt that hang, and readings that a VM held up. Hanging calls are a libvirtd that is stuck.", []string{"job"},
			column{name: "up", unit: asCount, expr: scraped("up"), mappings: answers()},
			column{name: "scrape", unit: inSeconds, expr: scraped("scrape_duration_seconds"), limits: limits(good, step{1, fair}, step{5, worst})},
			column{name: "samples", unit: asCount, expr: scraped("scrape_samples_scraped")},
			column{name: "libvirt", unit: asCount, expr: scraped("min by (job, instance) (evenkeel_exporter_libvirt_up)"), mappings: answers()},
			column{name: "read in", unit: inSeconds, expr: scraped("max by (job, instance) (evenkeel_exporter_read_seconds)")},
			column{name: "calls hang", unit: asCount, expr: scraped("sum by (job, instance) (evenkeel_exporter_libvirt_calls_hanging)"), limits: anyIs(worst)},
			column{name: "held up in an hour", unit: asCount, expr: scraped("sum by (job, instance) (increase(evenkeel_exporter_libvirt_held_up_total[1h]))"), limits: limits(good, step{1, fair})},
		).SortBy(sorted("scrape", true)).Span(14),
		graph("Scrape time", "How long it takes to read each host's exporter. One line above the others is a host under load or a libvirtd that is slow.", inSeconds,
			query{`max by (host) (` + scraped("scrape_duration_seconds") + `)`, "{{host}}"}).DataLinks(hostLinks()),
	)
	p.line(8,
		bars("Collectors that take longest", "The mean over all hosts of the time that each collector takes. Those that share a call all show its time.", inSeconds,
			query{`topk(12, avg by (collector) (evenkeel_scrape_collector_duration_seconds` + ofTheHosts + `))`, "{{collector}}"}),
		list("Collectors that cannot look", "Collectors that failed in their last reading. What they publish is missing.", []string{"Value"},
			column{name: "failed", unit: asCount, expr: orNone(`max by (instance, uri, collector) ((evenkeel_scrape_collector_success`+ofTheHosts+`) == 0)`, "collector", "none")}),
	)
	p.line(6,
		list("Replicas of Prometheus", "Where evenkeel may read several replicas: which the newest snapshot was made from, and what speaks against the others. evenkeel status says why.", []string{},
			column{name: "usable", unit: asCount, expr: replica("usable"), mappings: means(meaning{"1", "yes", good}, meaning{"0", "no", fair})},
			column{name: "used", unit: asCount, expr: replica("used"), mappings: means(meaning{"1", "yes", plain}, meaning{"0", "no", quiet})},
			column{name: "hosts up", unit: asCount, expr: replica("hosts_up")},
			column{name: "newest sample", unit: inSeconds, expr: replica("newest_sample_age_seconds"), limits: limits(good, step{60, fair}, step{300, worst})},
		),
	)
	p.heading("The embedded Prometheus and the process")
	p.line(8,
		graph("Series and samples", "Time series that it keeps at once, and samples that it takes in each second. With a Prometheus of its own the server tells none.", asCount,
			query{orAbsent(own("prometheus_tsdb_head_series", ""), `prometheus_tsdb_head_series{instance=~"$server"}`, "engine", "none"), "series"},
			query{orZero(`sum(rate(prometheus_tsdb_head_samples_appended_total{instance=~"$server"}[$__rate_interval]))`), "samples a second"}),
		graph("On disk", "What it keeps on disk: blocks, and the log of what is not in one yet.", inBytes,
			query{orZero(own("prometheus_tsdb_storage_blocks_bytes", "")), "blocks"}, query{orZero(own("prometheus_tsdb_wal_storage_size_bytes", "")), "log"}),
		graph("CPU", "Cores that the server uses, its Prometheus included.", inCores, query{`max(rate(process_cpu_seconds_total{instance=~"$server"}[$__rate_interval]))`, "used"}),
		graph("Memory", "Memory that the server holds, its Prometheus included. A line that only climbs is a leak.", inBytes, query{own("process_resident_memory_bytes", ""), "held"}, query{own("go_memstats_heap_inuse_bytes", ""), "heap"}),
		graph("Goroutines and files", "What is under way at once, and files and connections that are open. Lines that only climb are calls that never come back.", asCount, query{own("go_goroutines", ""), "goroutines"}, query{own("process_open_fds", ""), "files"}),
	)
	return p
}

// passes is the time within which a share of the passes was over.
func passes(share string) string {
	return `histogram_quantile(` + share + `, sum by (le) (rate(evenkeel_analyzer_pass_duration_seconds_bucket{instance=~"$server"}[$__rate_interval])))`
}

// replica is what is known of each replica of Prometheus.
func replica(what string) string {
	return orNone(`max by (url) (evenkeel_prometheus_replica_`+what+`{instance=~"$server"})`, "url", "one is read alone, or the server's own")
}

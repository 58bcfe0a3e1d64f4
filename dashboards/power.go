package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/common"

func powerPage() *page {
	p := newPage("evenkeel-power", "Power", "Which hosts are on and which sleep, what they draw, what their sleep saves, and whether they can be woken.").from("now-24h")
	asleep := orZero(`count(` + own("evenkeel_host_standby", "host") + ` == 2)`)
	p.line(4,
		number("Hosts on", "Hosts that are up, those in maintenance included.", asCount, query{orZero(`sum(` + own("evenkeel_host_state", "host", `state=~"up|maintenance"`) + `)`), ""}),
		number("Hosts asleep", "Hosts that evenkeel keeps off.", asCount, query{asleep, ""}).Thresholds(anyIs("purple")),
		number("On the way", "Hosts that are being emptied to sleep, and those being woken.", asCount,
			query{`(` + orZero(`count(`+own("evenkeel_host_standby", "host")+` == 1)`) + `) + (` + orZero(`count(`+own("evenkeel_host_waking_timestamp_seconds", "host")+`)`) + `)`, ""}),
		number("Did not wake", "Hosts that did not come back the last time that evenkeel woke them. They are missing when they are needed: mend them, then evenkeel standby test.", asCount, query{orZero(`sum(` + own("evenkeel_host_wake_failed", "host") + `)`), ""}).Thresholds(anyIs(worst)),
		number("Drawn now", "What all hosts draw together, as far as that is known.", inWatts, query{orZero(`sum(` + own("evenkeel_host_power_watts", "host") + `)`), ""}),
		fact("Saved in this time", "What sleeping hosts did not draw within the time shown, less what falling asleep and waking took.", "kwatth", query{saved("[$__range]"), ""}).Decimals(2),
		fact("Saved in this time, in money", "The same by the configuration's price.", asCount, query{orNone(own("evenkeel_power_price_per_kilowatt_hour", "currency")+` * on () group_left () (`+saved("[$__range]")+`)`, "currency", "no price configured"), "{{currency}}"}).
			Decimals(2).TextMode(common.BigValueTextModeValueAndName),
		fact("CO2 saved in this time", "The same by the configuration's grams of CO2 for a kilowatt-hour.", "massg", query{orZero(own("evenkeel_power_carbon_grams_per_kilowatt_hour", "") + ` * on () (` + saved("[$__range]") + `)`), ""}).Decimals(0),
	)
	p.heading("On and asleep")
	p.line(8,
		timeline("Standby", "A row for each host: on, being emptied to sleep, or kept off. Rows that change often wear hardware: raise the time without a peak after which hosts may sleep.", asCount,
			query{own("evenkeel_host_standby", "host"), "{{host}}"}).Mappings(means(meaning{"0", "on", good}, meaning{"1", "emptying", fair}, meaning{"2", "asleep", "purple"})).DataLinks(hostLinks()),
		graph("What is wanted of what is on", "CPU in demand and memory in use, of the hosts that are on. Above the upper line hosts are woken; a host may sleep only where the others stay at the lower one (63 % and 81 %, where the configuration says nothing else).", asRatio,
			query{`sum(` + own("evenkeel_vm_cpu_demand_cores", "vm") + `) / sum(max by (host) (evenkeel_host_cpus{host=~"$hosts"}))`, "CPU"},
			query{`sum(` + own("evenkeel_vm_memory_demand_bytes", "vm") + `) / sum(max by (host) (evenkeel_host_memory_bytes{host=~"$hosts"}))`, "memory"}).
			Thresholds(limits(quiet, step{0.63, fair}, step{0.81, bad})).ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed)).Max(1),
	)
	p.heading("What they draw, and what sleep saves")
	p.line(8,
		stacked("Drawn, by host", "What each host draws: by its BMC's word, or by its curve where that does not tell.", inWatts,
			query{orAbsent(own("evenkeel_host_power_watts", "host"), `evenkeel_host_power_watts{instance=~"$server"}`, "host", "nobody tells"), "{{host}}"}).DataLinks(hostLinks()),
		bars("Used in this time", "What each host used within the time shown, by the mean of what it drew.", "kwatth",
			query{orNone(`max by (host) (avg_over_time(evenkeel_host_power_watts{instance=~"$server"}[$__range])) * $__range_s / 3600000`, "host", "nobody tells"), "{{host}}"}).Decimals(2),
		graph("Saved since the beginning", "What sleep saved since evenkeel began to count, and what falling asleep and waking took. A second line near the first is sleep too short to be worth it.", "kwatth",
			query{`sum(` + own("evenkeel_host_power_saved_joules_total", "host") + `) / 3600000`, "saved"},
			query{`sum(` + own("evenkeel_host_power_spent_joules_total", "host") + `) / 3600000`, "spent on sleeping and waking"}),
		bars("Slept in this time", "How long evenkeel kept each host off within the time shown.", inSeconds,
			query{`max by (host) (increase(evenkeel_host_slept_seconds_total{instance=~"$server"}[$__range]))`, "{{host}}"}),
	)
	p.heading("Can they be woken?")
	p.line(8,
		list("Proofs", "Of each host: whether it was back the last time that it was woken, when that was and how long it took. None goes to sleep by itself without a proof that is young enough (90 days, where the configuration says nothing else). Without a row it was never woken: evenkeel standby test.", nil,
			column{name: "standby", unit: asCount, expr: own("evenkeel_host_standby", "host"), mappings: means(meaning{"0", "on", good}, meaning{"1", "emptying", fair}, meaning{"2", "asleep", "purple"})},
			column{name: "last wake", unit: asCount, expr: orMinusOne("evenkeel_host_wake_last_success"), mappings: means(meaning{"-1", "never woken", quiet}, meaning{"1", "came back", good}, meaning{"0", "did not", worst})},
			column{name: "when", unit: "dateTimeFromNow", expr: `(` + orMinusOne("evenkeel_host_wake_last_timestamp_seconds") + `) * 1000`, mappings: means(meaning{"-1000", "-", quiet})},
			column{name: "took", unit: inSeconds, expr: orMinusOne("evenkeel_host_wake_last_duration_seconds"), mappings: means(meaning{"-1", "-", quiet})},
			column{name: "draws idle", unit: inWatts, expr: orMinusOne("evenkeel_host_power_idle_watts"), mappings: means(meaning{"-1", "not told", quiet})},
		).Span(14),
		bars("Wakes and sleeps in this time", "Hosts put to sleep and woken, by result. A wake that failed is a host that is missing.", asCount,
			query{orNone(`sum by (kind, result) (increase(evenkeel_actions_total{instance=~"$server", kind=~"standby|wake"}[$__range])) > 0`, "kind", "none"), "{{kind}} {{result}}"}).Decimals(0),
	)
	return p
}

// orMinusOne is -1 for the hosts of which the metric says nothing.
func orMinusOne(metric string) string {
	return own(metric, "host") + ` or ` + own("evenkeel_host_standby", "host") + ` * 0 - 1`
}

// saved is what sleep saved over a time, net, in kWh.
func saved(over string) string {
	return `(sum(increase(evenkeel_host_power_saved_joules_total{instance=~"$server"}` + over + `)) - sum(increase(evenkeel_host_power_spent_joules_total{instance=~"$server"}` + over + `))) / 3600000`
}

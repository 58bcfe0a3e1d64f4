package dashboards

func actionsPage() *page {
	p := newPage("evenkeel-actions", "Advice and actions", "What is advised and waits, what was done and how it ended, what the gates refused, and whether promises were kept.")
	state := func(s string) string { return own("evenkeel_recommendations", "", `state="`+s+`"`) }
	ended := func(result string) string {
		return orZero(`sum(increase(evenkeel_actions_total{instance=~"$server", result="` + result + `"}[$__range]))`)
	}
	p.line(4,
		number("Waits for a word", "Recommendations that are open: nobody has said yes or no.", asCount, query{state("open"), ""}).Thresholds(anyIs(plain)),
		number("Under way", "Recommendations that were approved and wait for their turn, and those that are being done.", asCount, query{state("approved") + " + " + state("running"), ""}).Thresholds(anyIs(plain)),
		number("Outcome unknown", "Actions of which nobody can say what became of them. evenkeel looks again and again and does nothing more with the VM: look yourself.", asCount, query{state("unknown"), ""}).Thresholds(anyIs(worst)),
		fact("Done in this time", "Actions that ended well within the time shown.", asCount, query{ended("done"), ""}).Decimals(0),
		fact("Failed in this time", "Actions that were begun and failed. The VM goes on where it was, and is left alone for a while; evenkeel history says why.", asCount, query{ended("failed"), ""}).Thresholds(limits(good, step{0.5, worst})).Decimals(0),
		fact("Refused in this time", "Actions that were approved, and that a gate stopped before they were begun: the world had changed.", asCount, query{ended("refused"), ""}).Thresholds(limits(good, step{0.5, fair})).Decimals(0),
		fact("Pauses", "Pauses in force, of the cluster, of hosts or of VMs. While the cluster is paused nothing is done by itself.", asCount, query{orZero(`count(` + own("evenkeel_order_in_force", "subject", `kind="pause"`) + `)`), ""}).Thresholds(anyIs(bad)),
		number("Score to be gained", "By how much the score would rise if all that is advised were done.", inPoints,
			query{orZero(own("evenkeel_cluster_score_planned", "", `when="after"`) + " - " + own("evenkeel_cluster_score_planned", "", `when="before"`)), ""}).Decimals(1),
	)
	p.heading("Advice")
	p.line(8,
		graph("Recommendations, by state", "Those that wait and those under way. Open ones that pile up are advice that nobody reads; running ones that do not end are migrations that hang.", asCount,
			query{own("evenkeel_recommendations", "state", `state=~"open|approved|running|unknown"`), "{{state}}"}),
		graph("What became of it", "Recommendations by how they ended, as far as the server knows them. Many expired or withdrawn ones beside few done are advice that comes too late or does not stand.", asCount,
			query{own("evenkeel_recommendations", "state", `state=~"done|failed|refused|rejected|expired|withdrawn"`), "{{state}}"}),
		bars("What people said in this time", "Words of people, by how they were taken. Refused is a yes that a gate did not let through.", asCount,
			query{`sum by (decision) (increase(evenkeel_decisions_total{instance=~"$server"}[$__range]))`, "{{decision}}"}).Decimals(0),
	)
	p.heading("Gates and actions")
	p.line(9,
		bars("Gates that refused in this time", "Refusals by gate; a gate that refused nothing is not there. world: the cluster is not as the advice saw it. freshness and hosts: evenkeel cannot see well enough. storm, budget and concurrency: enough for now.", asCount,
			query{orNone(`sort_desc(sum by (gate) (increase(evenkeel_gate_refusals_total{instance=~"$server"}[$__range])) > 0)`, "gate", "none"), "{{gate}}"}).Decimals(0).Thresholds(anyIs(bad)),
		bars("Actions in this time, by kind and result", "What ended within the time shown.", asCount,
			query{orNone(`sort_desc(sum by (kind, result) (increase(evenkeel_actions_total{instance=~"$server"}[$__range])) > 0)`, "kind", "none"), "{{kind}} {{result}}"}).Decimals(0),
		graph("How long actions take", "Half of the actions of a kind that ended in the past hour took at most the lower line, nineteen of twenty the upper one. Migrations that take longer and longer are a network that fills, or VMs that write faster than it sends.", inSeconds,
			query{orNever(taken("0.5"), anyEnded, "kind", "none"), "{{kind}}, half"},
			query{orNever(taken("0.95"), anyEnded, "kind", "none"), "{{kind}}, 19 of 20"}),
	)
	p.line(7,
		list("Migrations under way", "What is being moved now, and how much of its memory is copied.", []string{"vm"},
			column{name: "copied", unit: asRatio, gauge: true, expr: orNone(own("evenkeel_action_progress_ratio", "vm, name, from, to"), "name", "none")}),
		list("Orders in force", "What people ordered beyond single recommendations: pauses, hosts kept in maintenance or standby, and approvals in advance.", []string{"Value"},
			column{name: "in force", unit: asCount, expr: orNone(own("evenkeel_order_in_force", "kind, subject, policy"), "kind", "none")}),
		list("Schedules", "Each schedule of the configuration: whether its window is open, and whether it did what it is there for the last time.", nil,
			column{name: "open", unit: asCount, expr: orNone(own("evenkeel_schedule_open", "schedule"), "schedule", "none"), mappings: means(meaning{"1", "open", plain}, meaning{"0", "-", quiet})},
			column{name: "last time", unit: asCount, expr: orNone(own("evenkeel_schedule_last_success", "schedule")+` or `+own("evenkeel_schedule_open", "schedule")+` * 0 - 1`, "schedule", "none"), mappings: means(meaning{"-1", "not yet", quiet}, meaning{"1", "done", good}, meaning{"0", "failed or missed", worst})}),
	)
	p.heading("Promises, and the trust that is earned by keeping them")
	p.line(12,
		graph("Score: model and measured", "What the planner's model says the score is, and what is measured. The nearer, the more its promises are worth.", inPoints,
			query{own("evenkeel_cluster_score", ""), "measured"}, query{own("evenkeel_cluster_score_planned", "", `when="before"`), "by the model"}).Max(100),
		bars("Promises kept and not", "Actions of which it is known what came of them, by planner: whether the hosts were afterwards as was promised. Many that were not are a load that changes faster than it is measured.", asCount,
			query{orNone(`sum by (policy, kept) (`+own("evenkeel_effects", "policy, from, to, detectors, kept")+`)`, "policy", "none yet"), "{{policy}}, kept: {{kept}}"}),
		bars("How far off, by pair of hosts", "The ten pairs of hosts whose use differed most from what was promised, in the mean of all moves between them, as a share of a host. Above 20 % the numbers of one of the two are doubtful.", asRatio,
			query{orNone(`topk(10, `+own("evenkeel_effect_utilisation_error_ratio", "policy, from, to")+`)`, "from", "none yet"), "{{from}} to {{to}}, {{policy}}"}).Thresholds(limits(good, step{0.1, fair}, step{0.2, bad})),
		timeline("Autonomy by kind", "A row for each kind of action with the level that is in force: manual asks for each, partial for what is not certain, full for none. Where it is to be earned, a level that falls lost trust: a promise was not kept, or an action failed. Hosts and VMs may be held lower.", asCount,
			query{own("evenkeel_automation_level", "policy"), "{{policy}}"}).
			Mappings(means(meaning{"0", "off", quiet}, meaning{"1", "manual", plain}, meaning{"2", "partial", fair}, meaning{"3", "full", good})),
	)
	p.heading("Runbooks")
	p.line(7,
		bars("Runs in this time", "Runs of runbooks that ended within the time shown, by how.", asCount,
			query{orNone(`sum by (runbook, result) (increase(evenkeel_runbook_runs_total{instance=~"$server"}[$__range]))`, "runbook", "none"), "{{runbook}} {{result}}"}).Decimals(0),
		graph("Runs under way", "Runs that are not over, those that wait for their turn included.", asCount,
			query{orAbsent(own("evenkeel_runbook_runs_under_way", "runbook"), `evenkeel_runbook_runs_under_way{instance=~"$server"}`, "runbook", "none"), "{{runbook}}"}),
		graph("Notifications of Alertmanager's, in an hour", "How they were taken. Unauthorised ones are a token that is wrong; invalid ones are no notifications.", asCount,
			query{`sum by (result) (increase(evenkeel_alertmanager_notifications_total{instance=~"$server"}[1h]))`, "{{result}}"}),
	)
	return p
}

// anyEnded tells whether an action ended within the time shown.
const anyEnded = `sum(increase(evenkeel_action_duration_seconds_count{instance=~"$server"}[$__range] @ end())) > 0`

// taken is the time within which a share of the actions of each kind ended that ended within an hour.
func taken(share string) string {
	return `histogram_quantile(` + share + `, sum by (kind, le) (increase(evenkeel_action_duration_seconds_bucket{instance=~"$server"}[1h])))` +
		` and on (kind) (sum by (kind) (increase(evenkeel_action_duration_seconds_count{instance=~"$server"}[1h])) > 0)`
}
